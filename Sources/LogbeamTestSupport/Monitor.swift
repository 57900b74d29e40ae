import Foundation

/// For how long a test waits for what must come: longer than all tests take together on a slow machine, for what it waits
/// for may need a thread of Swift's pool, and other tests have them until they end. It ends nothing but a hang.
package let patience = Duration.seconds(300)

/// A value behind a lock that can be waited on: a test waits for a state, never for a length of time.
///
/// Safe from any thread. A waiting call blocks its thread; from an `async` test, call it through ``onOwnThread(_:)``.
// `condition` is held for every access to `state`.
package final class Monitor<State: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private var state: State

    package init(_ state: State) {
        self.state = state
    }

    /// Reads or changes the value, and wakes all who wait for it.
    @discardableResult
    package func withLock<Result, Failure>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return try body(&state)
    }

    /// Blocks until the body, called again after each change, returns a value; `nil` if the time ran out before.
    package func wait<Result>(within limit: Duration, for body: (inout State) throws -> Result?) rethrows -> Result? {
        let deadline = ContinuousClock.now + limit
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result = try body(&state) {
                condition.broadcast()
                return result
            }
            let left = deadline - .now
            guard left > .zero else { return nil }
            _ = condition.wait(until: Date(timeIntervalSinceNow: left / .seconds(1)))
        }
    }
}

/// Runs a blocking call on a thread of its own, so that it does not take one of the few that run `async` code. It stays
/// the caller's task: an expectation that fails in it is the calling test's.
package func onOwnThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withTaskExecutorPreference(ThreadExecutor()) { try body() }
}

/// Runs a function, and the child tasks that it makes, on threads of their own: they may block, and begin though all threads
/// of Swift's pool are blocked by others.
package func onOwnThreads(_ body: @Sendable () async throws -> Void) async throws {
    try await withTaskExecutorPreference(ThreadExecutor()) { try await body() }
}

/// Runs each job on a new thread.
private final class ThreadExecutor: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread.detachNewThread { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}

/// Holds whoever wants to pass until it is opened; then lets all pass.
package final class Gate: Sendable {
    private let state = Monitor((isOpen: false, arrived: 0))

    package init() {}

    /// Lets all pass, those who wait and those who come later.
    package func open() {
        state.withLock { $0.isOpen = true }
    }

    /// Blocks until the gate is open. A gate that nobody opens ends the tests: that tells more than tests without end.
    package func pass() {
        state.withLock { $0.arrived += 1 }
        let isOpen: Bool? = state.wait(within: .seconds(900)) { $0.isOpen ? true : nil }
        precondition(isOpen == true, "nobody has opened the gate for a quarter of an hour")
    }

    /// Blocks until so many have come to the gate, whether or not they have passed; `false` if the time ran out before.
    package func waitForArrivals(_ count: Int = 1, within limit: Duration = patience) -> Bool {
        state.wait(within: limit) { $0.arrived >= count ? true : nil } ?? false
    }
}

/// Looks again and again for a state that nothing tells of; `false` if it never comes.
package func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = ContinuousClock.now + patience
    while try !condition() {
        if ContinuousClock.now > deadline { return false }
        usleep(500)
    }
    return true
}
