internal import ArgumentParser
internal import LogbeamSpool

/// `logbeam-spool salvage`.
struct SalvageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "salvage",
        abstract: "Takes what is readable out of a damaged spool.",
        discussion: """
            Reads the file page by page, whether SQLite can open it or not, and the committed part of the write-ahead log \
            beside it (FILE-wal); then the journals that dead programs have left beside it (FILE.journal-*), for records \
            that are not in the file. None of these is ever changed. End the programs that use the spool first: what \
            stands in the journal of one that runs is left out.

            What is readable goes into a new spool, FILE.salvaged.db, or into the spool --into: appended, if that exists. \
            Ship it with 'logbeam-spool drain --spool FILE.salvaged.db'. Records keep their order and their times. \
            Records in doubt, and those of a batch that was just being deleted, are pending again. Where the name of a log \
            stream is lost, its records go to salvaged-N in the log group logbeam-salvaged.

            What was deleted does not come back, where the file still tells that it was. Pages that belong to no table any \
            more (orphans) are read too: records in them that were acknowledged before are sent once more.

            Everything was readable, also in the journals: 0. Something was lost: 65; what is readable is saved all the \
            same. Pages of the file count from 1. A row whose text is damaged is taken with U+FFFD where it is not UTF-8. \
            What is damaged inside of a text and still is UTF-8 can not be noticed.

            With --json: one object with file, into, complete (true or false), records, rejected, streams, lost_names \
            (streams), gaps, deliveries (batches in doubt), altered (rows whose text, time or id was made valid), \
            orphan_records, pages, free_pages, orphan_pages, unknown_pages (that held nobody knows what), damaged_pages, \
            unreadable_rows, damaged_log_frames, uncommitted_log_frames, journals (that were read), journal_records (those \
            of records that stood in journals alone), journals_in_use (that were left out), and damage, an array of objects \
            with page, offset and problem; at most \(SalvageReport.damageLimit); and damaged_journals, an array of objects \
            with path and problem.

            Examples:
              logbeam-spool salvage /var/lib/app/logs.db
              logbeam-spool salvage logs.db.damaged-20260102T030405Z \\
                --into /var/lib/app/logs.db
            """
    )

    @Argument(help: ArgumentHelp("The damaged spool.", valueName: "file"), completion: .file())
    var file: String

    @Option(
        help: ArgumentHelp(
            "The spool to write to; made if it is missing. (default: FILE.salvaged.db, which must not exist)",
            valueName: "path"
        ),
        completion: .file()
    )
    var into: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if file.isEmpty { throw ValidationError("file is \"\"; it must be the path of a file") }
        if into == "" { throw ValidationError("--into is \"\"; it must be the path of a file") }
    }

    func run() throws {
        let isShown = ProgressDisplay.isPossible
        var lastShown = MonotonicClock.milliseconds()
        let report = try Salvage.run(file, into: into) { report in
            guard isShown, lastShown + ProgressDisplay.interval <= MonotonicClock.milliseconds() else { return }
            lastShown = MonotonicClock.milliseconds()
            ProgressDisplay.draw("\(SalvageText.progress(report))\r")
        }
        if isShown { ProgressDisplay.draw("") }
        let text = SalvageText(report: report)
        try StandardStreams.print(json ? text.json : text.page(on: .output))
        guard report.isComplete else {
            let journals = report.damagedJournals.isEmpty ? "" : ", or of the journals beside it,"
            throw Failure(
                .unusableSpool,
                "not all of \(report.file)\(journals) can be read; what can is in \(report.into)"
            )
        }
    }
}
