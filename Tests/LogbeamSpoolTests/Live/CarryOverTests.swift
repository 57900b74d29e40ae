import CSQLite
import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("What is carried over into a new file")
struct CarryOverTests {
    private let directory: TemporaryDirectory
    private let disk: TestDisk
    private let old: Spool
    private let new: Spool

    init() throws {
        directory = try TemporaryDirectory()
        let place = directory.file("new")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        // Only the new file's.
        disk = TestDisk(directory: place, records: false)
        old = try Spool(path: directory.file("old.db"), options: .init(commitTimeout: .seconds(30)))
        new = try Spool(path: place + "/new.db", options: .init(commitTimeout: .seconds(30)))
    }

    private func stream(_ name: String, in spool: Spool) throws -> Int64 {
        try spool.streamID(for: Destination(logGroup: "group", logStream: name))
    }

    @Test("stays where it is until the disk has it in the new file, however often that is tried")
    func fails() throws {
        try old.append("one", stream: stream("stream", in: old))
        disk.setFault(.init([.sync], first: 1, lasts: true, code: 10 | 4 << 8))
        let (old, new) = (old, new)
        let isOver = Monitor(false)
        let thread = Thread {
            for _ in 0..<5_000 {
                var carryOver = CarryOver(old: old, new: new, holdsLease: true)
                #expect(spoolError { _ = try carryOver.run { true } }?.kind == .failedIO)
            }
            isOver.withLock { $0 = true }
        }
        thread.stackSize = 256 << 10
        thread.start()
        #expect(isOver.wait(within: patience) { $0 ? true : nil } == true)
        #expect(try messages(in: old.path) == ["one"])
        disk.setFault(nil)
        var carryOver = CarryOver(old: old, new: new, holdsLease: true)
        #expect(try carryOver.run { true })
        #expect(try messages(in: old.path) == [] && messages(in: new.path) == ["one"])
    }

    @Test(
        "is what was noted of records, once, however often the disk is full in the midst of it",
        arguments: [
            """
            INSERT INTO rejected SELECT value, 1, 1, hex(zeroblob(50000)), 'invalid', 1 FROM numbers
            """,
            """
            INSERT INTO gaps SELECT 1, hex(zeroblob(50000)) || value, 1, 1, 1 FROM numbers
            """,
        ]
    )
    func notes(insert: String) throws {
        _ = try stream("stream", in: old)
        try old.write { writer throws(SpoolError) in
            try writer.connection.execute(
                """
                WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < 60)
                \(insert)
                """
            )
        }
        var failures = 0
        while failures < 20 {
            // For one slice, and not for all.
            disk.setCapacity(disk.used + 2 << 20)
            var carryOver = CarryOver(old: old, new: new, holdsLease: true)
            do throws(SpoolError) {
                let isDone = try carryOver.run { true }
                #expect(isDone)
                break
            } catch {
                #expect(error.kind == .full)
                failures += 1
            }
        }
        #expect((1..<20).contains(failures))
        let table = insert.contains("gaps") ? "gaps" : "rejected"
        func sum(_ spool: Spool) throws -> String {
            try sqlite3(spool.path, "SELECT count(*) FROM \(table); SELECT coalesce(sum(records), 0) FROM gaps")
        }
        #expect(try sum(new) == (table == "gaps" ? "60\n60\n" : "60\n0\n"))
        #expect(try sum(old) == "0\n0\n")
    }

    @Test("asks for the streams once, not once for each slice")
    func streams() throws {
        for name in 0..<20 { _ = try stream("\(name)", in: old) }
        let stream = try stream("0", in: old)
        for number in 0..<1_700 { try old.append("\(number)", stream: stream) }
        let before = try streamInserts()
        var slices = 0
        var carryOver = CarryOver(old: old, new: new, holdsLease: true)
        let isDone = try carryOver.run {
            slices += 1
            return true
        }
        #expect(isDone)
        #expect(slices >= 4)
        #expect(try streamInserts() - before == 20)
        #expect(try messages(in: new.path).count == 1_700)
    }

    /// How often the new file was asked to make a stream known.
    private func streamInserts() throws -> Int {
        try new.write { writer throws(SpoolError) in
            var count: Int32 = 0
            var statement = sqlite3_next_stmt(writer.connection.handle, nil)
            while let found = statement {
                if String(cString: sqlite3_sql(found)).contains("INTO streams") {
                    count += sqlite3_stmt_status(found, SQLITE_STMTSTATUS_RUN, 0)
                }
                statement = sqlite3_next_stmt(writer.connection.handle, found)
            }
            return Int(count)
        }
    }

    @Test("has its stream, though another process has made that known to the old file meanwhile")
    func laterStream() throws {
        let first = try stream("first", in: old)
        for number in 0..<600 { try old.append("\(number)", stream: first) }
        var isFirst = true
        var carryOver = CarryOver(old: old, new: new, holdsLease: true)
        let isDone = try carryOver.run {
            if isFirst {
                isFirst = false
                #expect(throws: Never.self) { try old.append("late", stream: stream("later", in: old)) }
            }
            return true
        }
        #expect(isDone)
        #expect(try sqlite3(new.path, "SELECT log_stream FROM pending WHERE message = 'late'") == "later\n")
    }

    @Test(
        "is each record and each note once, though the old file does not take the deletion",
        arguments: [true, false]
    )
    func oldDiskFull(hasRecords: Bool) throws {
        let place = directory.file("scarce")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        let disk = TestDisk(directory: place, records: false)
        let old = try Spool(path: place + "/old.db", options: .init(commitTimeout: .seconds(30)))
        let stream = try stream("stream", in: old)
        for number in 0..<(hasRecords ? 10 : 0) { try old.append("\(number)", stream: stream) }
        try old.noteGap(Gap(stream: stream, reason: "disk full", records: 3, first: 1, last: 2))
        disk.setCapacity(disk.used)
        for _ in 0..<5 {
            let error = spoolError {
                var carryOver = CarryOver(old: old, new: new, holdsLease: true)
                _ = try carryOver.run { true }
            }
            #expect(error?.kind == .full)
        }
        disk.setCapacity(nil)
        var carryOver = CarryOver(old: old, new: new, holdsLease: true)
        #expect(try carryOver.run { true })
        #expect(try messages(in: new.path) == (hasRecords ? (0..<10).map(String.init) : []))
        #expect(try new.untoldGaps().map(\.records) == [3])
    }

    @Test("leaves nothing of what it has moved in a file that lies elsewhere now, for whoever opens that")
    func movedAway() throws {
        let live = try LiveFixture()
        let old = try live.spool.current.spool
        try old.reject([RefusedRecord(id: live.log("refused"), reason: .invalid)])
        try live.log("before")
        try live.spool.noteGap(Gap(stream: 0, reason: "disk full", records: 3, first: 1, last: 2), of: live.other)
        try live.shell("mv $0 $0-old; mv $0-wal $0-old-wal; mv $0-shm $0-old-shm")
        try live.log("after")
        #expect(live.spool.moveRetired(holdsLease: true))
        let here = try SpoolStatus.read(path: live.path)
        #expect((here.pending, here.rejected, here.dropped) == (2, 1, 3))
        let there = try SpoolStatus.read(path: live.path + "-old")
        #expect((there.pending, there.rejected, there.dropped) == (0, 0, 0))
        #expect(try Spool(path: live.path + "-old").untoldGaps() == [])
    }
    @Test("leaves nothing there either where the log stays behind, and what was written before is in doubt")
    func movedAwayInDoubt() throws {
        let live = try LiveFixture()
        for number in 0..<10 { try live.log("\(number)") }
        try live.spool.current.spool.walMonitor.noteFailure()
        try live.shell("mv $0 $0-old")
        try live.log("after")
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(try SpoolStatus.read(path: live.path).pending == 11)
        #expect(try SpoolStatus.read(path: live.path + "-old").pending == 0)
    }
    @Test("keeps the log that has the deletion for as long as somebody reads the file, who is in the way of its copy")
    func movedAwayWhileRead() throws {
        let live = try LiveFixture()
        for number in 0..<10 { try live.log("\(number)") }
        let reader = try SpoolFile.openForReading(path: live.path)
        try reader.pinningWAL { _ in
            _ = try? live.shell("mv $0 $0-old")
            _ = try? live.log("after")
            #expect(!live.spool.moveRetired(holdsLease: true))
        }
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(try SpoolStatus.read(path: live.path).pending == 11)
        #expect(try SpoolStatus.read(path: live.path + "-old").pending == 0)
    }
}
