internal import ArgumentParser
internal import Logbeam
internal import LogbeamSpool

/// `logbeam-spool import`.
struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Makes pending what 'export', 'rejected export' or 'drain --to' has written.",
        discussion: """
            Each line is a JSON object with time, log_group, log_stream and message; other keys are passed over. time is \
            ISO 8601, as 2026-01-31T12:00:00.123+01:00 (UTC without an offset), or a number since 1970 in seconds, from \
            100,000,000,000 on in milliseconds. Records are committed in the order of the lines, under new ids. The spool \
            is made if it is missing, and may be in use.

            A line that is no such object is told with its number on standard error, and kept out; the others are taken, \
            and the exit code is 65. Only the first \(Importer.toldLimit) are told one by one. Lines of white space count \
            for nothing.

            Each record comes in once, also if the import is killed or a file can not be read: give the same command \
            again, and what was committed of a file is passed over, as long as the file has not changed. That holds until \
            all files of the command were read to their ends; then they are forgotten, and would be imported again. While \
            one is being imported, another import of it ends with 69. Standard input can not be recognised: of it nothing \
            is passed over.

            CloudWatch Logs does not take what is older than 14 days: such records move to 'rejected' again when they are \
            sent.

            Examples:
              logbeam-spool import backup.jsonl
              logbeam-spool export --spool old.db | logbeam-spool import --spool new.db -
            """
    )

    @OptionGroup var spool: SpoolOption

    @Argument(
        help: ArgumentHelp("The files to read, in this order; '-' is standard input.", valueName: "file"),
        completion: .file()
    )
    var files: [String]

    @Option(
        help: ArgumentHelp(
            "The most that the spool takes on the disk; where it is full, the import waits. From 16 MiB to 1 TiB.",
            valueName: "bytes"
        )
    )
    var maxSpoolSize = LogShipper.Configuration(logGroupName: "", logStreamName: "").maxSpoolSize

    func validate() throws {
        try spool.validate { $0.maxSpoolSize = maxSpoolSize }
    }

    func run() throws {
        let signals = try TerminationSignals.watch()
        let limit = SpoolLimit(bytes: Int64(maxSpoolSize), whenFull: .block(timeout: .seconds(1)))
        let spool = try Spool(path: spool.path, options: Spool.Options(commitTimeout: .seconds(30), limit: limit))
        var importer = Importer(spool: spool, signals: signals)
        var failures: [Failure] = []
        for name in files where !importer.hasStopped {
            do throws(Failure) {
                try importer.read(Input(name))
            } catch {
                failures.add(error)
            }
        }
        if failures.isEmpty, !importer.hasStopped { try importer.forget() }
        let tally = importer.tally
        var summary = "\(HumanUnits.count(tally.records, "record")) imported"
        if tally.passedOver > 0 {
            summary += ", after \(HumanUnits.bytes(Int(tally.passedOver))) that were imported before"
        }
        StandardStreams.complain(summary)
        if let failure = failures.last { throw failure }
        if importer.hasStopped {
            throw Failure(.recordsRemain, "stopped by a signal; the same command goes on where it stopped, with files")
        }
        if tally.bad > 0 {
            let what = tally.bad == 1 ? "is no record, and was" : "are no records, and were"
            throw Failure(.unusableSpool, "\(HumanUnits.count(tally.bad, "line")) \(what) kept out")
        }
    }
}
