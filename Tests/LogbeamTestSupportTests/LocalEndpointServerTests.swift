import Foundation
import Testing

@testable import LogbeamTestSupport

@Suite("logbeam-local-endpoint, which Scripts/demo runs")
struct LocalEndpointServerTests {
    private struct Event: Decodable, Equatable {
        var logGroup: String
        var logStream: String
        var timestamp: Int64
        var message: String
    }

    @Test("says its port, takes events until its input ends, and writes down what it has accepted")
    func serves() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("events.json")
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        try await onOwnThread {
            let process = try ChildProcess(BuiltProducts.executable("logbeam-local-endpoint"), [file], environment: [:])
            let line = try process.waitForOutput { $0.hasSuffix("\n") }
            let client = try RawClient(port: try #require(UInt16(line.dropLast())))
            let names: [String: Any] = ["logGroupName": "g", "logStreamName": "s"]
            let events = ["one", "zwölf\n"].map { ["timestamp": now, "message": $0] as [String: Any] }
            for (operation, members) in [
                ("CreateLogGroup", names), ("CreateLogStream", names),
                ("PutLogEvents", names.merging(["logEvents": events]) { $1 }),
            ] {
                let date = Timestamp.basicFormat(now)
                let request = TestRequest(operation, members).with("X-Amz-Date", date)
                    .with(.with { $0.scope.date = String(date.prefix(8)) })
                #expect(try client.exchange(request).status == 200)
            }
            process.closeInput()
            #expect(try process.wait().exitCode == 0)
        }
        let events = try JSONDecoder().decode([Event].self, from: Data(contentsOf: URL(fileURLWithPath: file)))
        let expected = ["one", "zwölf\n"].map { Event(logGroup: "g", logStream: "s", timestamp: now, message: $0) }
        #expect(events == expected)
    }
}
