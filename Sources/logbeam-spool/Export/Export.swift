internal import ArgumentParser
internal import LogbeamSpool

/// `logbeam-spool export`.
struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes what is pending as JSON Lines, and deletes nothing.",
        discussion: """
            Each record is an object on a line of its own, with time (ISO 8601, UTC, to the millisecond), log_group, \
            log_stream and message, in the order in which they were committed. 'logbeam-spool import' reads them back, to \
            the byte, but that a message that is not UTF-8 has U+FFFD in place of what is not.

            With --to, the file is there once it is whole. An export that is killed may leave one that has '.draft-' in its \
            name, which can be deleted.

            Works beside programs that log and upload, and holds none of them up: it reads a mebibyte at a time, up to \
            what was committed when it started. What is shipped meanwhile may be missing, and nothing is there twice. \
            Records in doubt are pending. Where the journal of a dead process can not be moved into the spool, it is named, \
            and the exit code is 75: what is in the spool is exported all the same.

            Examples:
              logbeam-spool export > records.jsonl
              logbeam-spool export --to backup.jsonl --log-group shop
              logbeam-spool export | jq -r .message
            """
    )

    @OptionGroup var spool: SpoolOption
    @OptionGroup var selection: Selection

    @OptionGroup var target: LinesTarget

    func validate() throws { try spool.refuse(output: target.to) }

    func run() throws {
        let records = try StoredRecords(path: spool.path, filter: selection.filter)
        guard try selection.filter == RecordFilter() || records.hasStream() else { throw Failure.noStream(spool.path) }
        let last = try records.facts().newestID
        let output = try target.open()
        try records.forEachPage(through: last) { page throws(Failure) in
            try output.write(page)
            return output.hasEnded
        }
        try output.finish()
        try StrandedJournals.refuse(StrandedJournal.beside(spool: spool.path), besides: spool.path)
    }
}
