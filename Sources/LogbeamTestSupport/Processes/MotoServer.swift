import Foundation
package import LogbeamCore

/// moto: CloudWatch Logs, STS, IAM and the instance metadata on loopback, written by others.
///
/// It lets pass what AWS refuses (batches over 1 MiB), and its `tooOldLogEventEndIndex` is too small by one; what must
/// be strict is tested against ``LocalEndpoint``. It stops when its owner lets go of it, and when the tests die.
package final class MotoServer: Sendable {
    package let port: UInt16
    /// A key pair that may do what was asked for; any key pair will do if there is no authentication.
    package let accessKey: AccessKey
    private let process: ChildProcess

    package var processIdentifier: Int32 { process.processIdentifier }
    package var url: String { "http://127.0.0.1:\(port)" }

    /// Starts the server and blocks until it answers.
    ///
    /// - Parameters:
    ///   - authentication: Whether it verifies every signature and permission.
    ///   - actions: What the ``accessKey`` may do, if there is authentication.
    package init(authentication: Bool = false, allowing actions: [String] = ["logs:*"]) throws {
        // So many calls need no authentication: those that make the user, its key and its policy.
        let environment = authentication ? ["INITIAL_NO_AUTH_ACTION_COUNT": "3"] : [:]
        process = try Python.start(Python.script("moto_server.py"), environment: environment)
        // The script says its port when the server listens.
        let line = try process.waitForOutput { $0.hasSuffix("\n") }
        guard let port = UInt16(line.dropLast()) else { throw ChildProcessError("moto_server.py wrote: \(line)") }
        self.port = port
        guard authentication else {
            accessKey = .any
            return
        }
        let key = try Python.run(
            Python.script("create_user.py"),
            ["http://127.0.0.1:\(port)"] + actions,
            environment: AccessKey.any.environment
        )
        let members = try JSONDecoder().decode([String: String].self, from: Data(key))
        guard let identifier = members["AccessKeyId"], let secret = members["SecretAccessKey"] else {
            throw ChildProcessError("create_user.py wrote no key pair")
        }
        accessKey = AccessKey(identifier: identifier, secret: secret)
    }

    /// All events of a stream as boto3 reads them. Blocks.
    package func readBack(_ destination: Destination) throws -> [ReadBackEvent] {
        try Boto3.readBack(destination, from: url, as: accessKey)
    }
}

/// An event as it was read from a log stream.
package struct ReadBackEvent: Sendable, Equatable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package var timestamp: Int64
    /// The message's UTF-8 bytes.
    package var bytes: [UInt8]

    package var message: String { String(decoding: bytes, as: UTF8.self) }
}

/// The AWS SDK for Python.
package enum Boto3 {
    private struct Event: Decodable {
        var timestamp: Int64
        var message: Data
    }

    /// What boto3 says of a log group.
    package struct LogGroup: Decodable, Sendable, Equatable {
        package var retentionInDays: Int?
        package var kmsKeyId: String?
        package var tags: [String: String]

        package init(retentionInDays: Int?, kmsKeyId: String?, tags: [String: String]) {
            self.retentionInDays = retentionInDays
            self.kmsKeyId = kmsKeyId
            self.tags = tags
        }
    }

    /// The group of exactly that name. Blocks.
    package static func describe(
        logGroup: String,
        from url: String,
        as accessKey: AccessKey = .any
    ) throws -> LogGroup {
        let output = try Python.run(
            Python.script("describe_group.py"),
            [url, logGroup],
            environment: accessKey.environment
        )
        return try JSONDecoder().decode(LogGroup.self, from: Data(output))
    }

    /// All events of a stream, in the order in which GetLogEvents gives them from the head on. Blocks.
    package static func readBack(
        _ destination: Destination,
        from url: String,
        as accessKey: AccessKey = .any
    ) throws -> [ReadBackEvent] {
        let output = try Python.run(
            Python.script("read_back.py"),
            [url, destination.logGroup, destination.logStream],
            environment: accessKey.environment
        )
        return try JSONDecoder().decode([Event].self, from: Data(output)).map {
            ReadBackEvent(timestamp: $0.timestamp, bytes: Array($0.message))
        }
    }
}
