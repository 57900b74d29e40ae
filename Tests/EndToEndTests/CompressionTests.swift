import Foundation
import Logbeam
import LogbeamTestSupport
import Testing

@Suite("Compressed requests over TLS")
struct CompressionTests {
    struct Judgement: Decodable {
        struct Request: Decodable {
            var encoding: String
            var bytes, plainBytes: Int
        }

        var requests: [Request]
        var faults: [String]
        var messages: [Data]
    }

    @Test("carry a signature that botocore computes too, and what gzip of Python's makes the same messages of")
    func judged() async throws {
        let directory = try TemporaryDirectory()
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "Python/judge.py"
        )
        let judge = try await onOwnThread {
            let judge = try Python.start(script, [directory.path, "AKIDEXAMPLE", "example"])
            try judge.waitForOutput { $0.hasSuffix("\n") }
            return judge
        }
        let port = try #require(UInt16(judge.text().dropLast()))
        let sender = try Sender(
            to: "https://127.0.0.1:\(port)",
            group: "group",
            environment: ["AWS_CA_BUNDLE": directory.file("certificate.pem")]
        ) { $0.maximumInFlight = 1 }
        var random = SeededGenerator(seed: 2)
        let messages = (0..<12_000).map { "record \($0) \0 é 🛰 \(UInt64.random(in: 0 ... .max, using: &random))" }
        sender.log(messages)
        #expect(await sender.shipper.flush(timeout: patience))
        sender.log(["short"])
        #expect(await sender.shipper.flush(timeout: patience))

        let output = try await onOwnThread {
            judge.closeInput()
            let exitCode = try judge.wait().exitCode
            #expect(exitCode == 0, "\(judge.text(.standardError))")
            return judge.output().drop { $0 != UInt8(ascii: "{") }
        }
        let judgement = try JSONDecoder().decode(Judgement.self, from: Data(output))
        #expect(judgement.faults.isEmpty)
        #expect(judgement.messages.map(Array.init) == (messages + ["short"]).map { Array("INFO test: \($0)".utf8) })
        // What is over a KiB is compressed, and what is not is not.
        #expect(judgement.requests.count >= 3)
        #expect(judgement.requests.last?.encoding == "identity")
        #expect(judgement.requests.dropLast().allSatisfy { $0.encoding == "gzip" && $0.bytes < $0.plainBytes / 2 })
    }
}
