import CSQLite
import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("Records of many threads", .serialized, .onOwnThreads)
struct CommitQueueTests {
    // MARK: All there

    /// 32 find a seat each; of 80, some have to wait for the lock itself.
    @Test(
        "are all there, once each, under the ids that were returned, in the order of each thread",
        arguments: [32, 80]
    )
    func manyThreads(threads: Int) async throws {
        let test = try TestSpool()
        let perThread = 3_200 / threads
        let appended = try await onThreads(threads) { thread in
            try (0..<perThread).map { number in
                let message = "thread \(thread) record \(number)"
                return (id: try test.spool.append(message, stream: test.stream), message: message)
            }
        }
        for records in appended { #expect(zip(records, records.dropFirst()).allSatisfy { $0.id < $1.id }) }
        try #expect(
            test.messages() == Dictionary(uniqueKeysWithValues: appended.flatMap { $0.map { ($0.id, $0.message) } })
        )
        #expect(try integrity(of: test.path) == "ok")
    }

    @Test("share a commit")
    func oneCommit() async throws {
        let test = try TestSpool()
        let commits = Commits()
        try commits.count(in: test.spool)
        let ids = try await test.appendTogether((0..<40).map { "record \($0)" }).map { try $0.get() }
        #expect(commits.number == 1)
        #expect(try test.ids() == ids.sorted())
        #expect(Set(ids).count == 40)
        // As often as one likes: no seat stays taken.
        for _ in 0..<3 { _ = try await test.appendTogether((0..<64).map { "record \($0)" }).map { try $0.get() } }
    }

    @Test("share a commit up to about a megabyte")
    func bytes() async throws {
        let test = try TestSpool()
        let commits = Commits()
        try commits.count(in: test.spool)
        let messages = (0..<8).map { String(repeating: "\($0)", count: 600_000) }
        let ids = try await test.appendTogether(messages).map { try $0.get() }
        // Two to a commit, but for those whose thread had a commit of its own.
        #expect((4...8).contains(commits.number))
        #expect(try test.ids() == ids.sorted())
    }

    // MARK: Failures

    /// What SQLite undoes: the statement, nothing at all, the transaction.
    @Test(
        "fail one by one: what is wrong with one is no matter to the others",
        arguments: ["ABORT", "FAIL", "ROLLBACK"]
    )
    func isolation(conflict: String) async throws {
        let test = try TestSpool()
        // Stands for whatever makes an insert fail.
        try test.execute(
            """
            CREATE TRIGGER guard BEFORE INSERT ON records WHEN NEW.message = 'bad'
            BEGIN SELECT raise(\(conflict), 'not this one'); END
            """
        )
        let messages = (0..<24).map { $0 % 7 == 3 ? "bad" : "good \($0)" }
        let results = try await test.appendTogether(messages)
        for (message, result) in zip(messages, results) where message == "bad" {
            #expect(throws: SpoolError.self) { try result.get() }
        }
        let good = try zip(messages, results).filter { $0.0 != "bad" }.map { (try $0.1.get(), $0.0) }
        #expect(try test.messages() == Dictionary(uniqueKeysWithValues: good))
        // Nothing is left open.
        try test.append(2)
    }

    @Test("are committed one by one where their common commit fails")
    func commitFails() async throws {
        let test = try TestSpool()
        let commits = Commits(failures: 1)
        try commits.count(in: test.spool)
        let ids = try await test.appendTogether((0..<10).map { "record \($0)" }).map { try $0.get() }
        #expect(commits.number > 1)
        #expect(try test.ids() == ids.sorted())
    }

    @Test("are in the spool or reported, each of them, when the disk is full; and nobody hangs")
    func full() async throws {
        let test = try TestSpool()
        try test.spool.write { writer throws(SpoolError) in
            try writer.connection.execute("PRAGMA max_page_count = 100")
        }
        let message = String(repeating: "m", count: 1_000)
        let outcomes = try await onThreads(16) { thread in
            var ids: [Int64] = []
            var errors: [SpoolError] = []
            while errors.count < 5 {
                do { ids.append(try test.spool.append(message, stream: test.stream)) } catch {
                    errors.append(try #require(error as? SpoolError))
                }
            }
            return (ids: ids, errors: errors)
        }
        #expect(outcomes.allSatisfy { $0.errors.allSatisfy { $0.kind == .full } })
        #expect(try test.ids() == outcomes.flatMap(\.ids).sorted())
        try test.spool.write { writer throws(SpoolError) in
            try writer.connection.execute("PRAGMA max_page_count = 100000")
        }
        let ids = try await onThreads(16) { _ in try test.spool.append(message, stream: test.stream) }
        #expect(Set(try test.ids()).isSuperset(of: ids))
    }

    // MARK: Time

    @Test("wait until their own deadline, not until that of the thread that has the lock")
    func ownDeadline() async throws {
        let test = try TestSpool()
        let other = try Connection(path: test.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        async let first = onOwnThread { try test.append("first", within: .seconds(3_600)) }
        try await onOwnThread {
            let isTaken = eventually {
                guard test.spool.lock.tryLock() else { return true }
                test.spool.lock.unlock()
                return false
            }
            #expect(isTaken)
            let time = ContinuousClock().measure {
                #expect(spoolError { _ = try test.append("second", within: .milliseconds(200)) }?.kind == .busy)
            }
            #expect(time >= .milliseconds(200))
        }
        try other.execute("COMMIT")
        let id = try await first
        #expect(try test.messages() == [id: "first"])
    }

    @Test("wait until their own deadline when a thread would commit them, and waits for another process")
    func ownDeadlineInARound() async throws {
        let test = try TestSpool(commitTimeout: .seconds(3_600))
        // Used by one thread, and when that is done with it by another.
        nonisolated(unsafe) let other = try Connection(path: test.path, mode: .readWrite)
        let isHeld = Gate()
        async let patient = onOwnThread {
            isHeld.pass()
            return try test.append("patient", within: .seconds(3_600))
        }
        async let hasty: Void = onOwnThread {
            isHeld.pass()
            #expect(spoolError { _ = try test.append("hasty", within: .seconds(1)) }?.kind == .busy)
            try other.execute("COMMIT")
        }
        try await onOwnThread {
            try test.spool.write { _ throws(SpoolError) in
                isHeld.open()
                #expect(eventually { test.spool.queue.waitingRecords == 2 })
                #expect(spoolError { try other.execute("BEGIN IMMEDIATE") } == nil)
            }
        }
        try await hasty
        let id = try await patient
        #expect(try test.messages() == [id: "patient"])
    }

    @Test("are given up at the deadline while nobody has taken them, and only then")
    func taken() async throws {
        let test = try TestSpool()
        let pause = Pause()
        try pause.install(in: test.spool)
        let deadline = Duration.seconds(3)
        var results: [Task<Int64, any Error>] = []
        let mayEnd = Gate()
        let isHeld = Gate()
        async let holding: Void = onOwnThread {
            try test.spool.write { _ throws(SpoolError) in
                isHeld.open()
                mayEnd.pass()
            }
        }
        try await onOwnThread { isHeld.pass() }
        // The one is taken before the transaction comes to a halt, the other would be after that.
        for (number, message) in ["taken", "pause", "waiting"].enumerated() {
            results.append(Task { try await onOwnThread { try test.append(message, within: deadline) } })
            try await onOwnThread {
                #expect(eventually { test.spool.queue.waitingRecords == number + 1 })
            }
        }
        mayEnd.open()
        try await onOwnThread { #expect(pause.gate.waitForArrivals()) }
        // Its deadline is the last.
        await #expect(throws: SpoolError.self) { try await results[2].value }
        #expect(try test.ids() == [])
        pause.gate.open()
        try await holding
        let ids = try await [results[0].value, results[1].value]
        #expect(try test.messages() == [ids[0]: "taken", ids[1]: "pause"])
    }

    /// Another process has the write lock, or a thread of this process has the lock, until some appends have timed out;
    /// then until some have succeeded; and so on.
    @Test("are in the spool if and only if their append returned", arguments: CommitQueueTests.seeds)
    func timeouts(seed: UInt64) async throws {
        let test = try TestSpool(commitTimeout: .milliseconds(20))
        let outcomes = Monitor((ids: [Int64: String](), timeouts: 0, isOver: false))
        async let appending: [Void] = onThreads(16) { thread in
            var number = 0
            while !outcomes.withLock({ $0.isOver }) {
                let message = "thread \(thread) record \(number)"
                number += 1
                do {
                    let id = try test.spool.append(message, stream: test.stream)
                    outcomes.withLock { $0.ids[id] = message }
                } catch {
                    #expect((error as? SpoolError)?.kind == .busy)
                    outcomes.withLock { $0.timeouts += 1 }
                }
            }
        }
        try await onOwnThread {
            defer { outcomes.withLock { $0.isOver = true } }
            let other = try Connection(path: test.path, mode: .readWrite)
            other.setBusyDeadline(.max)
            var random = SeededGenerator(seed: seed)
            for _ in 0..<8 {
                let before = outcomes.withLock { ($0.timeouts, $0.ids.count) }
                let goal = Int.random(in: 1...40, using: &random)
                let untilTimeouts = {
                    outcomes.wait(within: .seconds(60)) { $0.timeouts >= before.0 + goal ? true : nil }
                }
                if Bool.random(using: &random) {
                    try other.transaction { () throws(SpoolError) in #expect(untilTimeouts() == true) }
                } else {
                    #expect(test.spool.lock.lock(until: .max))
                    #expect(untilTimeouts() == true)
                    test.spool.lock.unlock()
                }
                #expect(outcomes.wait(within: .seconds(60)) { $0.ids.count >= before.1 + goal ? true : nil } == true)
            }
        }
        _ = try await appending
        #expect(try test.messages() == outcomes.withLock { $0.ids })
    }

    static let seeds: [UInt64] = {
        let count = ProcessInfo.processInfo.environment["COMMIT_SEEDS"].flatMap { UInt64($0) } ?? 3
        return Array(1...max(1, count))
    }()

    // MARK: Turns

    /// Short storms, each of which ends: a wake-up that is missing leaves a record waiting, for no other thread comes.
    /// Threads sleep at once, for as long as they have time, and some give up at the moment when others do something.
    @Test("wake each other", arguments: CommitQueueTests.seeds)
    func wakeUps(seed: UInt64) async throws {
        let test = try TestSpool()
        let connection = try SpoolFile.openForWriting(path: test.path, create: false, powerLossSafe: false)
        let writer = try Writer(connection: connection, walMonitor: WALMonitor())
        let queue = CommitQueue(lock: TimedLock(), writer: writer, yieldTime: 0, longestSleep: .max)
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
                    try? queue.write(until: MonotonicClock.nanoseconds() + patience) { _ throws(SpoolError) in
                        let end = MonotonicClock.nanoseconds() + UInt64.random(in: 0...20_000, using: &random)
                        while MonotonicClock.nanoseconds() < end {}
                    }
                }
            }
            return ids
        }
        #expect(try test.ids() == ids.flatMap { $0 }.sorted())
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
            #expect(turn.wait(within: .seconds(60)) { $0 == number ? true : nil } == true)
            try test.spool.write { writer throws(SpoolError) in
                // Nobody came before it.
                #expect(try writer.connection.integer("SELECT count(*) FROM records") == 2 * Int64(number))
                turn.withLock { $0 += 1 }
                switch number {
                case 0:
                    gates[0].open()
                    #expect(eventually { test.spool.queue.waitingRecords == 8 })
                case 1:
                    #expect(committed.wait(within: .seconds(60)) { $0.count == 2 ? true : nil } == true)
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
                let ready = appended.wait(within: .seconds(60)) {
                    $0.counts.reduce(0, +) - delivered > 1_200 ? true : nil
                }
                #expect(ready == true)
                let before = appended.withLock { $0.counts }
                let headers = try reader.headers(after: 0, limit: 1_200).headers
                let range = test.range(try #require(headers.first).id, try #require(headers.last).id)
                try test.spool.begin(range)
                try test.spool.acknowledge(range, refused: [], delivered: headers.count)
                try maintenance.whileBusy()
                delivered += headers.count
                // Nobody is shut out by that.
                let all = appended.wait(within: .seconds(60)) {
                    zip($0.counts, before).allSatisfy { $0 > $1 } ? true : nil
                }
                #expect(all == true)
            }
            return delivered
        }
        _ = try await appending
        #expect(try test.ids().count == appended.withLock { $0.counts.reduce(0, +) } - delivered)
    }

    #if os(Linux)
    @Test("fail at their deadline in a process that was forked while the lock was taken")
    func fork() async throws {
        // Swift's Glibc hides it, for good reason.
        let symbol = try #require(dlsym(nil, "fork"))
        let fork = unsafeBitCast(symbol, to: (@convention(c) () -> pid_t).self)
        let test = try TestSpool(commitTimeout: .milliseconds(200))
        let child = try await onOwnThread {
            try test.spool.write { _ throws(SpoolError) in
                let child = fork()
                if child == 0 {
                    let isBusy = spoolError { try test.spool.append("child", stream: test.stream) }?.kind == .busy
                    _exit(isBusy ? 0 : 1)
                }
                return child
            }
        }
        // With -1 the signal below would go to everybody.
        try #require(child > 0)
        var status: Int32 = -1
        var isOver = false
        let deadline = ContinuousClock.now + .seconds(60)
        while !isOver, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(10))
            isOver = waitpid(child, &status, WNOHANG) == child
        }
        if !isOver {
            // It holds a copy of every descriptor of the tests: what others wait to see closed stays open.
            kill(child, SIGKILL)
            waitpid(child, nil, 0)
        }
        #expect(status == 0)
        #expect(try test.ids() == [])
        try test.append()
    }
    #endif
}

extension TestSpool {
    /// Appends each message on a thread of its own; all of them wait before the first can be committed.
    fileprivate func appendTogether(_ messages: [String]) async throws -> [Result<Int64, any Error>] {
        precondition(messages.count <= 64)
        let isHeld = Gate()
        async let results = onThreads(messages.count) { index in
            isHeld.pass()
            return (index, Result { try spool.append(messages[index], stream: stream) })
        }
        try await onOwnThread {
            try spool.write { _ throws(SpoolError) in
                isHeld.open()
                #expect(eventually { spool.queue.waitingRecords == messages.count })
            }
        }
        return try await results.sorted { $0.0 < $1.0 }.map(\.1)
    }

    fileprivate func append(_ message: String, within timeout: Duration) throws -> Int64 {
        var message = message
        return try message.withUTF8 {
            try spool.queue.append(
                NewRecord(stream: stream, timestamp: 1_000, message: $0),
                until: MonotonicClock.nanoseconds() + timeout.nanoseconds
            )
        }
    }

    /// All messages by their ids, as another connection sees them.
    fileprivate func messages() throws -> [Int64: String] {
        let statement = try Connection(path: path, mode: .readOnly).prepare("SELECT id, message FROM records")
        var messages: [Int64: String] = [:]
        while try statement.step() { messages[statement.integer(0)] = statement.text(1) }
        return messages
    }
}

/// Counts the commits of a spool's connection, and makes the first ones fail.
private final class Commits: Sendable {
    private let count = Atomic<Int>(0)
    private let failures: Int

    init(failures: Int = 0) {
        self.failures = failures
    }

    var number: Int { count.load(ordering: .relaxed) }

    /// Must outlive the spool.
    func count(in spool: Spool) throws {
        let context = Unmanaged.passRetained(self).toOpaque()
        try spool.write { writer throws(SpoolError) in
            _ = sqlite3_commit_hook(
                writer.connection.handle,
                { context in
                    guard let context else { return 0 }
                    let commits = Unmanaged<Commits>.fromOpaque(context).takeUnretainedValue()
                    return commits.count.add(1, ordering: .relaxed).newValue <= commits.failures ? 1 : 0
                },
                context
            )
        }
    }
}

/// Holds up the insertion of the message "pause".
private final class Pause: Sendable {
    let gate = Gate()

    func install(in spool: Spool) throws {
        let context = Unmanaged.passRetained(gate).toOpaque()
        try spool.write { writer throws(SpoolError) in
            _ = sqlite3_create_function(
                writer.connection.handle,
                "pause",
                0,
                SQLITE_UTF8,
                context,
                { call, _, _ in
                    if let context = sqlite3_user_data(call) {
                        Unmanaged<Gate>.fromOpaque(context).takeUnretainedValue().pass()
                    }
                },
                nil,
                nil
            )
            try writer.connection.execute(
                """
                CREATE TEMP TRIGGER pausing BEFORE INSERT ON records WHEN NEW.message = 'pause'
                BEGIN SELECT pause(); END
                """
            )
        }
    }
}
