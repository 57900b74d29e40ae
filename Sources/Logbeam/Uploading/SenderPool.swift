internal import LogbeamCore

/// A few threads that send batches, so that several are on their way at once and are encoded on several cores.
///
/// Thread-safe. The threads end when the pool is stopped; what was not sent by then is forgotten here, and stands in the
/// spool.
final class SenderPool: Sendable {
    struct Answer: Sendable {
        var range: BatchRange
        var batch: EventBatch
        var outcome: DeliveryOutcome
    }

    private struct State {
        var jobs: [(range: BatchRange, batch: EventBatch)] = []
        var answers: [Answer] = []
        var isStopped = false
    }

    private let service: any DeliveryService
    private let onAnswer: @Sendable () -> Void
    private let state = Condition(State())

    /// - Parameter onAnswer: called on a thread of the pool, whenever there is an answer to take.
    init(threads: Int, service: any DeliveryService, onAnswer: @escaping @Sendable () -> Void) throws(ThreadError) {
        self.service = service
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

    func send(_ batch: EventBatch, as range: BatchRange) {
        state.change { $0.jobs.append((range, batch)) }
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

    func stop() {
        state.change { $0.isStopped = true }
    }

    private func run() {
        while let job = nextJob() {
            let outcome = deliver(job.batch)
            state.change { $0.answers.append(Answer(range: job.range, batch: job.batch, outcome: outcome)) }
            onAnswer()
        }
    }

    private func nextJob() -> (range: BatchRange, batch: EventBatch)? {
        let next: (range: BatchRange, batch: EventBatch)?? = state.wait(until: nil) { state in
            if state.isStopped { return .some(nil) }
            return state.jobs.isEmpty ? nil : .some(state.jobs.removeFirst())
        }
        return next ?? nil
    }

    /// Sends a batch, and creates what it is meant for if that is missing.
    private func deliver(_ batch: EventBatch) -> DeliveryOutcome {
        let outcome = service.send(batch)
        guard case .destinationMissing = outcome else { return outcome }
        let creation = service.create(batch.destination)
        guard case .accepted = creation else { return creation }
        return service.send(batch)
    }
}
