import CSQLite
import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

/// Nobody sleeps for ever, and everybody has a turn.
extension CommitQueueTests {
    /// Short storms, each of which ends: a wake-up that is missing leaves a record waiting, for no other thread comes.
    /// Threads sleep at once, for as long as they have time, and some give up at the moment when others do something.
    @Test("wake each other", arguments: CommitQueueTests.seeds)
    func wakeUps(seed: UInt64) async throws {
        let test = try TestSpool()
        let queue = try test.anotherQueue(WaitingTimes(yield: 0, spin: 0, longestSleep: .max))
        let storms = ProcessInfo.processInfo.environment["COMMIT_STORMS"].flatMap { Int($0) } ?? 1_000
        let storm = Atomic<Int>(0)
        let finished = Atomic<Int>(0)
        let hasFailed = Atomic<Bool>(false)
        let threads = 5
        let ids = try await onThreads(threads) { thread in
            var random = SeededGenerator(seed: seed &* 100 &+ UInt64(thread))
            var ids: [Int64] = []
            func append(within nanoseconds: UInt64) throws {
                try Array("message".utf8).withUnsafeBufferPointer {
                    let record = NewRecord(stream: test.stream, timestamp: 1_000, message: $0)
                    ids.append(try queue.append(record, until: MonotonicClock.nanoseconds() + nanoseconds))
                }
            }
            for number in 0..<storms {
                // Whoever is last lets all go.
                if finished.add(1, ordering: .acquiringAndReleasing).newValue == threads * (number + 1) {
                    storm.store(number + 1, ordering: .releasing)
                }
                while storm.load(ordering: .acquiring) <= number {
                    if hasFailed.load(ordering: .relaxed) { return ids }
                    sched_yield()
                }
                let begin = MonotonicClock.nanoseconds() + UInt64.random(in: 0...40_000, using: &random)
                while MonotonicClock.nanoseconds() < begin {}
                let patience = UInt64.random(in: 0...60_000, using: &random)
                switch thread {
                case 0, 1, 2:
                    do { try append(within: 60_000_000_000) } catch {
                        hasFailed.store(true, ordering: .relaxed)
                        throw error
                    }
                case 3: try? append(within: patience)
                default:
                    func work() {
                        let end = MonotonicClock.nanoseconds() + UInt64.random(in: 0...20_000, using: &random)
                        while MonotonicClock.nanoseconds() < end {}
                    }
                    let deadline = MonotonicClock.nanoseconds() + patience
                    if Bool.random(using: &random) {
                        try? queue.write(until: deadline) { _ throws(SpoolError) in work() }
                    } else if queue.hold(until: deadline) {
                        // As a fork does.
                        work()
                        queue.release()
                    }
                }
            }
            return ids
        }
        #expect(try test.ids() == ids.flatMap { $0 }.sorted())
    }

    @Test("take a lock that is free, though the thread that was woken to take it does not run")
    func freeLock() throws {
        let test = try TestSpool()
        test.spool.lock.waiters.add(1, ordering: .relaxed)
        defer { test.spool.lock.waiters.subtract(1, ordering: .relaxed) }
        _ = try test.append("one", within: .seconds(20))
        #expect(try test.messages().values.sorted() == ["one"])
    }

    @Test(
        "give up the core at once to whoever has the lock, if they have taken it from that",
        arguments: [true, false]
    )
    func core(isSame: Bool) async throws {
        let test = try TestSpool()
        let cores = Atomic<Int32>(0)
        let looks = Atomic<Int>(0)
        let queue = try test.anotherQueue(WaitingTimes(yield: .max / 4, spin: .max / 4)) {
            looks.add(1, ordering: .relaxed)
            return cores.load(ordering: .relaxed)
        }
        let gate = Gate()
        async let appending = onOwnThread {
            gate.pass()
            return try Array("message".utf8).withUnsafeBufferPointer {
                let record = NewRecord(stream: test.stream, timestamp: 1_000, message: $0)
                return try queue.append(record, until: MonotonicClock.nanoseconds() + 300_000_000_000)
            }
        }
        try await onOwnThread {
            try queue.write(until: .max) { _ throws(SpoolError) in
                if !isSame { cores.store(1, ordering: .relaxed) }
                gate.open()
                if isSame {
                    // One that keeps its core looks again and again.
                    #expect(eventually { queue.sleepingThreads == 1 || looks.load(ordering: .relaxed) > 1_000 })
                    #expect(queue.sleepingThreads == 1)
                } else {
                    let before = looks.load(ordering: .relaxed)
                    #expect(eventually { queue.waitingRecords == 1 && looks.load(ordering: .relaxed) > before + 100 })
                    #expect(queue.sleepingThreads == 0)
                }
            }
        }
        #expect(try await test.ids() == [appending])
    }

    struct Waiting {
        var records: Int
        /// On which their threads run.
        var core: Int32
        /// For how long they are left, in nanoseconds.
        var moment: UInt64
        var areLeft: Bool
    }

    /// Where the lock was taken last: on core 0, where somebody may come back and commit theirs as well.
    @Test(
        "are left for a moment to the core that had the lock last, if they wait alone and on another",
        arguments: [
            Waiting(records: 1, core: 1, moment: .max / 4, areLeft: true),
            Waiting(records: 1, core: 0, moment: .max / 4, areLeft: false),
            Waiting(records: 2, core: 1, moment: .max / 4, areLeft: false),
            Waiting(records: 1, core: 1, moment: 1_000_000, areLeft: false),
        ]
    )
    func lastCore(waiting: Waiting) async throws {
        let test = try TestSpool()
        let currentCore = Atomic<Int32>(0)
        let looks = Atomic<Int>(0)
        let queue = try test.anotherQueue(WaitingTimes(yield: .max / 4, lastCore: waiting.moment)) {
            looks.add(1, ordering: .relaxed)
            return currentCore.load(ordering: .relaxed)
        }
        @Sendable func append() throws -> Int64 {
            try Array("message".utf8).withUnsafeBufferPointer {
                let record = NewRecord(stream: test.stream, timestamp: 1_000, message: $0)
                return try queue.append(record, until: MonotonicClock.nanoseconds() + 60_000_000_000)
            }
        }
        _ = try append()
        #expect(queue.hold(until: .max))
        currentCore.store(waiting.core, ordering: .relaxed)
        async let appended = onThreads(waiting.records) { _ in try append() }
        #expect(eventually { queue.waitingRecords == waiting.records })
        queue.release()
        if waiting.areLeft {
            let before = looks.load(ordering: .relaxed)
            #expect(eventually { looks.load(ordering: .relaxed) > before + 100 })
            #expect(queue.waitingRecords == 1)
            let id = try append()
            #expect(try await appended == [id + 1])
        } else {
            #expect(try await appended.count == waiting.records)
        }
    }

    @Test("are committed round by round, and in turn with other writes, none before those that have waited longer")
    func rounds() async throws {
        let test = try TestSpool()
        // Two of them make a round.
        let big = String(repeating: "b", count: 600_000)
        let committed = Monitor<[Int64]>([])
        let gates = [Gate(), Gate()]
        async let old = onThreads(8) { _ in
            gates[0].pass()
            let id = try test.spool.append(big, stream: test.stream)
            committed.withLock { $0.append(id) }
            return id
        }
        async let new = onThreads(2) { _ in
            gates[1].pass()
            return try test.spool.append(big, stream: test.stream)
        }
        // Each waits for the lock when the one before lets go of it: all that the other threads can do is to wait.
        let turn = Monitor(0)
        _ = try await onThreads(5) { number in
            #expect(turn.wait(within: patience) { $0 == number ? true : nil } == true)
            try test.spool.write { writer throws(SpoolError) in
                // Nobody came before it.
                #expect(try writer.connection.integer("SELECT count(*) FROM records") == 2 * Int64(number))
                turn.withLock { $0 += 1 }
                switch number {
                case 0:
                    gates[0].open()
                    #expect(eventually { test.spool.queue.waitingRecords == 8 })
                case 1:
                    #expect(committed.wait(within: patience) { $0.count == 2 ? true : nil } == true)
                    gates[1].open()
                    #expect(eventually { test.spool.queue.waitingRecords == 8 })
                default: break
                }
                #expect(number == 4 || eventually { test.spool.lock.hasWaiters })
            }
        }
        let lastOld = try #require(try await old.max())
        let firstNew = try #require(try await new.min())
        #expect(lastOld < firstNew)
    }

    @Test("and whoever has the lock knows whether a record waits, or a thread for the lock", arguments: [true, false])
    func isAwaited(isRecord: Bool) async throws {
        let test = try TestSpool()
        let queue = test.spool.queue
        let isHeld = Monitor(false)
        async let holding: Void = onOwnThread {
            try test.spool.write { _ throws(SpoolError) in
                #expect(!queue.isAwaited)
                isHeld.withLock { $0 = true }
                #expect(eventually { isRecord ? queue.waitingRecords == 1 : test.spool.lock.hasWaiters })
                #expect(queue.isAwaited)
            }
        }
        #expect(isHeld.wait(within: patience) { $0 ? true : nil } == true)
        try await onOwnThread {
            if isRecord { try test.append() } else { try test.spool.write { _ in } }
        }
        try await holding
    }

    @Test("and the uploader's writes take turns")
    func uploader() async throws {
        let test = try TestSpool()
        let appended = Monitor((counts: [Int](repeating: 0, count: 8), isOver: false))
        async let appending: [Void] = onThreads(8) { thread in
            while !appended.withLock({ $0.isOver }) {
                try test.append()
                appended.withLock { $0.counts[thread] += 1 }
            }
        }
        let delivered = try await onOwnThread {
            defer { appended.withLock { $0.isOver = true } }
            let reader = try SpoolReader(path: test.path)
            let maintenance = try SpoolMaintenance(spool: test.spool, reader: reader)
            var delivered = 0
            for _ in 0..<10 {
                // More than one slice.
                let ready = appended.wait(within: patience) {
                    $0.counts.reduce(0, +) - delivered > 1_200 ? true : nil
                }
                #expect(ready == true)
                let before = appended.withLock { $0.counts }
                let headers = try reader.headers(after: 0, limit: 1_200).headers
                let range = test.range(try #require(headers.first).id, try #require(headers.last).id)
                try test.spool.begin(range)
                try test.spool.acknowledgeAndFinish(range, refused: [], delivered: headers.count)
                try maintenance.whileBusy()
                delivered += headers.count
                // Nobody is shut out by that.
                let all = appended.wait(within: patience) {
                    zip($0.counts, before).allSatisfy { $0 > $1 } ? true : nil
                }
                #expect(all == true)
            }
            return delivered
        }
        _ = try await appending
        #expect(try test.ids().count == appended.withLock { $0.counts.reduce(0, +) } - delivered)
    }

    /// Not in the process of the tests: a fork waits for all locks of its process, and has taken the others meanwhile.
    @Test("fail at their deadline in a process that was forked while the lock was taken")
    func fork() async throws {
        let test = try TestSpool()
        let forking = try exerciser("locked", test.path)
        let ended = try await onOwnThread { try forking.wait() }
        #expect(ended.exitCode == 0, "\(forking.text(.standardError))")
        #expect(try test.messages().values.sorted() == ["parent"])
    }
}
