internal import LogbeamCore
internal import LogbeamSpool

/// What an answer leads to: an acknowledgement, a later try, halves that are sent by themselves.
extension UploadLoop {
    /// Draws the one consequence of an answer.
    func settle(_ answer: SenderPool.Answer) throws(SpoolError) {
        let range = answer.range
        // From now on: how long the request was on its way to the service, nobody knows.
        if answer.isInDoubt { begun[range]?.inDoubtSince = now().monotonic }
        switch answer.result {
        case .unread(let error):
            plan.postpone(range, until: now().monotonic + Self.spoolRetry)
            throw error
        case .vanished:
            // A full spool has dropped all of it, or somebody else has emptied it.
            do throws(SpoolError) {
                try lease.finish(range, ids: answer.job.ids)
            } catch {
                plan.postpone(range, until: now().monotonic + Self.spoolRetry)
                throw error
            }
            begun[range] = nil
            plan.vanished(range)
            if !plan.isBusy(range.stream) {
                failing[range.stream] = nil
                troubles[range.stream] = nil
            }
        case .delivered(let delivered, let isWritten):
            let acknowledgement = Acknowledgement(range: range, ids: answer.job.ids, delivered: delivered)
            if isWritten { note(acknowledgement) } else { try write(acknowledgement) }
            if let warning = answer.warning {
                // Of a delivery that went well: no failure is counted, and nothing waits for it.
                try? lease.noteFailure(stream: range.stream, message: warning, failures: 0, time: now().wall)
            }
        case .failed(let outcome):
            try settle(answer, outcome)
        }
    }

    private func settle(_ answer: SenderPool.Answer, _ outcome: DeliveryOutcome) throws(SpoolError) {
        switch outcome {
        case .accepted:
            break
        case .transient(let failure), .destinationMissing(let failure):
            retry(answer.range, answer.destination, failure, isDenied: false)
        case .denied(let failure):
            retry(answer.range, answer.destination, failure, isDenied: true)
        case .invalid:
            if answer.ids.count > 1 {
                try split(answer.range, ids: answer.ids, isInDoubt: answer.found > 0)
            } else {
                let refused = answer.ids.map { RefusedRecord(id: $0, reason: .invalid) }
                let delivered = SenderPool.Delivered(refused: refused, records: answer.found, bytes: 0)
                try write(Acknowledgement(range: answer.range, ids: answer.job.ids, delivered: delivered))
            }
        }
    }

    /// - Parameter isInDoubt: some of the batch was found to have arrived, and is to be looked for again in the halves.
    private func split(_ range: BatchRange, ids: [Int64], isInDoubt: Bool) throws(SpoolError) {
        let halves = isInDoubt ? range.halves(ids) : []
        do throws(SpoolError) {
            try lease.abandon(range, for: halves)
        } catch {
            // Where the spool can not be written, it stays one batch, and is sent once more.
            plan.postpone(range, until: now().monotonic + Self.spoolRetry)
            throw error
        }
        let inDoubtSince = begun.removeValue(forKey: range)?.inDoubtSince
        for half in halves { begun[half] = Delivery(lastSent: .min, inDoubtSince: inDoubtSince) }
        plan.split(range, ids: ids)
    }

    func write(_ acknowledgement: Acknowledgement) throws(SpoolError) {
        unwritten = acknowledgement
        try lease.note(acknowledgement, showsLife: true)
        unwritten = nil
        note(acknowledgement)
    }

    /// The spool knows that the service has the batch.
    private func note(_ acknowledgement: Acknowledgement) {
        let (range, delivered) = (acknowledgement.range, acknowledgement.delivered)
        begun[range] = nil
        failing[range.stream] = nil
        troubles[range.stream] = nil
        totals.batches += 1
        totals.records += delivered.records
        totals.bytes += delivered.bytes
        totals.rejected += delivered.refused.count
        if acknowledgement.ids.isEmpty {
            let isWhole = delivered.early == nil && plan.isWhole(range)
            acknowledged.add(acknowledgement.taken, isWhole: isWhole, at: now().monotonic)
        }
        plan.delivered(range, taken: acknowledgement.taken)
        if let early = delivered.early {
            let soonest = now().wall.addingSaturated(Self.shortestWait)
            plan.leftOut(range, from: early.firstID, until: max(soonest, early.until))
        }
    }

    /// For how long records wait at least that the service calls too new, in milliseconds.
    private static let shortestWait: Int64 = 60_000

    /// Forgets that a batch was begun. Where the spool can not, the batch merely stays noted as in doubt.
    private func abandon(_ range: BatchRange) {
        if attempt({ () throws(SpoolError) in try lease.abandon(range) }) { begun[range] = nil }
    }

    /// Does what may fail; false if it does.
    @discardableResult
    func attempt(_ body: () throws(SpoolError) -> Void) -> Bool {
        do throws(SpoolError) {
            try body()
            return true
        } catch {
            note(error)
            return false
        }
    }

    func note(_ error: SpoolError) {
        if error.kind == .superseded { isSuperseded = true }
    }

    func retry(
        _ range: BatchRange,
        _ destination: Destination,
        _ failure: DeliveryFailure,
        isDenied: Bool
    ) {
        let (wall, now) = (now().wall, now().monotonic)
        // What was on its way when another batch failed tells of the same trouble.
        if failing[range.stream].map({ begun[range]?.lastSent ?? now > $0.since }) ?? true {
            failing[range.stream] = Failing(count: (failing[range.stream]?.count ?? 0) + 1, since: now)
        }
        let count = failing[range.stream]?.count ?? 1
        troubles[range.stream] = Trouble(destination: destination, failure: failure, isDenied: isDenied, count: count)
        if let delivery = begun[range], delivery.inDoubtSince == nil { abandon(range) }
        let backoff = isDenied ? Backoff.denied : Backoff.transient
        plan.failed(
            range,
            retryAt: now + backoff.delay(failures: count, fraction: chance()),
            notBefore: failure.retryAfter.map { now + min($0.milliseconds, Backoff.longestRetryAfter) } ?? .min
        )
        // For `status`, and for the next process to go on with the waiting; nothing is lost without it. That we broke off
        // the request ourselves is no news.
        if failure.code == DeliveryFailure.cancelled { return }
        totals.failures += 1
        attempt { () throws(SpoolError) in
            try lease.noteFailure(
                stream: range.stream,
                message: failure.description,
                failures: count,
                time: wall
            )
        }
    }
}

/// What the service has said of a batch.
struct Acknowledgement {
    var range: BatchRange
    var ids: [Int64]
    var delivered: SenderPool.Delivered

    /// The batch without the records that stay.
    var taken: BatchRange {
        var taken = range
        if let early = delivered.early { taken.latest = min(range.latest, early.from.subtractingSaturated(1)) }
        return taken
    }
}

extension UploadLease {
    /// Writes down that the service has a batch. A sparse one is deleted at once: later it would have to be looked for.
    ///
    /// - Parameter showsLife: see ``finish(_:ids:showsLife:)``.
    func note(_ acknowledgement: Acknowledgement, showsLife: Bool = false) throws(SpoolError) {
        let (taken, delivered) = (acknowledgement.taken, acknowledgement.delivered)
        try acknowledge(taken, refused: delivered.refused, delivered: delivered.records)
        if !acknowledgement.ids.isEmpty { try finish(taken, ids: acknowledgement.ids, showsLife: showsLife) }
    }
}
