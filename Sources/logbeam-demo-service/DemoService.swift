#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import Logbeam
internal import Logging

/// A small service for `Scripts/demo` and the tests: logs numbered records as fast as it can, and reports each one on
/// standard output once `log()` has returned. So whoever kills it knows exactly what it had logged.
///
/// Arguments: the spool, the log group, the log stream, how many records, and from how many threads (one by default).
/// The region, the endpoint and the credentials come from the AWS variables of the environment, as everywhere. Other
/// variables, all of them numbers:
///
/// | variable | sets |
/// |---|---|
/// | `BUFFER_MS`, `BATCH_COUNT`, `IN_FLIGHT`, `RECONCILE_MS` | `bufferDuration`, `batchCount`, `maximumInFlight`, `reconcileAfter` |
/// | `EXIT_FLUSH_MS`, `COMMIT_MS`, `LAPSE_MS` | `exitFlushTimeout`, `commitTimeout`, `leaseLapse` |
/// | `UPLOADS`, `JOURNAL` | `uploads`, off if 0; `usesJournal`, on if 1 |
/// | `FIRST` | the number of the first record; 1 where it is not set |
/// | `PAUSE_US` | how long each thread rests after each record |
/// | `STREAMS` | over how many log streams the threads spread: with 3, `name`, `name-2` and `name-3` |
@main
struct DemoService {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard (5...6).contains(arguments.count), let count = Int(arguments[4]),
            let threads = arguments.count == 6 ? Int(arguments[5]) : 1, count >= 0, threads > 0
        else {
            print("usage: logbeam-demo-service SPOOL GROUP STREAM COUNT [THREADS]")
            exit(64)
        }
        var configuration = LogShipper.Configuration(
            logGroupName: arguments[2],
            logStreamName: arguments[3],
            spool: arguments[1],
            bufferDuration: milliseconds("BUFFER_MS") ?? .seconds(1)
        )
        if let count = number("BATCH_COUNT") { configuration.batchCount = count }
        if let count = number("IN_FLIGHT") { configuration.maximumInFlight = count }
        configuration.uploads = number("UPLOADS") != 0
        configuration.usesJournal = number("JOURNAL") == 1
        configuration.reconcileAfter = milliseconds("RECONCILE_MS")
        if let timeout = milliseconds("EXIT_FLUSH_MS") { configuration.exitFlushTimeout = timeout }
        if let timeout = milliseconds("COMMIT_MS") { configuration.commitTimeout = timeout }
        if let lapse = milliseconds("LAPSE_MS") { configuration.leaseLapse = lapse }

        let shipper = try LogShipper(configuration)
        LoggingSystem.bootstrap { label in CloudWatchLogsHandler(label: label, shipper: shipper) }
        let loggers = try (1...max(1, number("STREAMS") ?? 1)).map { stream in
            if stream == 1 { return Logger(label: "demo") }
            let name = "\(arguments[3])-\(stream)"
            let handler = try CloudWatchLogsHandler(label: "demo", shipper: shipper, logStreamName: name)
            return Logger(label: "demo") { _ in handler }
        }

        let first = number("FIRST") ?? 1
        let pause = number("PAUSE_US").map { UInt32($0) }
        onThreads(threads) { thread in
            var logger = loggers[(thread - 1) % loggers.count]
            logger[metadataKey: "thread"] = "\(thread)"
            for number in stride(from: first + thread - 1, to: first + count, by: threads) {
                logger.info("order \(number) taken")
                report("order \(number) taken thread=\(thread)")
                if let pause { usleep(pause) }
            }
        }
        // Returning from main sends what is left, for as long as the configuration allows.
    }

    /// Writes a line with one call and without a buffer: it is out before the next record is logged, and in one piece.
    private static func report(_ text: String) {
        var line = "\(text)\n"
        line.withUTF8 { _ = write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }

    private static func milliseconds(_ variable: String) -> Duration? {
        number(variable).map { .milliseconds($0) }
    }

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }
}
