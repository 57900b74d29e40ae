import Foundation
import LogbeamAWS
import LogbeamCloudWatch
import LogbeamCore
import LogbeamTestSupport
import Logging
import Testing

@testable import Logbeam

/// A shipper with a spool of its own, and what it may know of AWS.
struct Sender {
    let shipper: LogShipper
    let destination: Destination
    private let directory: TemporaryDirectory

    var spool: String { shipper.configuration.spool }

    /// - Parameters:
    ///   - group: also keeps tests apart that share a server.
    ///   - change: changes the configuration before the shipper is made.
    init(
        to url: String,
        as accessKey: AccessKey = .any,
        group: String,
        environment: [String: String] = [:],
        change: (inout LogShipper.Configuration) -> Void = { _ in }
    ) throws {
        directory = try TemporaryDirectory()
        destination = Destination(logGroup: group, logStream: "stream")
        var configuration = LogShipper.Configuration(
            logGroupName: group,
            logStreamName: destination.logStream,
            spool: directory.file("spool.db"),
            bufferDuration: .seconds(3600),
            exitFlushTimeout: .zero
        )
        change(&configuration)
        var service = CloudWatchLogsService.Configuration(configuration)
        service.environment = ProcessEnvironment(
            Self.environment(url: url, accessKey: accessKey).merging(environment) { $1 }
        )
        shipper = try LogShipper(configuration, service: CloudWatchLogsService(service))
    }

    /// What a process is told of AWS in its environment.
    static func environment(url: String, accessKey: AccessKey) -> [String: String] {
        [
            "AWS_ACCESS_KEY_ID": accessKey.identifier,
            "AWS_SECRET_ACCESS_KEY": accessKey.secret,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_DISABLED": "true",
        ]
    }

    /// Logs each message at level info.
    func log(_ messages: some Sequence<String>) {
        let logger = Logger(label: "test") { CloudWatchLogsHandler(label: $0, shipper: shipper) }
        for message in messages { logger.info("\(message)") }
    }

    func pending() async throws -> [String] {
        try await query("SELECT message FROM pending ORDER BY id")
    }

    func query(_ sql: String) async throws -> [String] {
        let spool = spool
        return try await onOwnThread { try SQLiteShell.query(sql, in: spool) }
    }
}

extension MotoServer {
    /// All events of a stream, without blocking one of the threads that run `async` code.
    func readBack(_ destination: Destination) async throws -> [ReadBackEvent] {
        try await onOwnThread { try self.readBack(destination) }
    }
}
