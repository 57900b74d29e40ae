import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("Signer, judged by botocore's")
struct SignerDifferentialTests {
    /// `SIGNER_REQUESTS` overrides it.
    private static let requestCount =
        ProcessInfo.processInfo.environment["SIGNER_REQUESTS"].flatMap { Int($0) } ?? 10_000

    @Test("10,000 random requests get the signatures that botocore gives them", .timeLimit(.minutes(10)))
    func random() async throws {
        try await onOwnThread {
            let judge = try Python.start(LogbeamAWSTests.script("sign.py"))
            var random = SeededGenerator(seed: 1)
            var expected: [String] = []
            for _ in 0..<Self.requestCount {
                let sample = Sample(using: &random)
                expected.append(try sample.signed())
                try judge.write(sample.json() + "\n")
            }
            judge.closeInput()
            #expect(try judge.wait(within: .seconds(500)).exitCode == 0, "\(judge.text(.standardError))")
            let answers = try judge.output().split(separator: UInt8(ascii: "\n")).map {
                try JSONDecoder().decode(String.self, from: Data($0))
            }
            #expect(answers.count == Self.requestCount)
            for (number, (ours, botocores)) in zip(expected, answers).enumerated() where ours != botocores {
                Issue.record("request \(number)\nours:\n\(ours)\nbotocore's:\n\(botocores)")
                return
            }
        }
    }
}

/// A request with all that may stand in one, and who signs it when.
private struct Sample {
    var request: SigningRequest
    var credentials: Credentials
    var signer: Signer
    var time: Int64

    private static let words = [
        "a", "Z", "0", "-", "_", ".", "~", " ", "%", "%20", "+", "&", "=", "/", ":", "@", "!", "$", "'", "(", ")", "*",
        ",",
        ";", "\"", "<", ">", "[", "]", "{", "}", "|", "\\", "^", "`", "é", "ü", "日本", "🛰", "e\u{301}", "\u{7f}",
    ]
    private static let headerNames = [
        "X-Amz-Target", "x-amz-meta-A", "X-AMZ-META-B", "Content-Type", "My-Header", "Accept", "Cookie",
        // Not signed.
        "User-Agent", "Expect", "X-Amzn-Trace-Id", "Connection", "TE", "Traceparent", "Proxy-Authorization", "Upgrade",
    ]

    init(using random: inout SeededGenerator) {
        func text(_ length: ClosedRange<Int>, _ words: [String] = Self.words) -> String {
            (0..<Int.random(in: length, using: &random)).map { _ in words.randomElement(using: &random) ?? "" }.joined()
        }
        let segments = ["", ".", "..", "a", "b c", "%2F", "é", "~x", "a=b", "{x}", "@", "*"]
        let path = (0..<Int.random(in: 0...6, using: &random)).map { _ in
            segments.randomElement(using: &random) ?? ""
        }
        let query = (0..<Int.random(in: 0...5, using: &random)).map { _ in
            (name: text(1...3), value: text(0...6))
        }
        var headers = [HTTPHeader("Host", "example.amazonaws.com")]
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            // With names that come again, and spaces in odd places.
            let value = text(0...8, Self.words + [" ", "  ", "\t", "   "])
            headers.append(HTTPHeader(Self.headerNames.randomElement(using: &random) ?? "", value))
        }
        headers.shuffle(using: &random)
        let body = (0..<(Bool.random(using: &random) ? 0 : Int.random(in: 1...300, using: &random))).map { _ in
            UInt8.random(in: 0...255, using: &random)
        }
        request = SigningRequest(
            method: ["GET", "POST", "PUT", "DELETE"].randomElement(using: &random) ?? "",
            path: "/" + path.joined(separator: "/"),
            query: query,
            headers: headers,
            body: body
        )
        credentials = Credentials(
            accessKeyID: "AKIA\(UInt32.random(in: 0 ... .max, using: &random))",
            secretAccessKey: text(1...40, ["a", "B", "7", "/", "+", "=", "é"]),
            sessionToken: Bool.random(using: &random) ? text(1...80, ["t", "O", "/", "+", "=="]) : nil
        )
        signer = Signer(
            region: ["us-east-1", "eu-central-1", "cn-north-1"].randomElement(using: &random) ?? "",
            service: ["logs", "sts"].randomElement(using: &random) ?? ""
        )
        // 1970 to 2100.
        time = Int64.random(in: 0...4_102_444_800, using: &random)
    }

    /// `Authorization`, a line break, and the canonical request.
    func signed() throws -> String {
        let signature = try signer.sign(request, with: credentials, at: time)
        let authorization = signature.headers.first { $0.isNamed("Authorization") }?.value ?? ""
        return authorization + "\n" + signature.canonicalRequest
    }

    func json() throws -> String {
        let members: [String: Any] = [
            "method": request.method, "path": request.path, "query": request.query.map { [$0.name, $0.value] },
            "headers": request.headers.map { [$0.name, $0.value] }, "body": Data(request.body).base64EncodedString(),
            "key": credentials.accessKeyID, "secret": credentials.secretAccessKey,
            "token": credentials.sessionToken as Any? ?? NSNull(), "region": signer.region, "service": signer.service,
            "timestamp": CivilTime(secondsSinceEpoch: time).basicDateTime,
        ]
        return String(decoding: try JSONSerialization.data(withJSONObject: members), as: UTF8.self)
    }
}
