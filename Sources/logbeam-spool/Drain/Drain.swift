internal import ArgumentParser
internal import Logbeam
internal import LogbeamCloudWatch
internal import LogbeamCore
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// `logbeam-spool drain`.
struct Drain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Ships everything that is pending to CloudWatch Logs, now.",
        discussion: """
            Ends with 0 once everything that was pending is acknowledged, also what others appended meanwhile. (If they \
            go on and on, then once all is gone that was there when the first part was done.) What does not get \
            through is tried again, with growing pauses, until it does, the time is over, or a signal comes: then the \
            exit code is 75 and the records stay in the spool. A spool that another process keeps locked is waited for \
            in the same way. Where only a person can help (credentials, permissions, region), it ends at once with 77.

            Records that a dead program has left in a journal are shipped too. Where one can not be moved into the spool, \
            it says which and why; the rest is shipped, and the exit code is 75, or 74 where the disk fails.

            While a program uploads from the spool itself, it ends with 69. With --wait it asks that program to send \
            everything now, and ends with 0 when all is gone; if the program ends before, or shows no sign of life for \
            30 seconds, drain ships the rest. With --take-over it ships everything itself, now: the program stands by \
            meanwhile, and goes on when drain is done. The batches that the program had on their way may arrive twice.

            Where another file takes the place of the spool meanwhile, it says so, and how much is pending in that; the exit \
            code is 75.

            With --log-group or --log-stream, what other log streams have remains, and that is no failure: 0 says that \
            all that was chosen is gone. If the spool has no such stream, it ends with 66.

            Ctrl-C (or SIGTERM) ends it in good order: what is on its way is broken off, and it says what was shipped \
            and what remains; the exit code is 75, or 0 if nothing remained. A second one ends it at once, with 75.

            With --to, records are written to a file, or to standard output with '-', instead of being sent: for when \
            AWS is what is broken. Each becomes a JSON object on a line of its own with the keys time (ISO 8601, UTC), \
            log_group, log_stream and message, as 'append --format json' and 'import' read it. They leave the spool once \
            the disk has them, batch by batch; whenever it is killed, nothing is lost, and at most one batch is there \
            twice. The file is made with mode 0600, or appended to; it can not be the spool itself, nor its log. Records \
            of any age are written. Where the file can not be written, the exit code is 74.

            With --dry-run it sends and changes nothing, \(SpoolOption.takesInJournals); also beside a program that \
            uploads. It shows what would be sent: for each log stream a line with log group, log stream, records, bytes, \
            batches, how many records would be refused by their age or size, and how many are too far ahead of time, by \
            the clock of this machine, to be sent yet. With --json: one object with streams, an array of objects with \
            log_group, log_stream, records, bytes, batches, refused and too_early.

            Records that CloudWatch Logs will never take are moved to the table 'rejected' of the spool, and a record \
            in their stream tells of it.

            On a terminal it shows how far it is, how fast, and how long it will take, unless the lines of --to go there. \
            Otherwise it writes nothing but errors, to standard error.

            Credentials and region come from where other AWS tools look for them; 'logbeam-spool doctor' says from where.

            Examples:
              logbeam-spool drain
              logbeam-spool drain --spool /var/lib/app/logs.db --timeout 60
              logbeam-spool drain --wait --timeout 60
              logbeam-spool drain --log-group shop --log-stream 'orders-*'
              logbeam-spool drain --to rescued.jsonl
            """
    )

    @OptionGroup var spool: SpoolOption

    @Option(
        help: ArgumentHelp("Give up after so many seconds; more than 0. (default: try for ever)", valueName: "seconds")
    )
    var timeout: Double?

    @Flag(help: "Where another process uploads, wait until it has shipped everything, or ends.")
    var wait = false

    @Flag(help: "Where another process uploads, take over from it.")
    var takeOver = false

    @OptionGroup var streams: StreamOptions

    @Option(
        help: ArgumentHelp("Write the records to a file instead, or to standard output: '-'.", valueName: "file"),
        completion: .file()
    )
    var to: String?

    @Flag(help: "Show what would be sent, and send nothing.")
    var dryRun = false

    @Flag(help: "With --dry-run: print one JSON object.")
    var json = false

    @OptionGroup var aws: AWSOptions

    /// One more than a service has: while the answer to one is settled, two are read and sent. Lines go one after the other,
    /// so that they are in the order of the records.
    private static let inFlight = UploadPlan.Pacing.defaultInFlight + 1

    /// A year; so that no sum overflows.
    private static let longestTimeout = 31_536_000.0

    func validate() throws {
        if wait, takeOver { throw ValidationError("--wait and --take-over exclude each other") }
        if wait, to != nil || !streams.areAll {
            throw ValidationError(
                "with --wait the other process ships everything: neither --to nor a choice of streams goes"
            )
        }
        if dryRun, wait || takeOver { throw ValidationError("--dry-run asks nothing of other processes") }
        if json, !dryRun { throw ValidationError("--json goes together with --dry-run alone") }
        if let to { try spool.refuse(output: to) }
        try spool.validate(aws.apply)
        if let timeout, !(timeout > 0 && timeout <= Self.longestTimeout) {
            throw ValidationError(
                "--timeout is \(timeout); it must be more than 0 and at most \(Int(Self.longestTimeout)) seconds"
            )
        }
    }

    func run() throws {
        if dryRun { return try Forecast.show(spool.path, streams, limits, json: json) }
        let path = spool.path
        let start = MonotonicClock.milliseconds()
        let stop = Stop(
            signals: try TerminationSignals.watch(secondExitsWith: .recordsRemain),
            deadline: timeout.map { start + Int64(($0 * 1_000).rounded(.up)) }
        )
        if let told = Quarantine.copyDamagedWAL(of: path) { StandardStreams.complain(told) }
        let opened = try stop.patiently { () throws(SpoolError) in try Spool(path: path, options: stop.options) }
        let chosen = try chosenStreams(of: path)
        let lines = try to.map { LineDelivery(try LineFile($0)) }
        guard let lease = try lease(of: opened, stop) else { return }
        let service: any DeliveryService = lines ?? CloudWatchLogsService(aws.service)
        try stop.whenDue { service.cancel() }
        let loop = try UploadLoop(
            lease: lease,
            service: service,
            limits: limits,
            pacing: UploadPlan.Pacing(inFlight: lines == nil ? Self.inFlight : 1),
            chosen: chosen
        )
        let (end, stranded) = try drain(loop, of: opened, stop, start: start, progress: progress(path))
        if loop.totals.rejected > 0 { StandardStreams.complain(Self.rejectedNotice(loop.totals.rejected, path)) }
        if end != .empty { StrandedJournals.tell(stranded) }
        if let failure = lines?.failure { throw Failure(.failedIO, "\(failure); \(try whatRemains(in: path))") }
        if let failure = try replacement(of: opened, after: end) { throw failure }
        if let failure = try failure(end, path, shipped: loop.totals.records) { throw failure }
        try StrandedJournals.refuse(stranded, besides: path)
    }

    /// What goes into a batch. A file takes what the service would not.
    private var limits: BatchLimits {
        var limits = BatchLimits(messageBytes: to == nil ? BatchLimits.maximumMessageBytes : .max)
        limits.takesAnyTime = to != nil
        return limits
    }

    /// The ids of the streams that were chosen; `nil`: all.
    private func chosenStreams(of path: String) throws -> Set<Int64>? {
        if streams.areAll { return nil }
        let chosen = try SpoolReader(path: path).streams().filter { streams.match($0.value) }
        if chosen.isEmpty { throw Failure.noStream(path) }
        return Set(chosen.keys)
    }

    /// The right to ship; `nil` if another process has shipped everything.
    private func lease(of spool: Spool, _ stop: Stop) throws -> UploadLease? {
        if wait {
            switch try Waiter(spool: spool, stop: stop).run() {
            case .lease(let lease): return lease
            case .empty:
                // Programs that have died meanwhile, too.
                let intake = spool.takeInJournals()
                if intake.records > 0 { return try self.lease(of: spool, stop) }
                try StrandedJournals.refuse(intake.stranded, besides: spool.path)
                return nil
            case .stopped(let cause): throw try stopped(cause, spool.path)
            }
        }
        let lease = try stop.patiently { () throws(SpoolError) in
            try takeOver ? UploadLease.takeOver(spool) : UploadLease.acquire(spool)
        }
        guard let lease else { throw uploadedElsewhere(spool.path) }
        return lease
    }

    private func drain(
        _ loop: UploadLoop,
        of spool: Spool,
        _ stop: Stop,
        start: Int64,
        progress: ProgressDisplay?
    ) throws(SpoolError) -> (Drainer.End, [StrandedJournal]) {
        defer {
            // A request that is broken off answers at once; one that was answered already must not be in doubt.
            loop.land(until: MonotonicClock.milliseconds() + 1_000)
            loop.tidy { !stop.isDue }
            let elapsed = MonotonicClock.milliseconds() - start
            progress?.finish(Summary.text(loop.totals, milliseconds: elapsed))
        }
        let drainer = Drainer(loop: loop, stop: stop, progress: progress) {
            // What is not told now, the next program tells.
            let told = ((try? spool.untoldGaps()) ?? []).filter { (try? spool.tellGap($0)) == true }
            return !told.isEmpty
        }
        var end = try drainer.run()
        while end == .empty {
            // What a full disk had no room for when the spool was opened.
            let intake = spool.takeInJournals()
            if intake.records == 0 { return (end, intake.stranded) }
            end = try drainer.run()
        }
        return (end, StrandedJournal.beside(spool: spool.path))
    }

    private func progress(_ path: String) throws(SpoolError) -> ProgressDisplay? {
        showsProgress ? ProgressDisplay(total: try pending(path)) : nil
    }

    /// Not where nobody would see it, nor between the lines.
    private var showsProgress: Bool {
        ProgressDisplay.isPossible && !(to == "-" && isatty(STDOUT_FILENO) == 1)
    }

    /// How many records there are of the streams that were chosen.
    private func pending(_ path: String) throws(SpoolError) -> Int {
        try SpoolStatus.read(path: path).streams.reduce(0) { $0 + (streams.match($1.destination) ? $1.pending : 0) }
    }

    private func whatRemains(in path: String) throws(SpoolError) -> String {
        "\(remainder(try pending(path))) in \(path)"
    }

    private func remainder(_ pending: Int) -> String {
        "\(HumanUnits.count(pending, "record")) \(pending == 1 ? "remains" : "remain")"
    }

    /// Where another file is in the place of the spool, what is told of that; `nil` if there is none, or nothing remains.
    private func replacement(of spool: Spool, after end: Drainer.End) throws(SpoolError) -> Failure? {
        guard end == .empty || end == .superseded, try spool.hasMoved(), access(spool.path, F_OK) == 0 else {
            return nil
        }
        let pending = try pending(spool.path)
        if end == .empty, pending == 0 { return nil }
        return Failure(
            .recordsRemain,
            "\(spool.path) was replaced by another file meanwhile; \(remainder(pending)) in the new one; run drain again"
        )
    }

    /// What an end is told as; `nil` if all is gone.
    private func failure(_ end: Drainer.End, _ path: String, shipped: Int) throws(SpoolError) -> Failure? {
        switch end {
        case .empty:
            return nil
        case .superseded:
            return Failure(
                .uploadedElsewhere,
                "another process has taken over the uploads from \(path); \(try whatRemains(in: path))"
            )
        case .refused(let trouble):
            return Failure(
                .refused,
                "\(try whatRemains(in: path)), \(trouble.destination.name) is refused: \(trouble.failure)"
            )
        case .tooEarly:
            return Failure(
                .recordsRemain,
                "\(try whatRemains(in: path)) with a time more than 2 hours ahead by the clock of this machine, too early "
                    + "for CloudWatch Logs; if the clock is wrong, set it ('logbeam-spool doctor' compares it with the service's)"
            )
        case .stopped(let cause, let lastFailure):
            return try stopped(cause, path, shipped: shipped, lastFailure: lastFailure)
        }
    }

    private func stopped(
        _ cause: Stop.Cause,
        _ path: String,
        shipped: Int = 0,
        lastFailure: String? = nil
    ) throws(SpoolError) -> Failure {
        var event = cause.event
        // Where the progress is shown, it stands there already.
        if shipped > 0, !showsProgress {
            event = "\(HumanUnits.count(shipped, "record")) shipped; \(event)"
        }
        let failure = lastFailure.map { "; the last failure was \($0)" } ?? ""
        return Failure(.recordsRemain, "\(event); \(try whatRemains(in: path)); run drain again\(failure)")
    }

    private func uploadedElsewhere(_ path: String) -> Failure {
        let holder = UploadLease.holder(spool: path)
        let name = holder?.name ?? "another process"
        if takeOver {
            return Failure(
                .uploadedElsewhere,
                "\(name) is uploading from \(path) with an earlier logbeam, which does not give way; end it first"
            )
        }
        let silence = holder?.silence(at: WallClock.milliseconds()).map {
            " (it has shown no sign of life for \(HumanUnits.duration(milliseconds: $0)))"
        }
        return Failure(
            .uploadedElsewhere,
            "\(name) is uploading from \(path) already\(silence ?? ""); leave it to it, or use --wait or --take-over"
        )
    }

    private static func rejectedNotice(_ count: Int, _ path: String) -> String {
        let limit = RejectedTable.recordLimit
        let kept = count > limit ? ", which keeps the last \(limit.grouped)" : ""
        return """
            \(HumanUnits.count(count, "record")) that CloudWatch Logs does not take \(count == 1 ? "was" : "were") moved to \
            the table rejected\(kept); see them with: logbeam-spool rejected list --spool \(path.shellQuoted)
            """
    }
}

extension String {
    /// As a shell reads it as one word.
    fileprivate var shellQuoted: String {
        let isPlain =
            !isEmpty
            && utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "/._-+:@".utf8.contains($0)
                }
            }
        return isPlain
            ? self : "'\(split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''"))'"
    }
}
