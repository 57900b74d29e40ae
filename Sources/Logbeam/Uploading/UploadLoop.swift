package import LogbeamCore
package import LogbeamSpool

/// Takes the steps that ``UploadPlan`` decides on: finds what is pending, notes what is sent, draws the consequences.
///
/// Not Sendable: belongs to one thread. It never waits for the network: a few threads of their own carry the batches
/// (``SenderPool``), and their answers are settled by later steps. So each step can show that the loop goes on, to whoever
/// would take over from one that hangs.
///
/// Has the upload lease of the spool as long as it lives. Once another process has taken that, no step does anything: see
/// ``isSuperseded``.
package final class UploadLoop {
    /// What a step led to.
    package enum Progress: Sendable, Equatable {
        case advanced
        /// Nothing to do before this time in milliseconds of the monotonic clock; `nil`: until something happens. An
        /// answer is something: the loop tells of each.
        case waiting(until: Int64?)
    }

    /// What this loop has done so far.
    package struct Totals: Sendable, Equatable {
        package var batches = 0
        package var records = 0
        /// The UTF-8 bytes of the messages.
        package var bytes = 0
        package var rejected = 0
        /// Deliveries that did not get through, and are tried again.
        package var failures = 0
    }

    package internal(set) var totals = Totals()
    /// The streams that are not getting through at the moment, and why.
    package internal(set) var troubles: [Int64: Trouble] = [:]
    /// Why the spool could not be read or written at the last step; `nil` if it could.
    package private(set) var spoolError: SpoolError?
    /// Another process has taken the lease. What this loop knows is worth nothing any more, and nothing that it does has an
    /// effect.
    package internal(set) var isSuperseded = false

    package struct Trouble: Sendable, Equatable {
        package var destination: Destination
        package var failure: DeliveryFailure
        /// A person must mend it: permissions, credentials, configuration.
        package var isDenied: Bool
        /// How many times in a row.
        package var count: Int
    }

    // What is not private is for the answers to change: see `settle`; or for tests to look at.
    let lease: UploadLease
    let reader: SpoolReader
    /// Reads for the threads that send.
    let batches: BatchReader
    private let maintenance: SpoolMaintenance
    private let senders: SenderPool
    let now: () -> UploadPlan.Moment
    let chance: () -> Double
    var plan: UploadPlan
    /// The id up to which the plan was told to flush.
    private var flushedThrough: Int64 = 0
    /// The batches that stand in `deliveries`.
    var begun: [BatchRange: Delivery] = [:]
    /// The streams of which records are sent; `nil`: all.
    private let chosen: Set<Int64>?
    /// No record before this id is one of those streams'.
    private var firstChosen: Int64 = 0
    /// How long after the last attempt at a batch in doubt ended to ask what of it has arrived, in milliseconds; `nil`: never.
    private let reconcileDelay: Int64?
    /// The streams whose last batch failed.
    var failing: [Int64: Failing] = [:]
    /// Answers that were not settled yet.
    private var answers: ArraySlice<SenderPool.Answer> = []
    /// What the service has acknowledged and the spool does not know yet.
    var unwritten: Acknowledgement?
    /// What both know of, and is still to be deleted.
    var acknowledged = AcknowledgedBatches()
    /// The disk was full at the last step, and the log has been begun anew for this one.
    private var isRelieved = false

    /// What is known of a batch that stands in `deliveries`.
    struct Delivery {
        /// When it was last sent, in milliseconds of the monotonic clock.
        var lastSent: Int64
        /// It may have arrived, at this time on the monotonic clock or before; `nil` if it has not.
        var inDoubtSince: Int64?
    }

    /// How often a stream failed in a row, and since when that is known, in milliseconds of the monotonic clock.
    struct Failing {
        var count: Int
        var since: Int64
    }

    /// Headers read at once. At about 32 bytes each this is a third of a megabyte.
    private static let pageSize = 10_000
    /// The bytes of messages that are passed over at most to read headers: two full batches.
    private static let pageBytes = 2 * BatchLimits.maximumBytes
    /// How long to wait before trying a spool again that can not be read or written, in milliseconds.
    static let spoolRetry: Int64 = 1_000
    private static let unknownStream = DeliveryFailure(
        code: "UnknownStream",
        message:
            "the spool does not say which log group and stream these records are for; 'logbeam-spool salvage' takes "
            + "them into a spool where they have one",
        mayHaveArrived: false
    )

    /// Takes over the spool: finishes what a dead process had acknowledged, plans to send again what it left in doubt, and
    /// goes on with the waiting of streams that were failing.
    ///
    /// - Parameters:
    ///   - lease: no other loop may have it too.
    ///   - chosen: the streams of which records are sent; `nil`: all.
    ///   - senderNiceness: by how much the threads that send are nicer than the calling one (nice(2)).
    ///   - onAnswer: called on another thread when there is an answer, that is a reason to call ``step()``.
    ///   - now: the clocks.
    ///   - chance: a random number from 0 up to 1, for the jitter of retries.
    package init(
        lease: UploadLease,
        service: any DeliveryService,
        limits: BatchLimits,
        pacing: UploadPlan.Pacing = UploadPlan.Pacing(),
        reconcileDelay: Int64? = nil,
        chosen: Set<Int64>? = nil,
        senderNiceness: Int32 = 0,
        onAnswer: @escaping @Sendable () -> Void = {},
        now: @escaping @Sendable () -> UploadPlan.Moment = { .now },
        chance: @escaping () -> Double = { .random(in: 0..<1) }
    ) throws {
        self.lease = lease
        self.reconcileDelay = reconcileDelay
        self.chosen = chosen
        self.now = { [service] in
            var moment = now()
            moment.serviceOffset = service.clockOffset
            return moment
        }
        self.chance = chance
        reader = try SpoolReader(path: lease.spool.path)
        batches = try BatchReader(path: lease.spool.path)
        maintenance = try SpoolMaintenance(spool: lease.spool, reader: reader, batches: batches)
        let access = Self.access(lease, batches, try Checkpointer(spool: lease.spool))
        // Last of what can fail before there is an object to stop its threads. A thread that is still on its way when the
        // loop has ended does not keep the lease.
        senders = try SenderPool(
            threads: pacing.inFlight,
            niceness: senderNiceness,
            carrier: BatchCarrier(service: service, access: access) { now().wall },
            onAnswer: onAnswer
        )
        plan = UploadPlan(limits: limits, pacing: pacing, chosen: chosen)
        // All of this was opened by the path, and so was the file of the lease. Where another spool lies there by now,
        // what is read from that must not be deleted from this one.
        guard try !lease.spool.hasMoved() else {
            throw SpoolError(.other, path: lease.spool.path, message: "another file has taken the place of the spool")
        }
        let deliveries = try reader.deliveries()
        // Before anything is read, or it would be sent again.
        acknowledged.add(contentsOf: deliveries.filter(\.acknowledged).map(\.range))
        try acknowledged.deleteAll(by: lease)
        for (range, isAcknowledged) in deliveries where !isAcknowledged && chosen?.contains(range.stream) ?? true {
            let latest = now().wall.addingSaturated(BatchLimits.maximumAhead)
            guard limits.takesAnyTime || range.latest <= latest else {
                // Made for a file, which takes what the service does not take yet.
                try lease.abandon(range)
                continue
            }
            begun[range] = Delivery(lastSent: .min, inDoubtSince: now().monotonic)
            plan.restore(range)
        }
        for stream in try reader.troubledStreams() {
            failing[stream.stream] = Failing(count: stream.failures, since: .min)
            let delay = Backoff.transient.delay(failures: stream.failures, fraction: chance())
            // A clock that was set meanwhile makes no wait longer than it was.
            let waited = max(0, now().wall.subtractingSaturated(stream.lastErrorTime))
            plan.restoreFailing(stream.stream, retryAt: now().monotonic + max(0, delay - waited))
        }
    }

    deinit {
        senders.stop()
    }

    private static func access(
        _ lease: UploadLease,
        _ batches: BatchReader,
        _ checkpointer: Checkpointer
    ) -> BatchCarrier.Access {
        BatchCarrier.Access(
            read: { job, batch throws(SpoolError) in
                try batches.read(job.range, ids: job.ids, for: job.destination, into: &batch)
            },
            mayPost: { [weak lease] in lease?.isInPlace == true },
            acknowledge: { [weak lease, path = lease.spool.path] job, delivered throws(SpoolError) in
                guard let lease else { throw SpoolError(.superseded, path: path, message: "the uploader has ended") }
                try lease.note(Acknowledgement(range: job.range, ids: job.ids, delivered: delivered))
                // What can not be copied now is copied later.
                try? checkpointer.checkpoint()
            }
        )
    }

    /// There may be new records, and another process may have asked for them to be sent.
    package func wake() {
        plan.wake()
        // Where the spool can not be read, the next step says so.
        guard let requested = try? reader.requestedFlush(), requested > flushedThrough else { return }
        flushedThrough = requested
        // One of long ago must not end the waiting of streams that are failing.
        guard (try? reader.hasRecords(through: requested)) != false else { return }
        plan.flush(through: requested)
    }

    /// These records do not ask to be sent: they go along with others.
    func addQuiet(_ ids: Set<Int64>) {
        plan.quiet.formUnion(ids)
    }

    /// Everything that is pending now is to be sent without waiting for a full batch. Returns the id up to which.
    package func flush() throws(SpoolError) -> Int64 {
        let target = try reader.lastID() ?? 0
        flushedThrough = max(flushedThrough, target)
        plan.flush(through: target)
        return target
    }

    /// True if a record up to this id is still pending, of the streams that are sent.
    package func hasRecords(through id: Int64 = .max) throws(SpoolError) -> Bool {
        guard let chosen else { return try reader.hasRecords(through: id) }
        // From where the last look ended, or each would read all that others have pending.
        guard let first = try reader.firstRecord(of: chosen, from: firstChosen) else { return false }
        firstChosen = first
        return first <= id
    }

    /// How many records, or bytes as the service counts them, may come before there is something to do.
    package var room: (records: Int, bytes: Int) { plan.room(at: now()) }
    /// How long to rest at most between two steps, in milliseconds, so that nobody takes the loop for one that hangs.
    var longestRest: Int64 { lease.beatInterval }
    /// The batches on their way.
    package var inFlight: Int { plan.inFlight }

    /// Blocks until there is an answer, that is a reason to call ``step()``, not later than at a time in milliseconds of the
    /// monotonic clock.
    package func waitForAnswer(until deadline: Int64) {
        senders.waitForAnswer(until: deadline)
    }

    /// True if nothing is on its way, and whatever there is to send will not get through before a person has mended
    /// something.
    package var isDenied: Bool {
        let busy = plan.busyStreams
        return !busy.isEmpty && inFlight == 0 && busy.allSatisfy { troubles[$0]?.isDenied == true }
    }

    /// Takes one step: at most one batch is sent.
    package func step() -> Progress {
        if !isSuperseded, !lease.beat() { isSuperseded = true }
        if isSuperseded { return .waiting(until: nil) }
        do throws(SpoolError) {
            spoolError = nil
            if let unwritten {
                try write(unwritten)
                isRelieved = false
                return .advanced
            }
            if answers.isEmpty { answers = senders.takeAnswers()[...] }
            if let answer = answers.popFirst() {
                try settle(answer)
                isRelieved = false
                try? maintenance.whileBusy()
                return .advanced
            }
            if acknowledged.isDue(hasAmpleRoom: lease.hasAmpleRoom) { return try deleteAcknowledged(triesAll: false) }
            return try take(plan.next(at: now()))
        } catch {
            note(error)
            if isSuperseded { return .waiting(until: nil) }
            // Nothing is lost: what could not be read or written stands in the spool, or in `unwritten`.
            spoolError = error
            if error.lacksDiskSpace {
                isRelieved.toggle()
                // There may be room in the log again. Where that did not help, there is time.
                if isRelieved {
                    try? maintenance.whileFull()
                    return .advanced
                }
            }
            return .waiting(until: now().monotonic + Self.spoolRetry)
        }
    }

    /// Settles what is on its way and sends nothing more, until all of it is home or a time in milliseconds of the
    /// monotonic clock has come: an answer that nobody settled would be a batch in doubt.
    package func land(until deadline: Int64) {
        senders.stop()
        // Where the file of the lease is gone, with the directory perhaps, and nobody has taken over in the file of the spool
        // itself, what comes home is written there.
        if isSuperseded { isSuperseded = !attempt { () throws(SpoolError) in try lease.check(reader) } }
        while plan.inFlight > 0, unwritten == nil, !isSuperseded, MonotonicClock.milliseconds() < deadline {
            if answers.isEmpty {
                senders.waitForAnswer(until: deadline)
                answers = senders.takeAnswers()[...]
            }
            // What can not be written now is in doubt after all.
            if let answer = answers.popFirst() { attempt { () throws(SpoolError) in try settle(answer) } }
        }
        while plan.inFlight == 0, !acknowledged.isEmpty, !isSuperseded, MonotonicClock.milliseconds() < deadline {
            guard attempt({ () throws(SpoolError) in _ = try deleteAcknowledged(triesAll: true) }) else { break }
        }
    }

    private func deleteAcknowledged(triesAll: Bool) throws(SpoolError) -> Progress {
        try acknowledged.deleteSome(by: lease, triesAll: triesAll, at: now().monotonic)
        try? maintenance.whileBusy()
        return .advanced
    }

    /// Keeps the file small while there is nothing to do.
    package func tidy(whileIdle isIdle: () -> Bool) {
        // What can not be done now is done next time.
        try? maintenance.whileIdle(isIdle)
    }

    /// Gives back by and by what a flood has left behind, though there is always something to come.
    package func tidyWhileLogging(_ isIdle: () -> Bool) {
        try? maintenance.whileLogging(at: now().monotonic, isIdle)
    }

    private func take(_ step: UploadPlan.Step) throws(SpoolError) -> Progress {
        switch step {
        case .scan(let after):
            try acknowledged.delete(after: after, by: lease)
            found(try reader.headers(after: after, limit: Self.pageSize, byteLimit: Self.pageBytes))
        case .catchUp(let stream, let after, let through):
            try acknowledged.delete(after: after, ofStream: stream, by: lease)
            found(
                try reader.headers(
                    ofStream: stream,
                    after: after,
                    through: through,
                    limit: Self.pageSize,
                    byteLimit: Self.pageBytes
                )
            )
        case .reject(let records):
            try lease.reject(records)
            plan.rejected(records)
            totals.rejected += records.count
        case .send(let range, let ids):
            do throws(SpoolError) {
                try send(range, ids: ids)
            } catch {
                plan.postpone(range, until: now().monotonic + Self.spoolRetry)
                throw error
            }
        case .wait(let until):
            let time = acknowledged.time(inFlight: inFlight, flushed: flushedThrough)
            guard let time else { return .waiting(until: until) }
            guard now().monotonic >= time else { return .waiting(until: min(until ?? time, time)) }
            return try deleteAcknowledged(triesAll: until == nil && inFlight == 0)
        }
        return .advanced
    }

    private func found(_ page: SpoolReader.HeaderPage) {
        plan.found(page.headers, isLast: page.isLast, rows: page.rows, through: page.through)
    }

    private func send(_ range: BatchRange, ids: [Int64]) throws(SpoolError) {
        guard let destination = try reader.destination(ofStream: range.stream) else {
            // Somebody has deleted its row. The other streams go on.
            let unknown = Destination(logGroup: "?", logStream: "\(range.stream)")
            return retry(range, unknown, Self.unknownStream, isDenied: true)
        }
        var looksUp = false
        if let inDoubtSince = begun[range]?.inDoubtSince, let reconcileDelay {
            // The service shows an event only some time after it took it. Other streams go on meanwhile.
            let lookUpTime = inDoubtSince + reconcileDelay
            guard now().monotonic >= lookUpTime else { return plan.postpone(range, until: lookUpTime) }
            looksUp = true
        }
        // Before it is read: a full spool drops no records of a batch that was begun.
        try begin(range)
        senders.send(SenderPool.Job(range: range, ids: ids, destination: destination, looksUp: looksUp))
    }

    /// Notes that a batch is on its way; where it is noted already, makes sure that it is still ours to send.
    private func begin(_ range: BatchRange) throws(SpoolError) {
        if begun[range] == nil { try lease.begin(range) } else { try lease.check(reader) }
        begun[range, default: Delivery(lastSent: .min)].lastSent = now().monotonic
    }
}

extension UploadPlan.Moment {
    package static var now: Self { Self(wall: WallClock.milliseconds(), monotonic: MonotonicClock.milliseconds()) }
}
