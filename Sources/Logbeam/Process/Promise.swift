internal import LogbeamSpool

/// A value that comes once, and that threads and tasks can wait for. Thread-safe.
package final class Promise<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var continuations: [CheckedContinuation<Value, Never>] = []
    }

    private let state = Condition(State())

    /// Gives the value. Only the first one counts.
    func fulfill(_ value: Value) {
        let continuations = state.change { state in
            guard state.value == nil else { return [CheckedContinuation<Value, Never>]() }
            state.value = value
            defer { state.continuations = [] }
            return state.continuations
        }
        for continuation in continuations { continuation.resume(returning: value) }
    }

    /// Waits without blocking a thread. Does not end early when the task is cancelled.
    func value() async -> Value {
        await withCheckedContinuation { continuation in
            let value = state.change { state in
                if state.value == nil { state.continuations.append(continuation) }
                return state.value
            }
            if let value { continuation.resume(returning: value) }
        }
    }

    /// Blocks the thread until a deadline in milliseconds of the monotonic clock; `nil` if the value has not come by then.
    package func wait(until deadline: Int64?) -> Value? {
        state.wait(until: deadline) { $0.value }
    }
}
