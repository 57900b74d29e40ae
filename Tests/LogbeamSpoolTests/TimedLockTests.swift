import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("The lock of a process's writes", .serialized, .onOwnThreads)
struct TimedLockTests {
    @Test("goes to a thread that waits before the one that gives way has it again")
    func giveWay() async throws {
        let lock = TimedLock()
        let rounds = 50
        let order = Monitor<[Character]>([])
        let turns = Monitor(0)
        async let waiting: Void = onOwnThread {
            for _ in 0..<rounds {
                // Never twice for one time of the other: that one would look for a waiter when there is none any more.
                try #require(order.wait(within: patience) { $0.last == "g" ? true : nil } == true)
                try #require(lock.lock(until: .max))
                order.withLock { $0.append("w") }
                lock.unlock()
            }
        }
        try await onOwnThread {
            for _ in 0..<rounds {
                #expect(lock.lock(until: .max))
                order.withLock { $0.append("g") }
                let isWaiting = eventually { lock.hasWaiters }
                lock.unlock()
                try #require(isWaiting)
                // As long as it takes, on a busy machine.
                lock.giveWay(looks: .max)
            }
            turns.withLock { $0 = order.withLock { $0.filter { $0 == "w" }.count } }
            // For a waiter that was late, so that it comes to its end.
            #expect(
                eventually {
                    order.withLock { order in
                        order.append("g")
                        return order.count { $0 == "w" } >= rounds
                    }
                }
            )
        }
        try await waiting
        #expect(turns.withLock { $0 } == rounds)
    }

    @Test("counts the wait for it into the time that SQLite may wait")
    func oneDeadline() async throws {
        let timeout: UInt64 = 3_600_000_000_000
        let test = try TestSpool(commitTimeout: .seconds(3_600))
        let isHeld = Gate()
        async let deadline = onOwnThread {
            isHeld.pass()
            return try test.spool.write { writer throws(SpoolError) in writer.connection.busyPolicy.deadline }
        }
        let releasedAt = try await onOwnThread {
            try test.spool.write { _ throws(SpoolError) in
                isHeld.open()
                #expect(eventually { test.spool.lock.hasWaiters })
                return MonotonicClock.nanoseconds()
            }
        }
        #expect(try await deadline < releasedAt + timeout)
    }
}
