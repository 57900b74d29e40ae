internal import LogbeamCore
internal import LogbeamSpool

/// A few threads that carry batches from the spool to the service, so that several are on their way at once, and what one
/// costs is spread over several cores. A thread reads its batch, sends it, and where the service has it, deletes it.
///
/// Thread-safe. The threads end when the pool is stopped; what was not sent by then is forgotten here, and stands in the
/// spool.
final class SenderPool: Sendable {
    struct Job: Sendable {
        var range: BatchRange
        /// Those of its records, ascending, if it is sparse: see ``UploadPlan/Step/send(_:ids:)``.
        var ids: [Int64] = []
        var destination: Destination
        /// Before it is sent, look what of it the service has.
        var looksUp = false
    }

    struct Answer: Sendable {
        enum Result: Sendable {
            /// It could not be read.
            case unread(SpoolError)
            /// There are no records in it any more.
            case vanished
            /// The service has it; the spool does not know yet if that could not be written.
            case delivered(Delivered, isWritten: Bool)
            /// The service does not have it.
            case failed(DeliveryOutcome)
        }

        var job: Job
        var result: Result
        /// The ids of what was sent, ascending, where that is of use: the batch, without what had arrived before.
        var ids: [Int64] = []
        /// How many of its records were found to have arrived before.
        var found = 0
        /// Nothing is known of what was sent: it may have arrived.
        var isInDoubt = false
        /// What the service warned of while it took the batch.
        var warning: String?

        var range: BatchRange { job.range }
        var destination: Destination { job.destination }
    }

    /// What became of the records of a batch that the service has.
    struct Delivered: Sendable {
        var refused: [RefusedRecord]
        var records: Int
        /// The UTF-8 bytes of the messages.
        var bytes: Int
        /// Those that stay, for the service will take them later.
        var early: Early?
    }

    /// The records of a batch from a time on, in milliseconds since 1970-01-01T00:00:00Z.
    struct Early: Sendable {
        var from: Int64
        /// The id of the first of them.
        var firstID: Int64
        /// When the service will take it, by our clock.
        var until: Int64
    }

    /// What a thread does with the spool.
    struct Access: Sendable {
        /// Reads the records of a batch into one that is done with. One thread at a time reads.
        var read: @Sendable (Job, inout EventBatch) throws(SpoolError) -> Void
        /// Asked right before each batch is sent.
        var mayPost: @Sendable () -> Bool
        /// Writes down what the service has, and deletes it.
        var acknowledge: @Sendable (Job, Delivered) throws(SpoolError) -> Void
    }

    /// For how long a thread keeps the memory of its last batch for the next one, in milliseconds: to have the system give
    /// and take megabytes costs more than to fill them.
    private static let memory: Int64 = 1_000

    private struct State {
        var jobs: [Job] = []
        var answers: [Answer] = []
        var isStopped = false
    }

    private let service: any DeliveryService
    private let access: Access
    private let onAnswer: @Sendable () -> Void
    private let state = Condition(State())

    /// - Parameter onAnswer: called on a thread of the pool, whenever there is an answer to take.
    init(
        threads: Int,
        service: any DeliveryService,
        access: Access,
        onAnswer: @escaping @Sendable () -> Void
    ) throws(ThreadError) {
        self.service = service
        self.access = access
        self.onAnswer = onAnswer
        for _ in 0..<threads {
            do throws(ThreadError) {
                try BackgroundThread.start(name: "logbeam-send") { [self] in run() }
            } catch {
                stop()
                throw error
            }
        }
    }

    func send(_ job: Job) {
        state.change { $0.jobs.append(job) }
    }

    func takeAnswers() -> [Answer] {
        state.change { state in
            defer { state.answers = [] }
            return state.answers
        }
    }

    /// Blocks until there is an answer to take, not later than at a time in milliseconds of the monotonic clock.
    func waitForAnswer(until deadline: Int64) {
        _ = state.wait(until: deadline) { $0.answers.isEmpty ? nil : true }
    }

    /// Sends nothing more. What has not begun is answered as cancelled.
    func stop() {
        state.change { state in
            state.isStopped = true
            state.answers += state.jobs.map { Answer(job: $0, result: .failed(Self.cancelled)) }
            state.jobs = []
        }
    }

    private func run() {
        while let first = nextJob(until: nil) {
            var batch = EventBatch(destination: first.destination)
            var job = Optional(first)
            while let next = job {
                let answer = carry(next, in: &batch)
                state.change { $0.answers.append(answer) }
                onAnswer()
                job = nextJob(until: MonotonicClock.milliseconds() + Self.memory)
            }
        }
    }

    /// `nil` when the pool is stopped, or there is none by a time in milliseconds of the monotonic clock.
    private func nextJob(until deadline: Int64?) -> Job? {
        let next: Job?? = state.wait(until: deadline) { state in
            if state.isStopped { return .some(nil) }
            return state.jobs.isEmpty ? nil : .some(state.jobs.removeFirst())
        }
        return next ?? nil
    }

    private func carry(_ job: Job, in batch: inout EventBatch) -> Answer {
        do throws(SpoolError) {
            try access.read(job, &batch)
        } catch {
            return Answer(job: job, result: .unread(error))
        }
        guard batch.count > 0 else { return Answer(job: job, result: .vanished) }
        return deliver(batch, job)
    }

    private func deliver(_ batch: EventBatch, _ job: Job) -> Answer {
        guard job.looksUp else { return send(batch, job) }
        switch service.lookUp(batch) {
        case .found(let indices):
            return send(batch.without(indices), found: indices.count, job)
        case .failed(.denied):
            // Without the permission to look, sending twice is better than never.
            return send(batch, job)
        case .failed(let outcome):
            return Answer(job: job, result: .failed(outcome))
        }
    }

    /// Sends a batch, or what is left of it, and creates what it is meant for if that is missing.
    private func send(_ batch: EventBatch, found: Int = 0, _ job: Job) -> Answer {
        var outcome = batch.count == 0 ? .accepted(.none) : post(batch)
        var isNowhere = false
        if case .destinationMissing = outcome {
            outcome = service.create(batch.destination)
            if case .accepted = outcome { outcome = post(batch) } else { isNowhere = true }
        }
        let warning = batch.count == 0 || isNowhere ? nil : service.warning
        let result: Answer.Result =
            if case .accepted(let refused) = outcome {
                acknowledge(batch, refused, found: found, job)
            } else {
                .failed(outcome)
            }
        var answer = Answer(job: job, result: result, found: found)
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

    private func acknowledge(_ batch: EventBatch, _ refused: RefusedEvents, found: Int, _ job: Job) -> Answer.Result {
        let early = early(batch, refused)
        let taken = early.map { early in batch.events.prefix { $0.timestamp < early.from } } ?? batch.events[...]
        let records = taken.enumerated().compactMap { index, event in
            refused.reason(at: index).map { RefusedRecord(id: event.id, reason: $0) }
        }
        let delivered = Delivered(
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

    /// What the service calls too new because our clock is ahead of its: that was logged just now, and it will take it.
    /// Otherwise somebody gave the records such a time, and they are refused.
    private func early(_ batch: EventBatch, _ refused: RefusedEvents) -> Early? {
        guard let start = refused.tooNewStart, batch.events.indices.contains(start),
            let offset = service.clockOffset, offset < -Self.rightClock
        else { return nil }
        let time = batch.events[start].timestamp
        guard let firstID = batch.events.filter({ $0.timestamp >= time }).map(\.id).min() else { return nil }
        let opening = time.subtractingSaturated(BatchLimits.maximumAhead).subtractingSaturated(offset)
        return Early(from: time, firstID: firstID, until: opening)
    }

    /// As far off may a clock be that is right, in milliseconds: AWS takes its signatures
    /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html).
    private static let rightClock: Int64 = 300_000
    private static let earlyWarning =
        "the clock of this machine is ahead: records more than 2 hours ahead of CloudWatch Logs' clock wait; set it right"

    private static let cancelled = DeliveryOutcome.transient(
        DeliveryFailure(code: DeliveryFailure.cancelled, message: "the uploader was stopped")
    )
    private static let superseded = DeliveryOutcome.transient(
        DeliveryFailure(
            code: DeliveryFailure.cancelled,
            message: "another process has taken over the uploads",
            mayHaveArrived: false
        )
    )
}
