import Foundation
import Logbeam
import LogbeamTestSupport
import Testing

@Suite("Shippers of one process with one spool")
struct SharedSpoolTests {
    struct Difference: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let change: @Sendable (inout LogShipper.Configuration) -> Void

        init(_ setting: String, _ change: @escaping @Sendable (inout LogShipper.Configuration) -> Void) {
            testDescription = setting
            self.change = change
        }
    }

    private struct Client: CloudWatchLogsClient {
        func putLogEvents(_ request: PutLogEventsRequest) async throws -> PutLogEventsResponse {
            PutLogEventsResponse()
        }
        func createLogGroup(_ request: CreateLogGroupRequest) async throws {}
        func createLogStream(_ request: CreateLogStreamRequest) async throws {}
    }

    private static let differences = [
        Difference("logsClient") { $0.logsClient = Client() },
        Difference("region") { $0.region = "eu-west-1" },
        Difference("endpointURL") { $0.endpointURL = "http://127.0.0.1:1" },
        Difference("profile") { $0.profile = "other" },
    ]

    @Test("are refused where they would upload in different ways", arguments: differences)
    func different(_ difference: Difference) async throws {
        let fixture = try SpoolFixture()
        let first = try LogShipper(fixture.configuration)
        var configuration = fixture.configuration
        difference.change(&configuration)
        let error = try #require(throws: ConfigurationError.self) { try LogShipper(configuration) }
        #expect(error.setting == "spool")
        #expect(error.description.contains("\(fixture.configuration.spool)"))
        #expect(error.bound.contains("another \(difference.testDescription)"))

        // Whoever uploads no more is in nobody's way.
        await first.shutdown()
        let next = try LogShipper(configuration)
        await next.shutdown()
    }

    @Test("are refused though a path by way of a symbolic link leads there")
    func linked() async throws {
        let fixture = try SpoolFixture()
        let first = try LogShipper(fixture.configuration)
        let link = fixture.directory.file("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: fixture.directory.path)
        var configuration = fixture.configuration
        configuration.spool = link + "/spool.db"
        configuration.region = "eu-west-1"
        #expect(throws: ConfigurationError.self) { try LogShipper(configuration) }
        await first.shutdown()
    }

    @Test("share it where they would upload in the same way, or only one of them does", arguments: differences)
    func same(_ difference: Difference) async throws {
        let fixture = try SpoolFixture()
        var configuration = fixture.configuration
        difference.change(&configuration)
        let first = try LogShipper(configuration)
        configuration.bufferDuration = .seconds(7)
        let second = try LogShipper(configuration)
        var writing = fixture.configuration
        writing.uploads = false
        let third = try LogShipper(writing)
        for shipper in [first, second, third] { await shipper.shutdown() }
    }

    @Test("are refused as handlers that make their own too")
    func handlers() throws {
        let fixture = try SpoolFixture()
        func handler(_ client: (any CloudWatchLogsClient)?) throws -> CloudWatchLogsHandler {
            try CloudWatchLogsHandler(
                label: "l",
                logGroupName: "g",
                logStreamName: "s",
                logsClient: client,
                spool: fixture.configuration.spool
            )
        }
        let first = try handler(Client())
        _ = try handler(Client())
        #expect(throws: ConfigurationError.self) { try handler(nil) }
        withExtendedLifetime(first) {}
    }
}
