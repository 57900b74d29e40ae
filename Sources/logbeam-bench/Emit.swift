import ArgumentParser
import Foundation
import Logbeam
import LogbeamSpool
import LogbeamTestSupport
import Logging

/// Logs records through a handler, ships them, and prints as JSON what that cost: the counterpart of `emit.py`.
struct Emit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Logs the lines of standard input, again and again.",
        shouldDisplay: false
    )

    enum Handler: String, ExpressibleByArgument {
        case write, stream, logbeam
        case logbeamPlain = "logbeam-plain"
    }

    @Argument
    var handler: Handler
    @Argument
    var threads: Int
    @Argument
    var records: Int
    @Argument
    var endpointURL: String

    func run() async throws {
        let input = FileHandle.standardInput.readDataToEndOfFile()
        let lines = String(decoding: input, as: UTF8.self).split(separator: "\n").map(String.init)
        let (log, ship) = try prepare(lines)
        let (cpu, written) = (try Self.cpuSeconds(), try Self.writtenBytes())
        let begin = MonotonicClock.nanoseconds()
        let calls = try Calls.make(threads: threads, perThread: records / threads, log)
        try await ship()
        let figures = HandlerFigures(
            p50Microseconds: calls.percentile(0.5),
            p99Microseconds: calls.percentile(0.99),
            p999Microseconds: calls.percentile(0.999),
            worstMicroseconds: calls.percentile(1),
            records: calls.latencies.count,
            loggedSeconds: calls.seconds,
            shippedSeconds: Double(MonotonicClock.nanoseconds() - begin) / 1e9,
            cpuSeconds: try Self.cpuSeconds() - cpu,
            writtenBytes: try Self.writtenBytes() - written,
            peakMemoryBytes: try Self.peakMemoryBytes()
        )
        FileHandle.standardOutput.write(try JSONEncoder().encode(figures))
    }

    private typealias Ship = @Sendable () async throws -> Void

    /// What logs the record of a number, and what ships all of them.
    private func prepare(_ lines: [String]) throws -> (log: @Sendable (Int) -> Void, ship: Ship) {
        switch handler {
        case .write:
            let file = try Self.file()
            let whole = lines.map { Array(($0 + "\n").utf8) }
            return (
                { number in _ = whole[number % whole.count].withUnsafeBytes { write(file, $0.baseAddress, $0.count) } },
                {}
            )
        case .stream:
            // Where it writes to.
            dup2(try Self.file(), STDERR_FILENO)
            return (Self.logging(lines, Logger(label: "bench") { StreamLogHandler.standardError(label: $0) }), {})
        case .logbeam, .logbeamPlain:
            let shipper = try LogShipper(
                LogShipper.Configuration(
                    logGroupName: "bench",
                    logStreamName: "bench",
                    endpointURL: endpointURL,
                    gzip: handler == .logbeam
                )
            )
            let logger = Logger(label: "bench") { CloudWatchLogsHandler(label: $0, shipper: shipper) }
            return (
                Self.logging(lines, logger),
                {
                    guard await shipper.flush(timeout: .seconds(600)) else { throw BenchError("not all was sent") }
                    await shipper.shutdown()
                }
            )
        }
    }

    private static func logging(_ lines: [String], _ logger: Logger) -> @Sendable (Int) -> Void {
        let prefix = "INFO bench: "
        let messages = lines.map { Logger.Message(stringLiteral: String($0.dropFirst(prefix.utf8.count))) }
        return { number in logger.info(messages[number % messages.count]) }
    }

    /// A file beside the spool, on the same disk.
    private static func file() throws -> Int32 {
        let path = LogShipper.Configuration.defaultSpoolPath() + ".txt"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw BenchError("can not write \(path): \(String(cString: strerror(errno)))") }
        return descriptor
    }

    private static func cpuSeconds() throws -> Double {
        var time = timespec()
        guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { throw BenchError("no clock of the process") }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
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
