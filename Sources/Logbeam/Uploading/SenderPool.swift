internal import LogbeamCore
internal import LogbeamSpool

/// A few threads that carry batches from the spool to the service, so that several are on their way at once, and what one
/// costs is spread over several cores.
///
/// Thread-safe. The threads end when the pool is stopped; what was not sent by then is forgotten here, and stands in the
/// spool. From then on nothing here keeps the spool open but a batch that is on its way.
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
            /// The service has it. Whether the spool knows of it too: otherwise that could not be written, and is to be tried
            /// again.
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

    /// For how long a thread keeps the memory of its last batch for the next one, in milliseconds: to have the system give
    /// and take megabytes costs more than to fill them.
    private static let memory: Int64 = 1_000

    private struct State {
        /// `nil` once the pool is stopped.
        var carrier: BatchCarrier?
        var jobs: [Job] = []
        var answers: [Answer] = []
    }

    private let onAnswer: @Sendable () -> Void
    private let state: Condition<State>

    /// - Parameters:
    ///   - niceness: by how much its threads are nicer than the calling one (nice(2)).
    ///   - onAnswer: called on a thread of the pool, whenever there is an answer to take.
    init(
        threads: Int,
        niceness: Int32 = 0,
        carrier: BatchCarrier,
        onAnswer: @escaping @Sendable () -> Void
    ) throws(ThreadError) {
        self.onAnswer = onAnswer
        state = Condition(State(carrier: carrier))
        for _ in 0..<threads {
            do throws(ThreadError) {
                try BackgroundThread.start(name: "logbeam-send", niceness: niceness) { [self] in run() }
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
        // What it holds is let go by who stops, not by a thread that the end of the process may come before; and not under
        // the lock, for that closes files.
        _ = state.change { state in
            state.answers += state.jobs.map(Self.cancelled)
            state.jobs = []
            return state.carrier.take()
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

    /// Has nothing of the spool when it returns: a thread that waits for its next batch must not keep that open.
    private func carry(_ job: Job, in batch: inout EventBatch) -> Answer {
        state.read(\.carrier)?.carry(job, in: &batch) ?? Self.cancelled(job)
    }

    /// `nil` when the pool is stopped, or there is none by a time in milliseconds of the monotonic clock.
    private func nextJob(until deadline: Int64?) -> Job? {
        let next: Job?? = state.wait(until: deadline) { state in
            if state.carrier == nil { return .some(nil) }
            return state.jobs.isEmpty ? nil : .some(state.jobs.removeFirst())
        }
        return next ?? nil
    }

    private static func cancelled(_ job: Job) -> Answer {
        let failure = DeliveryFailure(code: DeliveryFailure.cancelled, message: "the uploader was stopped")
        return Answer(job: job, result: .failed(.transient(failure)))
    }
}
