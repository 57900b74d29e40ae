internal import ArgumentParser
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// `logbeam-spool status`.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what is pending, what went wrong, and who uploads.",
        discussion: """
            Changes nothing. Counting takes time that grows with what is pending.

            Times are ISO 8601, UTC. 'In doubt' are batches of which nobody knows whether they arrived: in flight, or \
            left by a process that died; they are sent again. 'Dropped' are records that never reached the spool, or \
            were rejected and are no longer kept. 'Set aside' are files that lay in the place of the spool, and were \
            damaged or something else: 'logbeam-spool salvage' takes out of them what is readable.

            On a terminal: a page for people. Otherwise, one fact a line: its name, a tab, its value; '-' where there \
            is none. The names: spool, uploader (process id, host; where it seems to hang also 'hangs' and the seconds \
            since its last sign of life), delivered, pending, pending_bytes, oldest (time, age in seconds), rejected, \
            dropped, in_doubt, last_delivery, last_error (time, text); a line 'set_aside' for each such file; then for \
            each stream a line 'stream' with log group, log stream, pending, pending_bytes, oldest, rejected, dropped, \
            in_doubt, last_delivery, time and text of the last error; then for each reason a line 'rejection' or 'gap' \
            with log group, log stream, reason, records, and the times of the first and the last of them. Control \
            characters are escaped as in JSON.

            With --json: one object with the same names; oldest_age_seconds stands by itself; uploader is null or has \
            process_id, host, last_beat (time) and seems_to_hang; last_error is null or has time and message; set_aside \
            is an array of paths; streams is an array of objects with log_group and log_stream, and with the arrays \
            rejections and gaps of objects with reason, records, first, last.

            Examples:
              logbeam-spool status
              logbeam-spool status --json | jq .pending
            """
    )

    @OptionGroup var spool: SpoolOption

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        try spool.validate { _ in }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let report = StatusReport(
            status: try SpoolStatus.read(path: spool.path),
            now: WallClock.milliseconds()
        )
        if json {
            try StandardStreams.print(report.json)
        } else if isatty(STDOUT_FILENO) == 1 {
            try StandardStreams.print(report.page)
        } else {
            try StandardStreams.print(report.table)
        }
    }
}
