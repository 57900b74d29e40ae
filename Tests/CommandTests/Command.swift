import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

/// Runs the built command in an environment of its own, with a spool in a directory of its own.
struct Command {
    static let destination = Destination(logGroup: "group", logStream: "stream")
    static let appendArguments = ["append", "--log-group", "group", "--log-stream", "stream"]

    let directory: TemporaryDirectory
    var environment: [String: String]
    let executable: String

    init() throws {
        directory = try TemporaryDirectory()
        executable = try BuiltProducts.executable("logbeam-spool")
        environment = [
            "PATH": "/usr/bin:/bin", "HOME": directory.path, "TERM": "xterm",
            "LOGBEAM_SPOOL": directory.file("spool.db"), "AWS_REGION": "us-east-1",
        ].merging(AccessKey.any.environment) { $1 }
    }

    var spoolPath: String { directory.file("spool.db") }

    func start(_ arguments: [String]) throws -> ChildProcess {
        try ChildProcess(executable, arguments, environment: environment)
    }

    /// Runs the command without input to its end.
    func run(_ arguments: [String]) throws -> Ended {
        try Ended(start(arguments))
    }

    /// Starts a shell script in which `$command` is the command.
    func startShell(_ script: String) throws -> ChildProcess {
        let environment = environment.merging(["command": executable]) { $1 }
        return try ChildProcess("/bin/bash", ["-c", script], environment: environment)
    }

    func runShell(_ script: String) throws -> Ended {
        try Ended(startShell(script))
    }

    /// Starts the command on a terminal; what it shows is all in the output.
    func startOnTerminal(_ arguments: [String], _ window: WindowSize = WindowSize()) throws -> ChildProcess {
        try ChildProcess(on: window, executable, arguments, environment: environment)
    }

    func runOnTerminal(_ arguments: [String], _ window: WindowSize = WindowSize()) throws -> Ended {
        let process = try startOnTerminal(arguments, window)
        return Ended(code: try process.wait().exitCode, output: process.text(), error: "")
    }

    /// Makes the spool, with records in it.
    func fill(
        _ messages: [String],
        destination: Destination = destination,
        timestamp: Int64 = WallClock.milliseconds(),
        spool path: String? = nil
    ) throws {
        let spool = try Spool(path: path ?? spoolPath)
        let stream = try spool.streamID(for: destination)
        for var message in messages {
            _ = try message.withUTF8 { try spool.append(stream: stream, timestamp: timestamp, message: $0) }
        }
    }

    /// The pending messages of all streams, in the order of their commits.
    func pending() throws -> [String] {
        guard FileManager.default.fileExists(atPath: spoolPath) else { return [] }
        let reader = try SpoolReader(path: spoolPath)
        let headers = try reader.headers(after: 0).headers
        guard let first = headers.first, let last = headers.last else { return [] }
        let range = BatchRange(stream: first.stream, first: first.id, last: last.id, latest: .max)
        let batch = try reader.batch(range, for: Self.destination)
        return batch.events.map { String(decoding: batch.messages[$0.range], as: UTF8.self) }
    }

    /// Takes the upload lease, as the program does to which the spool belongs.
    func takeLease() throws -> UploadLease { try #require(try UploadLease.acquire(Spool(path: spoolPath))) }

    func status() throws -> SpoolStatus { try SpoolStatus.read(path: spoolPath) }
}

/// A run of the command that is over.
struct Ended {
    var code: Int32?
    var output: String
    var error: String
}

extension Ended {
    /// Ends the standard input of a process and waits for its end.
    init(_ process: ChildProcess) throws {
        process.closeInput()
        code = try process.wait().exitCode
        output = process.text()
        error = process.text(.standardError)
    }
}

/// Each test of the suite, and the child tasks that it makes, runs on threads of its own: it blocks, and must not keep
/// others from the few threads of Swift's pool.
struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        try await LogbeamTestSupport.onOwnThreads(function)
    }
}

extension Trait where Self == OwnThreads {
    static var onOwnThreads: Self { Self() }
}
