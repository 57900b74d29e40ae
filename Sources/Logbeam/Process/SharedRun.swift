internal import Synchronization

/// Work that blocks, for tasks on Swift's cooperative pool: it has a thread of its own, and is done once for all who ask before
/// it begins. Thread-safe.
final class SharedRun<Answer: Sendable>: Sendable {
    private struct State {
        var waiting: [Promise<Answer>] = []
        var hasThread = false
    }

    private let name: String
    private let state = Mutex(State())

    /// - Parameter name: that of the thread.
    init(name: String) {
        self.name = name
    }

    /// What `body` answers that was begun after the call; it is the same for all who call. Where the system has no thread left,
    /// the caller's does it.
    func answer(_ body: @escaping @Sendable () -> Answer) async -> Answer {
        let answer = Promise<Answer>()
        let isFirst = state.withLock { state in
            state.waiting.append(answer)
            defer { state.hasThread = true }
            return !state.hasThread
        }
        if isFirst {
            do {
                try BackgroundThread.start(name: name) { self.run(body) }
            } catch {
                run(body)
            }
        }
        return await answer.value()
    }

    private func run(_ body: () -> Answer) {
        while true {
            // Who comes from now on asks for what happens from now on.
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                if state.waiting.isEmpty { state.hasThread = false }
                return state.waiting
            }
            if waiting.isEmpty { return }
            let answer = body()
            for promise in waiting { promise.fulfill(answer) }
        }
    }
}
