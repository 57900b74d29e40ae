import ArgumentParser
import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging

/// Logs records through a handler, ships them, and prints as JSON what that cost: the counterpart of `emit.py`.
struct Emit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Logs the lines of standard input, again and again.",
        shouldDisplay: false
    )

    @Argument
    var handler: Handler
    @Argument
    var threads: Int
    @Argument
    var records: Int
    @Argument
    var endpointURL: String
    /// Records a second, of all threads together; zero for as many as go.
    @Argument
    var rate: Int
    /// How long it goes on when all is shipped, in seconds.
    @Option
    var linger = 0

    func run() async throws {
        let input = FileHandle.standardInput.readDataToEndOfFile()
        let lines = String(decoding: input, as: UTF8.self).split(separator: "\n").map(String.init)
        let subject = try prepare(lines)
        let backlog = try Backlog(ifAny: handler.isLogbeam)
        let interval = rate > 0 ? UInt64(1_000_000_000 * threads / rate) : 0
        let (cpu, written) = (CPUClock.process.nanoseconds, try Self.writtenBytes())
        let begin = MonotonicClock.nanoseconds()
        let calls = try Calls.make(
            threads: threads,
            count: records,
            interval: interval,
            subject.log
        )
        let backlogOutlasted = try backlog?.isLeft()
        try await subject.ship()
        var figures = HandlerFigures(
            p50Microseconds: 0,
            p99Microseconds: 0,
            p999Microseconds: 0,
            worstMicroseconds: 0,
            records: calls.count,
            loggedSeconds: calls.seconds,
            shippedSeconds: secondsSince(begin),
            cpuSeconds: Double(CPUClock.process.nanoseconds - cpu) / 1e9,
            writtenBytes: try Self.writtenBytes() - written,
            peakMemoryBytes: try Self.peakMemoryBytes(),
            backlogOutlasted: backlogOutlasted
        )
        try await Task.sleep(for: .seconds(linger))
        await subject.end()
        // Last, for they take time and memory too.
        let percentile = Percentiles(calls)
        figures.p50Microseconds = percentile(0.5)
        figures.p99Microseconds = percentile(0.99)
        figures.p999Microseconds = percentile(0.999)
        figures.worstMicroseconds = percentile(1)
        FileHandle.standardOutput.write(try JSONEncoder().encode(figures))
    }

    /// What is measured.
    private struct Subject {
        /// Logs the record of a number.
        var log: @Sendable (Int) -> Void
        /// Returns when all is shipped.
        var ship: @Sendable () async throws -> Void = {}
        var end: @Sendable () async -> Void = {}
    }

    private func prepare(_ lines: [String]) throws -> Subject {
        switch handler {
        case .nothing:
            return Subject { _ in }
        case .write:
            let file = try Self.file()
            let whole = lines.map { Array(($0 + "\n").utf8) }
            return Subject { number in
                _ = whole[number % whole.count].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            }
        case .stream:
            // Where it writes to.
            dup2(try Self.file(), STDERR_FILENO)
            return Subject(
                log: Self.logging(lines, Logger(label: "bench") { StreamLogHandler.standardError(label: $0) })
            )
        case .logbeam, .logbeamPlain, .logbeamJournal:
            let shipper = try LogShipper(
                LogShipper.Configuration(
                    logGroupName: DrainBench.destination.logGroup,
                    logStreamName: DrainBench.destination.logStream,
                    endpointURL: endpointURL,
                    gzip: handler != .logbeamPlain,
                    usesJournal: handler == .logbeamJournal
                )
            )
            return Subject(
                log: Self.logging(lines, Logger(label: "bench") { CloudWatchLogsHandler(label: $0, shipper: shipper) }),
                ship: {
                    guard await shipper.flush(timeout: .seconds(600)) else { throw BenchError("not all was sent") }
                },
                end: { await shipper.shutdown() }
            )
        case .pythonNothing, .pythonLogbeam, .pythonEmit, .watchtower:
            throw BenchError("\(handler.name) is measured by emit.py")
        }
    }

    /// What was pending when the process began. It is being shipped from then on.
    private struct Backlog {
        private let records: StoredRecords
        private let count: Int64

        /// Waits until the first of it is shipped, so that what is logged then is logged while it is drained; nil if there
        /// is none.
        init?(ifAny: Bool) throws {
            guard ifAny else { return nil }
            records = try StoredRecords(path: LogShipper.Configuration.defaultSpoolPath())
            count = try records.facts(pendingThrough: .max).pending
            if count == 0 { return nil }
            let deadline = ContinuousClock.now + .seconds(60)
            while try records.facts().delivered == 0 {
                guard ContinuousClock.now < deadline else { throw BenchError("the backlog is not shipped") }
                MonotonicClock.sleep(nanoseconds: 1_000_000)
            }
        }

        func isLeft() throws -> Bool { try records.facts().delivered < count }
    }

    private static func logging(_ lines: [String], _ logger: Logger) -> @Sendable (Int) -> Void {
        let messages = SampleLines.messages(lines)
        return { number in logger.info(messages[number % messages.count]) }
    }

    /// A file beside the spool, on the same disk.
    private static func file() throws -> Int32 {
        let path = LogShipper.Configuration.defaultSpoolPath() + ".txt"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw BenchError("can not write \(path): \(String(cString: strerror(errno)))") }
        return descriptor
    }

    private static func writtenBytes() throws -> Int { try field("write_bytes:", of: "/proc/self/io") }
    private static func peakMemoryBytes() throws -> Int { try field("VmHWM:", of: "/proc/self/status") * 1024 }

    private static func field(_ name: String, of file: String) throws -> Int {
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        let fields = lines.first { $0.hasPrefix(name) }?.split(whereSeparator: \.isWhitespace) ?? []
        guard fields.count > 1, let value = Int(fields[1]) else { throw BenchError("no \(name) in \(file)") }
        return value
    }
}
