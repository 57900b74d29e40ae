internal import LogbeamCore
internal import LogbeamSpool

/// Carries a batch from the spool to the service: reads it, sends it, and where the service has it, writes that down.
struct BatchCarrier: Sendable {
    /// What is done with the spool.
    struct Access: Sendable {
        /// Reads the records of a batch into one that is done with. One thread at a time reads.
        var read: @Sendable (SenderPool.Job, inout EventBatch) throws(SpoolError) -> Void
        /// Asked right before each batch is sent.
        var mayPost: @Sendable () -> Bool
        /// Writes down what the service has.
        var acknowledge: @Sendable (SenderPool.Job, SenderPool.Delivered) throws(SpoolError) -> Void
    }

    let service: any DeliveryService
    let access: Access
    /// The time of day, in milliseconds since 1970-01-01T00:00:00Z.
    var timeOfDay: @Sendable () -> Int64 = WallClock.milliseconds

    func carry(_ job: SenderPool.Job, in batch: inout EventBatch) -> SenderPool.Answer {
        do throws(SpoolError) {
            try access.read(job, &batch)
        } catch {
            return SenderPool.Answer(job: job, result: .unread(error))
        }
        guard batch.count > 0 else { return SenderPool.Answer(job: job, result: .vanished) }
        return deliver(batch, job)
    }

    private func deliver(_ batch: EventBatch, _ job: SenderPool.Job) -> SenderPool.Answer {
        guard job.looksUp else { return send(batch, job) }
        switch service.lookUp(batch) {
        case .found(let indices):
            return send(batch.without(indices), found: indices.count, job)
        case .failed(.denied):
            // Without the permission to look, sending twice is better than never.
            return send(batch, job)
        case .failed(let outcome):
            return SenderPool.Answer(job: job, result: .failed(outcome))
        }
    }

    /// Sends a batch, or what is left of it, and creates what it is meant for if that is missing.
    private func send(_ batch: EventBatch, found: Int = 0, _ job: SenderPool.Job) -> SenderPool.Answer {
        var outcome = batch.count == 0 ? .accepted(.none) : post(batch)
        var isNowhere = false
        if case .destinationMissing = outcome {
            outcome = service.create(batch.destination)
            if case .accepted = outcome { outcome = post(batch) } else { isNowhere = true }
        }
        let warning = batch.count == 0 || isNowhere ? nil : service.warning
        let result: SenderPool.Answer.Result =
            if case .accepted(let refused) = outcome {
                acknowledge(batch, refused, found: found, job)
            } else {
                .failed(outcome)
            }
        var answer = SenderPool.Answer(job: job, result: result, found: found)
        answer.warning = warning
        if case .delivered(let delivered, _) = result, delivered.early != nil { answer.warning = Self.earlyWarning }
        // Without its stream the batch is nowhere.
        answer.isInDoubt = !isNowhere && outcome.failure?.mayHaveArrived ?? false
        if case .invalid = outcome { answer.ids = batch.events.map(\.id).sorted() }
        return answer
    }

    private func post(_ batch: EventBatch) -> DeliveryOutcome {
        access.mayPost() ? service.send(batch) : Self.superseded
    }

    private func acknowledge(_ batch: EventBatch, _ refused: RefusedEvents, found: Int, _ job: SenderPool.Job)
        -> SenderPool.Answer.Result
    {
        let early = early(batch, refused)
        let taken = early.map { early in batch.events.prefix { $0.timestamp < early.from } } ?? batch.events[...]
        let records = taken.enumerated().compactMap { index, event in
            refused.reason(at: index).map { RefusedRecord(id: event.id, reason: $0) }
        }
        let delivered = SenderPool.Delivered(
            refused: records,
            records: taken.count - records.count + found,
            bytes: batch.messages.count,
            early: early
        )
        do throws(SpoolError) {
            try access.acknowledge(job, delivered)
            return .delivered(delivered, isWritten: true)
        } catch {
            // The loop tries again, and knows what to do about the cause.
            return .delivered(delivered, isWritten: false)
        }
    }

    /// What the service calls too new because our clock is ahead of its, or was when the records were logged: it will take
    /// them. Records that are not ahead of the right time it will not.
    private func early(_ batch: EventBatch, _ refused: RefusedEvents) -> SenderPool.Early? {
        guard let start = refused.tooNewStart, batch.events.indices.contains(start), let offset = service.clockOffset
        else { return nil }
        let time = batch.events[start].timestamp
        guard offset < -Self.rightClock || time.subtractingSaturated(timeOfDay()) > BatchLimits.maximumAhead
        else { return nil }
        guard let firstID = batch.events.filter({ $0.timestamp >= time }).map(\.id).min() else { return nil }
        let opening = time.subtractingSaturated(BatchLimits.maximumAhead).subtractingSaturated(offset)
        return SenderPool.Early(from: time, firstID: firstID, until: opening)
    }

    /// As far off may a clock be that is right, in milliseconds: AWS takes its signatures
    /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html).
    private static let rightClock: Int64 = 300_000
    private static let earlyWarning =
        "the clock of this machine is ahead: records more than 2 hours ahead of CloudWatch Logs' clock wait; set it right"

    private static let superseded = DeliveryOutcome.transient(
        DeliveryFailure(
            code: DeliveryFailure.cancelled,
            message: "another process has taken over the uploads",
            mayHaveArrived: false
        )
    )
}
