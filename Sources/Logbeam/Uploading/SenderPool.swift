internal import LogbeamCore
internal import LogbeamSpool

/// A few threads that send batches, so that several are on their way at once and are encoded on several cores.
///
/// Thread-safe. The threads end when the pool is stopped; what was not sent by then is forgotten here, and stands in the
/// spool.
final class SenderPool: Sendable {
    struct Job: Sendable {
        var range: BatchRange
        var batch: EventBatch
        /// Before it is sent, look what of it the service has.
        var looksUp = false
    }

    struct Answer: Sendable {
        var range: BatchRange
        /// What was sent: the batch, without what was found to have arrived before.
        var batch: EventBatch
        /// How many of its events were found to have arrived before.
        var found = 0
        /// Nothing is known of what was sent: it may have arrived.
        var isInDoubt = false
        var outcome: DeliveryOutcome
        /// What the service warned of while it took the batch.
        var warning: String?
    }

    private struct State {
        var jobs: [Job] = []
        var answers: [Answer] = []
        var isStopped = false
    }

    private let service: any DeliveryService
    private let mayPost: @Sendable () -> Bool
    private let onAnswer: @Sendable () -> Void
    private let state = Condition(State())

    /// - Parameters:
    ///   - mayPost: asked on a thread of the pool, right before each batch is sent.
    ///   - onAnswer: called on a thread of the pool, whenever there is an answer to take.
    init(
        threads: Int,
        service: any DeliveryService,
        mayPost: @escaping @Sendable () -> Bool,
        onAnswer: @escaping @Sendable () -> Void
    ) throws(ThreadError) {
        self.service = service
        self.mayPost = mayPost
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
            state.answers += state.jobs.map {
                Answer(range: $0.range, batch: $0.batch, outcome: Self.cancelled)
            }
            state.jobs = []
        }
    }

    private func run() {
        while let job = nextJob() {
            let answer = deliver(job)
            state.change { $0.answers.append(answer) }
            onAnswer()
        }
    }

    private func nextJob() -> Job? {
        let next: Job?? = state.wait(until: nil) { state in
            if state.isStopped { return .some(nil) }
            return state.jobs.isEmpty ? nil : .some(state.jobs.removeFirst())
        }
        return next ?? nil
    }

    private func deliver(_ job: Job) -> Answer {
        guard job.looksUp else { return send(job.batch, of: job) }
        switch service.lookUp(job.batch) {
        case .found(let indices):
            return send(job.batch.without(indices), of: job)
        case .failed(.denied):
            // Without the permission to look, sending twice is better than never.
            return send(job.batch, of: job)
        case .failed(let outcome):
            return Answer(range: job.range, batch: job.batch, outcome: outcome)
        }
    }

    /// Sends a batch, or what is left of it, and creates what it is meant for if that is missing.
    private func send(_ batch: EventBatch, of job: Job) -> Answer {
        var answer = Answer(
            range: job.range,
            batch: batch,
            found: job.batch.count - batch.count,
            outcome: .accepted(.none)
        )
        if batch.count == 0 { return answer }
        answer.outcome = post(batch)
        if case .destinationMissing = answer.outcome {
            answer.outcome = service.create(batch.destination)
            // Without its stream the batch is nowhere.
            guard case .accepted = answer.outcome else { return answer }
            answer.outcome = post(batch)
        }
        answer.isInDoubt = answer.outcome.failure?.mayHaveArrived ?? false
        answer.warning = service.warning
        return answer
    }

    private func post(_ batch: EventBatch) -> DeliveryOutcome {
        mayPost() ? service.send(batch) : Self.superseded
    }

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
