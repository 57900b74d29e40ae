#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import Logbeam
internal import Logging

/// A small service for `Scripts/demo`: logs numbered records as fast as it can, and reports each one on standard output
/// once `log()` has returned. So whoever kills it knows exactly what it had logged.
///
/// Arguments: the spool, the log group, the log stream, how many records.
@main
struct DemoService {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let count = Int(arguments[4]) else {
            print("usage: logbeam-demo-service SPOOL GROUP STREAM COUNT")
            exit(64)
        }
        let shipper = try LogShipper(
            .init(
                logGroupName: arguments[2],
                logStreamName: arguments[3],
                spool: arguments[1],
                bufferDuration: .seconds(1)
            )
        )
        LoggingSystem.bootstrap { label in CloudWatchLogsHandler(label: label, shipper: shipper) }
        let logger = Logger(label: "demo")
        for number in 1...count {
            logger.info("order \(number) taken", metadata: ["number": "\(number)"])
            report(number)
        }
    }

    /// Writes the number unbuffered: it is out before the next record is logged.
    private static func report(_ number: Int) {
        var line = "\(number)\n"
        line.withUTF8 { _ = write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
}
