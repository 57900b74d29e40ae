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
        let test = try TestSpool(commitTimeout: .seconds(120))
        // Used by one thread, and when that is done with it by another.
        nonisolated(unsafe) let other = try Connection(path: test.path, mode: .readWrite)
        let isHeld = Gate()
        async let patient = onOwnThread {
            isHeld.pass()
            return try test.append("patient", within: .seconds(120))
        }
        async let hasty: Void = onOwnThread {
            isHeld.pass()
            #expect(spoolError { _ = try test.append("hasty", within: .seconds(10)) }?.kind == .busy)
            try other.execute("COMMIT")
        }
        try await onOwnThread {
            try test.spool.write { _ throws(SpoolError) in
                #expect(isHeld.waitForArrivals(2))
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
        let deadline = Duration.seconds(10)
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
        for (number, message) in ["taken", "pause"].enumerated() {
            results.append(Task { try await onOwnThread { try test.append(message, within: deadline) } })
            try await onOwnThread {
                #expect(eventually { test.spool.queue.waitingRecords == number + 1 })
            }
        }
        mayEnd.open()
        try await onOwnThread { #expect(pause.gate.waitForArrivals()) }
        // Comes when the others are taken, and its deadline is the last.
        await #expect(throws: SpoolError.self) {
            try await onOwnThread { try test.append("waiting", within: deadline) }
        }
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
                    outcomes.wait(within: patience) { $0.timeouts >= before.0 + goal ? true : nil }
                }
                if Bool.random(using: &random) {
                    try other.transaction { () throws(SpoolError) in #expect(untilTimeouts() == true) }
                } else {
                    #expect(test.spool.lock.lock(until: .max))
                    #expect(untilTimeouts() == true)
                    test.spool.lock.unlock()
                }
                #expect(outcomes.wait(within: patience) { $0.ids.count >= before.1 + goal ? true : nil } == true)
            }
        }
        _ = try await appending
        #expect(try test.messages() == outcomes.withLock { $0.ids })
    }

    static let seeds: [UInt64] = {
        let count = ProcessInfo.processInfo.environment["COMMIT_SEEDS"].flatMap { UInt64($0) } ?? 3
        return Array(1...max(1, count))
    }()
}
