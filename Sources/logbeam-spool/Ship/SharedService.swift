internal import LogbeamCore
internal import Synchronization

/// The service of all spools, which can be made anew while it is in use. Thread-safe.
final class SharedService: DeliveryService {
    private struct State {
        var service: any DeliveryService
        var hasEnded = false
        /// What one before it knew of the clock.
        var clockOffset: Int64?
    }

    private let make: @Sendable () -> any DeliveryService
    private let state: Mutex<State>

    init(_ make: @escaping @Sendable () -> any DeliveryService) {
        self.make = make
        state = Mutex(State(service: make()))
    }

    /// Later calls go by what the environment's files say now; those that are on their way come to their end.
    func renew() {
        let service = make()
        state.withLock { state in
            if state.hasEnded { return }
            // The answer of a batch that is on its way is judged by it.
            state.clockOffset = state.service.clockOffset ?? state.clockOffset
            state.service = service
        }
    }

    /// Breaks off what is on its way, for all spools.
    func end() {
        state.withLock { state in
            state.hasEnded = true
            return state.service
        }.cancel()
    }

    private var current: any DeliveryService { state.withLock { $0.service } }

    func send(_ batch: EventBatch) -> DeliveryOutcome { current.send(batch) }

    func create(_ destination: Destination) -> DeliveryOutcome { current.create(destination) }

    func lookUp(_ batch: EventBatch) -> LookUpOutcome { current.lookUp(batch) }

    var warning: String? { current.warning }

    var clockOffset: Int64? { state.withLock { $0.service.clockOffset ?? $0.clockOffset } }

    /// Does nothing: an uploader that ends before the others has nothing on its way. See ``end()``.
    func cancel() {}
}
