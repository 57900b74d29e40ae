internal import ArgumentParser
internal import LogbeamCore

/// The options of `append` that say what a line is, and what a record.
struct LineOptions: ParsableArguments {
    @Option(help: "What a line is: the message itself, or a JSON object that has it.")
    var format = Format.lines

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case lines, json
    }

    @Option(
        help: ArgumentHelp(
            """
            Where the time of a line is in it, and how it is written, after strptime(3), '%Y-%m-%dT%H:%M:%S.%f%z' for \
            example.
            """,
            valueName: "format"
        )
    )
    var timestamp: String?

    @Option(help: "The time zone of times without an offset.")
    var timeZone = TimeZone.local

    enum TimeZone: String, CaseIterable, ExpressibleByArgument {
        case utc, local
    }

    @Option(
        help: ArgumentHelp(
            """
            Which lines begin a record, the others belonging to the one before: an extended regular expression that is \
            looked for in them, '^[^ ]' for example; or '{datetime_format}': those with a time as --timestamp has it.
            """,
            valueName: "pattern"
        )
    )
    var multilineStart: String?

    @Option(
        help: ArgumentHelp(
            "How long a record waits for more lines that belong to it; from 0.01 to 60.",
            valueName: "seconds"
        )
    )
    var multilineWait = 1.0

    /// In place of a pattern, as the configuration of the awslogs agent has it (`multi_line_start_pattern`).
    private static let byTimestamp = "{datetime_format}"

    func validate() throws {
        if format == .json, timestamp != nil || multilineStart != nil {
            throw ValidationError("--format json goes together with neither --timestamp nor --multiline-start")
        }
        if multilineStart == Self.byTimestamp, timestamp == nil {
            throw ValidationError("--multiline-start \(Self.byTimestamp) needs --timestamp")
        }
        guard (0.01...60).contains(multilineWait) else {
            throw ValidationError("--multiline-wait is \(multilineWait); it must be 0.01 to 60 seconds")
        }
        _ = try timestampFormat
        _ = try startPattern
    }

    private var timestampFormat: TimestampFormat? {
        get throws {
            do throws(TimestampFormat.Fault) {
                return if let timestamp { try TimestampFormat(timestamp) } else { nil }
            } catch {
                throw ValidationError("--timestamp is \"\(timestamp ?? "")\"; \(error.description)")
            }
        }
    }

    private var startPattern: StartPattern? {
        get throws {
            guard let multilineStart, multilineStart != Self.byTimestamp else { return nil }
            do throws(StartPattern.Fault) {
                return try StartPattern(multilineStart)
            } catch {
                throw ValidationError("--multiline-start is \"\(multilineStart)\"; \(error.description)")
            }
        }
    }

    var reading: LineReading.Format {
        get throws {
            format == .json ? .json : .lines(try timestampFormat, timeZone == .utc ? .utc : .local)
        }
    }

    /// In milliseconds.
    var patience: Int64 { Int64(multilineWait * 1_000) }

    /// What cuts the input into lines, or into records of several.
    var buffer: LineBuffer {
        get throws {
            var beginsRecord: ((UnsafeBufferPointer<UInt8>) -> Bool)?
            if let pattern = try startPattern {
                beginsRecord = pattern.matches
            } else if multilineStart != nil, let format = try timestampFormat {
                beginsRecord = { format.find(in: $0) != nil }
            }
            return LineBuffer(
                maximum: format == .json ? JSONLines.longestLine : BatchLimits.maximumMessageBytes,
                readSize: Input.readSize,
                beginsRecord: beginsRecord
            )
        }
    }

    /// What is to be told of the input when it was read.
    func notes(cut: Int, _ tally: LineReading.Tally) -> [String] {
        var notes: [String] = []
        func note(_ count: Int, _ noun: String, _ what: String) {
            if count > 0 { notes.append("\(HumanUnits.count(count, noun)) \(what)") }
        }
        let maximum = BatchLimits.maximumMessageBytes.grouped
        note(
            cut + tally.cut,
            multilineStart == nil ? "line" : "record",
            "longer than \(maximum) bytes became several records"
        )
        note(
            tally.odd,
            "line",
            "could not be read as JSON objects with message, time, log_group and log_stream, and were taken as they are"
        )
        if tally.withTime == 0 { note(tally.withoutTime, "line", "had no time as --timestamp has it") }
        note(tally.tooOld, "record", "older than 14 days, which CloudWatch Logs does not take")
        note(tally.tooFarAhead, "record", "more than 2 hours in the future, which CloudWatch Logs does not take yet")
        return notes
    }
}
