internal import ArgumentParser
internal import LogbeamSpool

/// `logbeam-spool status`.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows what is pending, what went wrong, and who uploads.",
        discussion: """
            Changes nothing, \(SpoolOption.takesInJournals). Counting takes time that grows with what is pending.

            'In doubt' are batches of which nobody knows whether they arrived: in flight, or left by a process that \
            died; they are sent again. 'Dropped' are records that never reached the spool, made room for others in a \
            full one, or were rejected and are no longer kept. 'Set aside' are files that lay in the place of the spool, \
            and were damaged or something else: 'logbeam-spool salvage' takes out of them what is readable. A record \
            expires when it is 14 days old: CloudWatch Logs does not take it any more.

            With --watch it looks again every few seconds, on a large spool more rarely, until Ctrl-C. Then it also says \
            how fast records come and go, which is no fact of a single look: over the last half minute, or as long as it \
            has looked; what was dropped counts as logged. A spool that vanishes meanwhile, or is replaced, is told, and \
            waited for.

            On a terminal: a page for people, in local time. Otherwise, one fact a line: its name, a tab, its value; '-' \
            where there is none; times in ISO 8601, UTC. The names: spool, uploader (process id, host; where it seems to \
            hang also 'hangs' and the seconds since its last sign of life), delivered, pending, pending_bytes, oldest \
            (time, age in seconds), expires (when the oldest does, seconds until then), rejected, \
            dropped, in_doubt, last_delivery, last_error (time, text); a line 'set_aside' for each such file, and a line \
            'journal' for each journal of a dead process that could not be moved into the spool; then for \
            each stream a line 'stream' with log group, log stream, pending, pending_bytes, oldest, rejected, dropped, \
            in_doubt, last_delivery, time and text of the last error; then for each reason a line 'rejection' or 'gap' \
            with log group, log stream, reason, records, and the times of the first and the last of them. Control \
            characters are escaped as in JSON.

            With --watch, one line a look: time, pending, pending_bytes, age of the oldest in seconds, records logged a \
            second, delivered a second, delivered, rejected, dropped, in_doubt, process id of the uploader, text of the \
            last error, or of why the spool can not be read.

            With --json: one object with the same names, and time; oldest_age_seconds and expires_in_seconds stand by \
            themselves; uploader is null or has process_id, host, last_beat (time) and seems_to_hang; last_error is null \
            or has time and message; set_aside and journals are arrays of paths; streams is an array of objects with \
            log_group and log_stream, and with the arrays rejections and gaps of objects with reason, records, first, \
            last. With --watch, one object a line, which also has logged_per_second and delivered_per_second (null at the first \
            look), growth_per_second of pending in each stream, and error: null, or why the spool can not be read; then \
            there are only time, spool and error.

            Examples:
              logbeam-spool status
              logbeam-spool status --watch
              logbeam-spool status --json | jq .pending
            """
    )

    @OptionGroup var spool: SpoolOption

    @Option(
        defaultAsFlag: 2,
        help: ArgumentHelp("Look again after so many seconds, until Ctrl-C; 0.1 to 86400.", valueName: "seconds")
    )
    var watch: Double?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if let watch, !(0.1...86_400).contains(watch) {
            throw ValidationError("--watch is \(watch); it must be 0.1 to 86400 seconds")
        }
    }

    func run() throws {
        if let watch {
            return try WatchLoop(path: spool.path, isJSON: json, interval: Int64(watch * 1_000)).run()
        }
        let status = try SpoolStatus.read(path: spool.path)
        let now = WallClock.milliseconds()
        if !json, let terminal = Terminal.output {
            let page = StatusPage(status: status, now: now, terminal: terminal)
            try StandardStreams.print(page.lines().map { $0 + "\n" }.joined())
        } else {
            let report = StatusReport(status: status, now: now)
            try StandardStreams.print(json ? report.json() : report.table)
        }
    }
}
