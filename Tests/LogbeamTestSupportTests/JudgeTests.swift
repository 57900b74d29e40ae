import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("The judges that others wrote")
struct JudgeTests {
    private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Python")

    struct Result: Decodable, Equatable {
        var missing, again, unordered: String
        var rejected: [String: Int]
        var streams, messages: [String]
    }

    @Test(
        "botocore takes LocalEndpoint for CloudWatch Logs, and LocalEndpoint finds no fault with botocore",
        arguments: [AccessKey.any, AccessKey(identifier: "ASIAEXAMPLE", secret: "se/cr+et", sessionToken: "to/k+en=")]
    )
    func botocore(key: AccessKey) async throws {
        let endpoint = try LocalEndpoint(accessKeys: [key])
        let output = try await onOwnThread {
            try Python.run(
                Self.scripts.appendingPathComponent("put_and_get.py"),
                [endpoint.url],
                environment: key.environment
            )
        }
        let expected = Result(
            missing: "ResourceNotFoundException",
            again: "ResourceAlreadyExistsException",
            unordered: "InvalidParameterException",
            rejected: ["tooOldLogEventEndIndex": 1],
            streams: ["stream"],
            messages: ["é\0\n\"\\\u{2028}", "xxxxxxxxxx", "b"]
        )
        #expect(try JSONDecoder().decode(Result.self, from: Data(output)) == expected)
        let refusals = endpoint.records.refusals.map(\.errorType)
        #expect(refusals == [expected.missing, expected.again, expected.unordered])
    }

    @Test("boto3 reads back from LocalEndpoint byte for byte what it accepted, over several pages")
    func readsBack() async throws {
        let clock = Monitor(TestRequest.now)
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { clock.withLock { $0 } })
        let client = try RawClient(port: endpoint.port)
        let messages = (0..<12_000).map { "\($0)\0\u{1}é" }
        for part in [messages[..<9_000], messages[9_000...]] {
            #expect(try client.exchange(.put(part.map { (0, $0) })).status == 200)
        }
        // The SDK signs with the time of this machine.
        clock.withLock { $0 = Int64(Date().timeIntervalSince1970 * 1000) }
        let destination = Destination(logGroup: "g", logStream: "s")
        let events = try await onOwnThread { try Boto3.readBack(destination, from: endpoint.url) }
        #expect(events.map(\.bytes) == messages.map { Array($0.utf8) })
        #expect(events.allSatisfy { $0.timestamp == TestRequest.now })
    }

    @Test("moto takes any key without authentication, and is gone with its owner")
    func motoWithoutAuthentication() async throws {
        let (process, events) = try await onOwnThread {
            let moto = try MotoServer()
            try Self.putAndGet(moto, as: moto.accessKey)
            return (
                moto.processIdentifier, try moto.readBack(Destination(logGroup: "/judge/group", logStream: "stream"))
            )
        }
        #expect(events.first?.message == "é\0\n\"\\\u{2028}")
        // Its port may be another test's by now.
        #expect(kill(process, 0) == -1 && errno == ESRCH)
    }

    @Test("moto with authentication takes its own key, and no wrong secret")
    func motoWithAuthentication() async throws {
        let moto = try await onOwnThread { try MotoServer(authentication: true) }
        try await onOwnThread { try Self.putAndGet(moto, as: moto.accessKey) }
        let wrong = AccessKey(identifier: moto.accessKey.identifier, secret: "wrong")
        let error = await #expect(throws: ChildProcessError.self) {
            try await onOwnThread { try Self.putAndGet(moto, as: wrong) }
        }
        #expect(error?.description.contains("SignatureDoesNotMatch") == true)
    }

    @Test("moto with authentication refuses what its key may not do")
    func motoWithPermissions() async throws {
        let moto = try await onOwnThread { try MotoServer(authentication: true, allowing: ["logs:PutLogEvents"]) }
        let error = await #expect(throws: ChildProcessError.self) {
            try await onOwnThread { try Self.putAndGet(moto, as: moto.accessKey) }
        }
        #expect(error?.description.contains("AccessDenied") == true)
    }

    @Test("moto ends with its standard input, so that it does not outlive tests that are killed")
    func motoEndsWithInput() async throws {
        let termination = try await onOwnThread {
            let process = try Python.start(Python.script("moto_server.py"))
            try process.waitForOutput { $0.hasSuffix("\n") }
            process.closeInput()
            return try process.wait()
        }
        #expect(termination.exitCode == 0)
    }

    private static func putAndGet(_ moto: MotoServer, as key: AccessKey) throws {
        _ = try Python.run(
            scripts.appendingPathComponent("put_and_get.py"),
            [moto.url],
            environment: key.environment
        )
    }
}
