package import LogbeamCore
package import LogbeamSpool

/// Takes the steps that ``UploadPlan`` decides on: reads, sends, acknowledges.
///
/// Not Sendable: belongs to one thread, which must hold the upload lease of the spool. It never waits for the network: a
/// few threads of their own send, and their answers are settled by later steps.
package final class UploadLoop {
    /// What a step led to.
    package enum Progress: Sendable, Equatable {
        case advanced
        /// Nothing to do before this time in milliseconds of the monotonic clock; `nil`: until something happens. An
        /// answer is something: see ``init(spool:service:limits:pacing:onAnswer:)``.
        case waiting(until: Int64?)
    }

    /// What this loop has done so far.
    package struct Totals: Sendable, Equatable {
        package var batches = 0
        package var records = 0
        /// The UTF-8 bytes of the messages.
        package var bytes = 0
        package var rejected = 0
    }

    package private(set) var totals = Totals()
    /// The streams that are not getting through at the moment, and why.
    package private(set) var troubles: [Int64: Trouble] = [:]
    /// Why the spool could not be read or written at the last step; `nil` if it could.
    package private(set) var spoolError: SpoolError?

    package struct Trouble: Sendable, Equatable {
        package var destination: Destination
        package var failure: DeliveryFailure
        /// A person must mend it: permissions, credentials, configuration.
        package var isDenied: Bool
        /// How many times in a row.
        package var count: Int
    }

    private let spool: Spool
    private let reader: SpoolReader
    private let maintenance: SpoolMaintenance
    private let senders: SenderPool
    private var plan: UploadPlan
    private var destinations: [Int64: Destination] = [:]
    /// The id up to which the plan was told to flush.
    private var flushedThrough: Int64 = 0
    /// Batches that stand in `deliveries`.
    private var begun: Set<BatchRange> = []
    /// When each of them was last sent, or taken over, on the monotonic clock.
    private var lastSent: [BatchRange: Int64] = [:]
    /// How long after that the service is asked what of it has arrived, in milliseconds; `nil`: it is not asked.
    private let reconcileDelay: Int64?
    /// Answers that were not settled yet.
    private var answers: ArraySlice<SenderPool.Answer> = []
    /// What the service has acknowledged and the spool does not know yet.
    private var unwritten: Acknowledgement?

    private struct Acknowledgement {
        var range: BatchRange
        var refused: [RefusedRecord]
        var delivered: Int
        var bytes: Int
    }

    /// Headers read at once. At about 32 bytes each this is a third of a megabyte.
    private static let pageSize = 10_000
    /// The bytes of messages that are passed over at most to read headers: two full batches.
    private static let pageBytes = 2 * BatchLimits.maximumBytes
    /// How long to wait before trying a spool again that can not be read or written, in milliseconds.
    private static let spoolRetry: Int64 = 1_000

    /// Takes over the spool: finishes what a dead process had acknowledged, and plans to send again what it left in doubt.
    ///
    /// - Parameter onAnswer: called on another thread when there is an answer, that is a reason to call ``step()``.
    package init(
        spool: Spool,
        service: any DeliveryService,
        limits: BatchLimits,
        pacing: UploadPlan.Pacing = UploadPlan.Pacing(),
        reconcileDelay: Int64? = nil,
        onAnswer: @escaping @Sendable () -> Void = {}
    ) throws {
        self.spool = spool
        self.reconcileDelay = reconcileDelay
        reader = try SpoolReader(path: spool.path)
        maintenance = try SpoolMaintenance(spool: spool, reader: reader)
        // Last of what can fail before there is an object to stop its threads.
        senders = try SenderPool(threads: pacing.inFlight, service: service, onAnswer: onAnswer)
        plan = UploadPlan(limits: limits, pacing: pacing)
        for delivery in try reader.deliveries() {
            if delivery.acknowledged {
                try spool.finish(delivery.range)
            } else {
                begun.insert(delivery.range)
                lastSent[delivery.range] = MonotonicClock.milliseconds()
                plan.restore(delivery.range)
            }
        }
    }

    deinit {
        senders.stop()
    }

    /// There may be new records, and another process may have asked for them to be sent.
    package func wake() {
        plan.wake()
        // Where the spool can not be read, the next step says so.
        guard let requested = try? reader.requestedFlush(), requested > flushedThrough else { return }
        flushedThrough = requested
        plan.flush(through: requested)
    }

    /// These records do not ask to be sent: they go along with others.
    package func hush(_ ids: Set<Int64>) {
        plan.quiet.formUnion(ids)
    }

    /// Everything that is pending now is to be sent without waiting for a full batch. Returns the id up to which.
    package func flush() throws(SpoolError) -> Int64 {
        let target = try reader.lastID() ?? 0
        flushedThrough = max(flushedThrough, target)
        plan.flush(through: target)
        return target
    }

    /// True if a record up to this id is still pending.
    package func hasRecords(through id: Int64 = .max) throws(SpoolError) -> Bool {
        try reader.hasRecords(through: id)
    }

    /// How many records, or bytes as the service counts them, may come before there is something to do.
    package var room: (records: Int, bytes: Int) { plan.room(at: Self.now()) }
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
        !troubles.isEmpty && inFlight == 0 && plan.busyStreams.allSatisfy { troubles[$0]?.isDenied == true }
    }

    /// Takes one step: at most one batch is sent.
    package func step() -> Progress {
        do throws(SpoolError) {
            spoolError = nil
            if let unwritten {
                try write(unwritten)
                return .advanced
            }
            if answers.isEmpty { answers = senders.takeAnswers()[...] }
            if let answer = answers.popFirst() {
                try settle(answer)
                try? maintenance.whileBusy()
                return .advanced
            }
            return try take(plan.next(at: Self.now()))
        } catch {
            // Nothing is lost: what could not be read or written stands in the spool, or in `unwritten`.
            spoolError = error
            return .waiting(until: MonotonicClock.milliseconds() + Self.spoolRetry)
        }
    }

    /// Settles what is on its way and sends nothing more, until all of it is home or a time in milliseconds of the
    /// monotonic clock has come: an answer that nobody settled would be a batch in doubt.
    package func land(until deadline: Int64) {
        senders.stop()
        while plan.inFlight > 0, unwritten == nil, MonotonicClock.milliseconds() < deadline {
            if answers.isEmpty {
                senders.waitForAnswer(until: deadline)
                answers = senders.takeAnswers()[...]
            }
            // What can not be written now is in doubt after all.
            if let answer = answers.popFirst() { try? settle(answer) }
        }
    }

    /// Keeps the file small while there is nothing to do.
    package func tidy(whileIdle isIdle: () -> Bool) {
        // What can not be done now is done next time.
        try? maintenance.whileIdle(isIdle)
    }

    private func take(_ step: UploadPlan.Step) throws(SpoolError) -> Progress {
        switch step {
        case .scan(let after):
            found(try reader.headers(after: after, limit: Self.pageSize, byteLimit: Self.pageBytes))
        case .catchUp(let stream, let after, let through):
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
            try spool.reject(records)
            plan.rejected(records)
            totals.rejected += records.count
        case .send(let range):
            do throws(SpoolError) {
                try send(range)
            } catch {
                plan.failed(range, retryAt: MonotonicClock.milliseconds() + Self.spoolRetry)
                throw error
            }
        case .wait(let until):
            return .waiting(until: until)
        }
        return .advanced
    }

    private func found(_ page: SpoolReader.HeaderPage) {
        plan.found(page.headers, isLast: page.isLast)
    }

    private func send(_ range: BatchRange) throws(SpoolError) {
        let destination = try destination(ofStream: range.stream)
        let batch = try reader.batch(range, for: destination)
        guard batch.count > 0 else {
            // Somebody else has emptied it.
            try spool.finish(range)
            begun.remove(range)
            return plan.delivered(range)
        }
        var job = SenderPool.Job(range: range, batch: batch)
        if !begun.contains(range) {
            try spool.begin(range)
            begun.insert(range)
        } else if let reconcileDelay, let lastSent = lastSent[range] {
            // The service shows an event only some time after it took it. Other streams go on meanwhile.
            let lookUpTime = lastSent + reconcileDelay
            guard MonotonicClock.milliseconds() >= lookUpTime else { return plan.failed(range, retryAt: lookUpTime) }
            job.looksUp = true
        }
        senders.send(job)
    }

    /// Draws the one consequence of an outcome.
    private func settle(_ answer: SenderPool.Answer) throws(SpoolError) {
        let (batch, range) = (answer.batch, answer.range)
        if answer.wasSent { lastSent[range] = MonotonicClock.milliseconds() }
        switch answer.outcome {
        case .accepted(let refused):
            let records = batch.events.enumerated().compactMap { index, event in
                refused.reason(at: index).map { RefusedRecord(id: event.id, reason: $0) }
            }
            try write(
                Acknowledgement(
                    range: range,
                    refused: records,
                    delivered: batch.count - records.count + answer.found,
                    bytes: batch.messages.count
                )
            )
        case .transient(let failure), .destinationMissing(let failure):
            retry(range, batch.destination, failure, isDenied: false)
        case .denied(let failure):
            abandon(range)
            retry(range, batch.destination, failure, isDenied: true)
        case .invalid:
            let ids = batch.events.map(\.id).sorted()
            if ids.count > 1 {
                abandon(range)
                let halves = plan.split(range, ids: ids)
                // What was found to have arrived is still between them: it is to be looked for again.
                for half in halves where answer.found > 0 {
                    try spool.begin(half)
                    begun.insert(half)
                    lastSent[half] = MonotonicClock.milliseconds()
                }
            } else {
                try write(
                    Acknowledgement(
                        range: range,
                        refused: ids.map { RefusedRecord(id: $0, reason: .invalid) },
                        delivered: 0,
                        bytes: 0
                    )
                )
            }
        }
    }

    private func write(_ acknowledgement: Acknowledgement) throws(SpoolError) {
        unwritten = acknowledgement
        let range = acknowledgement.range
        try spool.acknowledge(range, refused: acknowledgement.refused, delivered: acknowledgement.delivered)
        unwritten = nil
        begun.remove(range)
        lastSent[range] = nil
        troubles[range.stream] = nil
        totals.batches += 1
        totals.records += acknowledgement.delivered
        totals.bytes += acknowledgement.bytes
        totals.rejected += acknowledgement.refused.count
        plan.delivered(range)
    }

    /// Forgets that a batch was begun. Where the spool can not, the batch merely stays noted as in doubt.
    private func abandon(_ range: BatchRange) {
        guard (try? spool.abandon(range)) != nil else { return }
        begun.remove(range)
        lastSent[range] = nil
    }

    private func retry(
        _ range: BatchRange,
        _ destination: Destination,
        _ failure: DeliveryFailure,
        isDenied: Bool
    ) {
        let count = (troubles[range.stream]?.count ?? 0) + 1
        troubles[range.stream] = Trouble(
            destination: destination,
            failure: failure,
            isDenied: isDenied,
            count: count
        )
        let delay = (isDenied ? Backoff.denied : Backoff.transient).delay(
            failures: count,
            retryAfter: failure.retryAfter.map(\.milliseconds) ?? 0,
            fraction: Double.random(in: 0..<1)
        )
        plan.failed(range, retryAt: MonotonicClock.milliseconds() + delay)
        // Only for `status`: the delivery does not depend on it. That we broke off the request ourselves is no news.
        if failure.code == DeliveryFailure.cancelled { return }
        try? spool.noteFailure(stream: range.stream, message: failure.description, failures: count)
    }

    private func destination(ofStream stream: Int64) throws(SpoolError) -> Destination {
        if let known = destinations[stream] { return known }
        guard let destination = try reader.destination(ofStream: stream) else {
            throw SpoolError(
                .damaged,
                path: spool.path,
                message: "records of stream \(stream), which is not in streams"
            )
        }
        destinations[stream] = destination
        return destination
    }

    private static func now() -> UploadPlan.Moment {
        UploadPlan.Moment(wall: WallClock.milliseconds(), monotonic: MonotonicClock.milliseconds())
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds.multipliedReportingOverflow(by: 1000).overflow
            ? (seconds < 0 ? .min : .max) : seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
