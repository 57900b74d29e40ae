internal import ArgumentParser
internal import LogbeamSpool

/// `logbeam-spool check`.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Looks whether a spool is sound, page by page and row by row.",
        discussion: """
            Changes nothing, \(SpoolOption.takesInJournals). Works beside programs that use the spool. Takes time that \
            grows with the file.

            A sound spool: 0. A damaged one: 65; the problems are shown, \(SpoolCheck.problemLimit) of them if there are \
            many, and 'logbeam-spool salvage' takes out of it what is readable. A warning (other people may read the \
            file, or a journal could not be moved into it, for example) is shown, and changes nothing about that.

            'In doubt' are batches of which nobody knows whether they arrived. 'Empty' are deliveries that name no \
            record any more, 'stray' are records whose stream the spool does not know.

            With --json: one object with spool, good, version (of the schema), journal_mode, records, rejected, streams, \
            gaps, deliveries, in_doubt, empty_deliveries, stray_records (these eight null where the damage does not let \
            them be counted), problems and warnings (arrays of strings), and files, an array of objects with path, bytes and mode (a string of octal digits).

            Examples:
              logbeam-spool check
              logbeam-spool check --spool /var/lib/app/logs.db --json | jq .problems
            """
    )

    @OptionGroup var spool: SpoolOption

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let check = try SpoolCheck.run(path: spool.path)
        let report = CheckReport(check: check)
        try StandardStreams.print(json ? report.json : report.page(on: .output))
        guard check.isGood else {
            let error = SpoolError(.damaged, path: check.path, message: "the spool is damaged")
            throw Failure(.unusableSpool, error.description)
        }
    }
}
