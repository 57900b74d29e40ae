import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("A live spool whose file was replaced", .onOwnThreads)
struct SettlingTests {
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
