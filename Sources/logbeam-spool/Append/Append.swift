internal import ArgumentParser
internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// `logbeam-spool append`.
struct Append: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes each line of standard input a committed record.",
        discussion: """
            A line is committed as soon as it has been read; lines that come fast are committed together. What is \
            committed survives the death of this process at any instruction. Nothing is shipped: that is done by a \
            program that logs to the same spool, or by 'logbeam-spool drain'. The spool is made if it is missing.

            A line ends with LF or CR LF. An empty line is a record too (CloudWatch Logs gets a space). What is not \
            UTF-8 becomes U+FFFD. A line longer than \(HumanUnits.count(BatchLimits.maximumMessageBytes)) bytes, the \
            most that CloudWatch Logs takes, becomes several records.

            Ends at the end of the input, at SIGTERM, SIGINT or SIGHUP, and when nobody reads the output of --tee any \
            more; what was read by then is committed, also a last line without its end, and the exit code is 0. After \
            a signal what already lies in the pipe is read too, up to 1 MiB.

            When the spool has reached its size, lines wait until something else makes room, a program that uploads or \
            'logbeam-spool drain', and whoever writes them waits with them; see --when-full.

            Lines that the spool does not take (the disk is full, or another process keeps it locked for 30 seconds) \
            go to standard error, each after 'not spooled: ', are counted for 'status', and make the exit code 74.

            Example:
              myprogram 2>&1 | logbeam-spool append --log-group g --log-stream s --tee
            """
    )

    @OptionGroup var spool: SpoolOption

    @Option(help: ArgumentHelp("The log group that the lines are for.", valueName: "group"))
    var logGroup: String

    @Option(help: ArgumentHelp("The log stream that the lines are for.", valueName: "stream"))
    var logStream: String

    @Option(
        help: ArgumentHelp("The most that the spool takes on the disk; from 16 MiB to 1 TiB.", valueName: "bytes")
    )
    var maxSpoolSize = LogShipper.Configuration(logGroupName: "", logStreamName: "").maxSpoolSize

    @Option(
        help: """
            What happens to a line for which there is no room: it waits, it takes the place of the oldest records, or it \
            goes to standard error.
            """
    )
    var whenFull = WhenFull.wait

    /// What ``maxSpoolSize`` leads to.
    enum WhenFull: String, CaseIterable, ExpressibleByArgument {
        case wait
        case dropOldest = "drop-oldest"
        case dropNewest = "drop-newest"

        var policy: SpoolLimit.WhenFull {
            switch self {
            case .wait: .block(timeout: .seconds(1))
            case .dropOldest: .dropOldest
            case .dropNewest: .dropNewest
            }
        }
    }

    @Flag(help: "Write each line to standard output, unchanged, once it is committed.")
    var tee = false

    func validate() throws {
        try spool.validate {
            $0.logGroupName = logGroup
            $0.logStreamName = logStream
            $0.maxSpoolSize = maxSpoolSize
        }
    }

    func run() throws {
        let signals = try TerminationSignals.watch()
        // A closed pipe and a file at its size limit come back as errors of write(2).
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        let limit = SpoolLimit(bytes: Int64(maxSpoolSize), whenFull: whenFull.policy)
        let spool = try LiveSpool(
            path: spool.path,
            options: Spool.Options(commitTimeout: .seconds(30), limit: limit),
            report: { StandardStreams.complain($0) }
        )
        let stream = LiveStream(Destination(logGroup: logGroup, logStream: logStream))
        try spool.prepare(stream)
        var appender = Appender(
            spool: spool,
            stream: stream,
            signals: signals,
            echo: tee ? Echo(signals: signals) : nil
        )
        var lines = LineBuffer(maximum: BatchLimits.maximumMessageBytes, readSize: Self.readSize)

        let readError = read(into: &lines, signals) { lines in
            lines.take(atEnd: false) { appender.append($0) }
            return appender.echo?.error != nil
        }
        lines.take(atEnd: true) { appender.append($0) }
        appender.finish()
        spool.settle(holdsLease: false, isPatient: false)

        if lines.cutLines > 0 {
            let maximum = HumanUnits.count(BatchLimits.maximumMessageBytes)
            StandardStreams.complain(
                "\(HumanUnits.count(lines.cutLines, "line")) longer than \(maximum) bytes became several records"
            )
        }
        if appender.unspooled > 0 {
            throw Failure(
                .failedIO,
                "\(HumanUnits.count(appender.unspooled, "record")) could not be committed, and went to standard error"
            )
        }
        if readError != 0 {
            throw Failure(.failedIO, "can not read standard input: \(String(cString: strerror(readError)))")
        }
        if let code = appender.echo?.error, code != EPIPE { throw Failure.output(code) }
    }

    /// The most that is read, and so committed, at once. Even empty lines keep the spool locked for less than a second.
    private static let readSize = 262_144
    /// How much is still read after a signal: the most that a pipe holds (/proc/sys/fs/pipe-max-size).
    private static let readAfterSignal = 1_048_576

    /// Reads until the end of the input, a signal, or the closure says that it is enough. Returns `errno`, or 0.
    private func read(
        into lines: inout LineBuffer,
        _ signals: TerminationSignals,
        _ isEnough: (inout LineBuffer) -> Bool
    ) -> Int32 {
        var left = Int.max
        while left > 0 {
            var sources = [STDIN_FILENO, signals.descriptor].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            let isEnding = left <= Self.readAfterSignal
            poll(&sources, isEnding ? 1 : 2, isEnding ? 0 : -1)
            if sources[1].revents != 0 { left = Self.readAfterSignal }
            guard sources[0].revents != 0 else {
                if isEnding { return 0 }
                continue
            }
            let count = lines.fill { readBytes(STDIN_FILENO, $0.baseAddress, min($0.count, Self.readSize)) }
            if count == 0 { return 0 }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                return errno
            }
            if left != .max { left -= count }
            if isEnough(&lines) { return 0 }
        }
        return 0
    }
}

/// `read(2)`, by a name that the method does not hide.
private func readBytes(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}
