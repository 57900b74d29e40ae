import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("A live spool whose file was replaced", .onOwnThreads)
struct SettlingTests {
    @Test("lets threads that wait for room in the old file go on in the new one")
    func waitersForRoom() async throws {
        let limit = SpoolLimit(bytes: 2 << 20, whenFull: .block(timeout: .seconds(600)))
        let live = try LiveFixture(limit: limit)
        let old = live.spool.current
        let text = String(repeating: "x", count: 10_000)
        var kept: [String] = []
        let refusal = spoolError {
            for number in 0..<1_000 {
                try live.log("\(number) \(text)", mayBlock: false)
                kept.append("\(number) \(text)")
            }
        }
        #expect(refusal?.kind == .atLimit)

        async let waiting = onThreads(4) { try live.log("waiting \($0) \(text)") }
        #expect(eventually { old.users.load(ordering: .relaxed) == 4 })
        try live.shell("rm $0")
        live.spool.look()
        #expect(eventually { old.users.load(ordering: .relaxed) == 0 })
        _ = try await waiting
        let waited = (0..<4).map { "waiting \($0) \(text)" }
        #expect(try live.pending().sorted() == waited)
        #expect(live.spool.settle(holdsLease: true))
        #expect(try live.pending().filter { !$0.hasPrefix("waiting") } == kept)
    }

    @Test(
        "takes what the old file did not take, for whatever reason",
        arguments: [SpoolError.Kind.busy, .full, .quotaExceeded, .atLimit, .logHeld]
    )
    func failed(kind: SpoolError.Kind) throws {
        let live = try LiveFixture()
        let old = live.spool.current
        let error = SpoolError(kind, path: live.path, message: "")
        try live.log("before")
        #expect(!live.spool.mend(old, after: error))
        try live.shell("rm $0")
        try live.log("after")
        #expect(live.spool.mend(old, after: error))
        #expect(!live.spool.mend(live.spool.current, after: error))
    }

    @Test("asks whether to go on while it waits for a thread that is at work in the old file")
    func asksWhileItWaits() throws {
        let live = try LiveFixture()
        let old = live.spool.current
        try live.log("before")
        old.users.add(1, ordering: .relaxed)
        try live.shell("rm $0")
        try live.log("after")
        var asked = 0
        let isSettled = live.spool.settle(holdsLease: true) {
            asked += 1
            return asked < 10
        }
        #expect(!isSettled)
        #expect(asked == 10)
        #expect(try live.pending() == ["after"])

        asked = 0
        let isSettledNow = live.spool.settle(holdsLease: true) {
            asked += 1
            if asked == 10 { old.users.subtract(1, ordering: .relaxed) }
            return true
        }
        #expect(isSettledNow)
        #expect(asked >= 10)
        #expect(try live.pending() == ["after", "before"])
    }

    @Test("asks whether to go on after each slice that it moves, and goes on later where it stopped")
    func asksAfterSlices() throws {
        let live = try LiveFixture()
        for number in 0..<1_200 { try live.log("\(number)") }
        try live.shell("rm $0")
        try live.log("after")
        var asked = 0
        let isSettled = live.spool.settle(holdsLease: true) {
            asked += 1
            // Before the first, and after it.
            return asked < 2
        }
        #expect(!isSettled)
        #expect(try live.pending().count == 501)
        #expect(live.spool.settle(holdsLease: true))
        #expect(try live.pending() == ["after"] + (0..<1_200).map(String.init))
    }

    @Test("counts what can not be read as lost once, though the new file fails in the midst of it")
    func lostOnce() throws {
        let live = try LiveFixture()
        for number in 0..<3 { try live.log("\(number)") }
        for number in 0..<5 { try live.log("\(number)", to: live.other) }
        try live.spool.current.spool.write { writer throws(SpoolError) in
            // Stands for a table that can not be read any more.
            try writer.connection.execute("ALTER TABLE deliveries RENAME TO damaged")
        }
        try live.shell("rm $0")
        try live.log("after")
        // Takes one gap, and no second one.
        try sqlite3(
            live.path,
            """
            CREATE TRIGGER failing BEFORE INSERT ON gaps
            WHEN EXISTS (SELECT 1 FROM gaps WHERE stream_id != new.stream_id) BEGIN SELECT RAISE(ABORT, 'failing'); END
            """
        )
        for _ in 0..<3 { #expect(!live.spool.settle(holdsLease: true)) }
        try sqlite3(live.path, "DROP TRIGGER failing")
        #expect(live.spool.settle(holdsLease: true))
        #expect(try live.spool.current.spool.untoldGaps().map(\.records).sorted() == [3, 5])
    }
}
