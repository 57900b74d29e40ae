package import LogbeamCore

/// A delivery service without a network: it answers as the test tells it, and remembers what it was asked.
///
/// Safe from any thread. After ``cancel()`` every call fails as the protocol demands, and the script is not asked.
package final class ScriptedDeliveryService: DeliveryService {
    /// Decides the outcome of a batch. The number counts the batches from 1; the call may block (see ``Gate``).
    package typealias Script = @Sendable (_ number: Int, _ batch: EventBatch) -> DeliveryOutcome

    private struct State {
        var sent: [EventBatch] = []
        var created: [Destination] = []
        var lookedUp: [EventBatch] = []
        var isCancelled = false
        var warning: String?
        var clockOffset: Int64? = 0
    }

    private let state = Monitor(State())
    private let script: Script
    private let creation: DeliveryOutcome
    private let search: @Sendable (EventBatch) -> LookUpOutcome
    private let gate: Gate?

    /// - Parameters:
    ///   - creation: The outcome of every ``create(_:)``.
    ///   - search: Decides what is found of a batch; by default nothing.
    ///   - gate: Holds each batch, after it was recorded, until it is opened. Cancelling opens it.
    ///   - script: Decides the outcome of each batch.
    package init(
        creation: DeliveryOutcome = .accepted(.none),
        search: @escaping @Sendable (EventBatch) -> LookUpOutcome = { _ in .found([]) },
        gate: Gate? = nil,
        script: @escaping Script
    ) {
        self.script = script
        self.search = search
        self.creation = creation
        self.gate = gate
    }

    /// Gives the outcomes one after the other, then accepts everything.
    package convenience init(_ outcomes: [DeliveryOutcome] = [], gate: Gate? = nil) {
        self.init(gate: gate) { number, _ in number <= outcomes.count ? outcomes[number - 1] : .accepted(.none) }
    }

    package func send(_ batch: EventBatch) -> DeliveryOutcome {
        let number: Int? = state.withLock {
            guard !$0.isCancelled else { return nil }
            $0.sent.append(batch)
            return $0.sent.count
        }
        guard let number else { return Self.cancelled }
        gate?.pass()
        return isCancelled ? Self.cancelled : script(number, batch)
    }

    package func create(_ destination: Destination) -> DeliveryOutcome {
        state.withLock {
            guard !$0.isCancelled else { return Self.cancelled }
            $0.created.append(destination)
            return creation
        }
    }

    package func lookUp(_ batch: EventBatch) -> LookUpOutcome {
        let isCancelled = state.withLock {
            if !$0.isCancelled { $0.lookedUp.append(batch) }
            return $0.isCancelled
        }
        return isCancelled ? .failed(Self.cancelled) : search(batch)
    }

    /// What it warns of from now on.
    package func warn(of warning: String?) { state.withLock { $0.warning = warning } }

    package var warning: String? { state.withLock { $0.warning } }

    package var clockOffset: Int64? { state.withLock { $0.clockOffset } }

    /// From now on its clock is so far ahead of ours, in milliseconds.
    package func setClock(ahead offset: Int64?) { state.withLock { $0.clockOffset = offset } }

    package func cancel() {
        state.withLock { $0.isCancelled = true }
        gate?.open()
    }

    /// The batches in the order in which they came, whatever became of them.
    package var sent: [EventBatch] { state.withLock { $0.sent } }
    /// The log streams that were asked for, in that order.
    package var created: [Destination] { state.withLock { $0.created } }
    /// The batches that were looked for, in that order.
    package var lookedUp: [EventBatch] { state.withLock { $0.lookedUp } }
    package var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Blocks until so many batches have come; `false` if the time ran out before.
    package func waitForBatches(_ count: Int, within limit: Duration = patience) -> Bool {
        state.wait(within: limit) { $0.sent.count >= count ? true : nil } ?? false
    }

    private static let cancelled = DeliveryOutcome.transient(
        DeliveryFailure(code: DeliveryFailure.cancelled, message: "")
    )
}
