import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

/// A spool in a directory of its own, with the configuration of a shipper on it.
struct SpoolFixture {
    let directory: TemporaryDirectory
    var configuration: LogShipper.Configuration

    static let destination = Destination(logGroup: "group", logStream: "stream")

    /// By default nothing is sent unless a batch is full or a flush asks for it, and the end of the process is not
    /// waited for.
    init(_ adjust: (inout LogShipper.Configuration) -> Void = { _ in }) throws {
        directory = try TemporaryDirectory()
        configuration = LogShipper.Configuration(
            logGroupName: Self.destination.logGroup,
            logStreamName: Self.destination.logStream,
            spool: directory.file("spool.db"),
            bufferDuration: .seconds(3600),
            format: .message,
            exitFlushTimeout: .zero
        )
        adjust(&configuration)
    }

    func status() throws -> SpoolStatus { try SpoolStatus.read(path: configuration.spool) }

    /// The messages that are pending, in the order of their commits.
    func pending() throws -> [String] {
        let reader = try SpoolReader(path: configuration.spool)
        return try reader.headers(after: 0).headers.map { header in
            let range = BatchRange(
                stream: header.stream,
                first: header.id,
                last: header.id,
                latest: header.timestamp
            )
            let batch = try reader.batch(range, for: Self.destination)
            return String(decoding: batch.messages, as: UTF8.self)
        }
    }

    func logger(_ shipper: LogShipper, label: String = "label") -> Logger {
        Logger(label: label) { CloudWatchLogsHandler(label: $0, shipper: shipper, metadataProvider: nil) }
    }
}

extension EventBatch {
    var texts: [String] { events.map { String(decoding: messages[$0.range], as: UTF8.self) } }
}

/// Waits for something that comes from another thread, or that needs something done again and again. Throws if it does not
/// come.
func waitUntil(
    _ what: String,
    _ condition: () throws -> Bool,
    while action: () async -> Void = {}
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + patience
    while try !condition() {
        guard clock.now < deadline else { throw WaitError(what: what) }
        await action()
        try await Task.sleep(for: .milliseconds(2))
    }
}

struct WaitError: Error, CustomStringConvertible {
    var what: String
    var description: String { "waited in vain for: \(what)" }
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
