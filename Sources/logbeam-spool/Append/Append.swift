internal import ArgumentParser
internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool

/// `logbeam-spool append`.
struct Append: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "append",
        abstract: "Makes each line of standard input, or of files, a committed record.",
        discussion: """
            A line is committed as soon as it has been read; lines that come fast are committed together. What is \
            committed survives the death of this process at any instruction. Nothing is shipped: that is done by a \
            program that logs to the same spool, or by 'logbeam-spool drain'. The spool is made if it is missing.

            A line ends with LF or CR LF. An empty line is a record too (CloudWatch Logs gets a space). What is not \
            UTF-8 becomes U+FFFD. A line longer than \(BatchLimits.maximumMessageBytes.grouped) bytes, the \
            most that CloudWatch Logs takes, becomes several records.

            Placeholders in the name of the stream are those of the library, and are replaced once, when this begins: \
            {hostname}, {instance_id}, {ip_address}, {date:%Y-%m-%d}, and {pid} and {program}, which are those of this \
            command. {{ and }} stand for braces.

            A record has the time at which its line was read. With --timestamp a line has the time that is written in it; \
            one without has that of the line before it. The format knows \(TimestampFormat.known); white space in it is \
            any white space, %Z is UTC or GMT, and a line without a year is of the latest that is no more than a day ahead.

            With --multiline-start a line in which the pattern is not found belongs to the record before it, which is \
            complete when the next one begins. Until then it is in memory alone: for --multiline-wait after its first \
            line, or until it is as long as a message may be; then it is committed as it is. The pattern is looked for in \
            the first 1,024 bytes of a line, and has no back references.

            With --format json a line is an object. Its message is the message (if it has none, the line is), and its \
            time, log_group and log_stream go before the options. time is ISO 8601, as 2026-01-31T12:00:00.123+01:00 (UTC \
            without an offset), or a number since 1970 in seconds, from 100,000,000,000 on in milliseconds. A line that is \
            no such object is taken as it is; how many there were is told at the end. --timestamp and --multiline-start \
            are for lines, not for objects.

            Files are read one after the other, each to its end. One that can not be read is told, and makes the exit code \
            74; the others are taken.

            With --tee, an output that can not be written (the disk is full) is told once, all lines are committed all the \
            same, and the exit code is 74.

            Ends at the end of the input, at SIGTERM, SIGINT or SIGHUP, and when nobody reads the output of --tee any \
            more; what was read by then is committed, also a last line without its end, and the exit code is 0. After \
            a signal what already lies in the pipe is read too, up to 1 MiB; for a spool that is locked or full these \
            lines wait a second in all.

            When the spool has reached its size, lines wait until something else makes room, a program that uploads or \
            'logbeam-spool drain', and whoever writes them waits with them; see --when-full.

            Lines that the spool does not take (the disk is full, or another process keeps it locked for 30 seconds) \
            go to standard error, each after 'not spooled: ', are counted for 'status', and make the exit code 74; also \
            where it can not be opened for such a reason, which is tried again for the lines that follow. Where it can not \
            be opened at all (it is no spool, or can not be written), this ends at once, and reads nothing.

            Where the file is deleted or replaced meanwhile, and there can be no new one in its place, lines are committed \
            to the one that is open. What is pending in that at the end goes to standard error in the same way, for nobody \
            else could read it.

            Examples:
              myprogram 2>&1 | logbeam-spool append --log-group g --log-stream s --tee
              logbeam-spool append --log-group g --log-stream s \\
                --timestamp '%b %d %H:%M:%S' /var/log/syslog
              java -jar x.jar | logbeam-spool append --log-group g --log-stream s \\
                --multiline-start '^[^[:space:]]'
              jq -c '{time: .ts, message: .msg}' x.log |
                logbeam-spool append --log-group g --log-stream s --format json
            """
    )

    @OptionGroup var spool: SpoolOption

    @Option(help: ArgumentHelp("The log group that the lines are for.", valueName: "group"))
    var logGroup: String

    @Option(
        help: ArgumentHelp(
            "The log stream that the lines are for; may hold placeholders, such as {hostname}.",
            valueName: "stream"
        )
    )
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
            case .wait: .block(timeout: .milliseconds(Appender.turn))
            case .dropOldest: .dropOldest
            case .dropNewest: .dropNewest
            }
        }
    }

    @OptionGroup(title: "What a line is") var lines: LineOptions

    @Flag(help: "Write each line to standard output, unchanged, once it is committed.")
    var tee = false

    @Argument(
        help: ArgumentHelp("The files to read, in this order; '-' is standard input.", valueName: "file"),
        completion: .file()
    )
    var files: [String] = []

    func validate() throws {
        try spool.validate {
            $0.logGroupName = logGroup
            $0.logStreamName = logStream
            $0.maxSpoolSize = maxSpoolSize
        }
    }

    func run() throws {
        let destination = try SpoolOption.resolve(Destination(logGroup: logGroup, logStream: logStream))
        let signals = try TerminationSignals.watch()
        var appender = Appender(
            path: spool.path,
            limit: SpoolLimit(bytes: Int64(maxSpoolSize), whenFull: whenFull.policy),
            reading: LineReading(
                try lines.reading,
                destination: destination,
                maximum: BatchLimits.maximumMessageBytes
            ),
            signals: signals,
            echo: tee ? StandardOutput(signals: signals) : nil
        )
        var buffer = try lines.buffer
        try appender.begin(with: destination)
        var failures: [Failure] = []
        for name in files.isEmpty ? ["-"] : files where appender.echo?.isUnread != true {
            // What lies in a pipe is read even so: nobody could read it later.
            if name != "-", signals.haveCome { continue }
            do throws(Failure) {
                try append(Input(name), &buffer, &appender, signals)
            } catch {
                failures.add(error)
            }
        }
        do throws(Failure) {
            try appender.finish()
        } catch {
            failures.add(error)
        }

        for note in lines.notes(cut: buffer.cutLines, appender.reading.tally) { StandardStreams.complain(note) }
        if appender.unspooled > 0 {
            let records = HumanUnits.count(appender.unspooled, "record") + (appender.unspooled == 1 ? " is" : " are")
            failures.add(Failure(.failedIO, "\(records) not in the spool, and went to standard error"))
        }
        if let failure = failures.last { throw failure }
        // Which was told when it happened.
        if let echo = appender.echo, echo.error != nil, !echo.isUnread { throw ExitCode(ExitStatus.failedIO.rawValue) }
    }

    /// Appends all lines of an input; the last one ends with it.
    private func append(
        _ input: Input,
        _ buffer: inout LineBuffer,
        _ appender: inout Appender,
        _ signals: TerminationSignals
    ) throws(Failure) {
        let code = input.read(into: &buffer, signals, patience: lines.patience) { buffer, hasWaited in
            buffer.take(atEnd: false, hasWaited: hasWaited) { appender.append($0) }
            return appender.echo?.isUnread == true
        }
        buffer.take(atEnd: true) { appender.append($0) }
        if code != 0 { throw input.failure(code) }
    }
}
