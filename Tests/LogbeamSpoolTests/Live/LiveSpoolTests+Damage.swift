import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// What nobody finds who looks at the records alone.
extension LiveSpoolTests {
    @Test("does not say that what is open ends with the process where it lies under another name")
    func movedAway() throws {
        let live = try LiveFixture()
        try live.log("before")
        try live.shell("place=$(dirname $0)-moved; mkdir $place; mv $0* $place; mkdir $0")
        try live.log("after")
        #expect(live.reported.count == 1)
        #expect(live.reported.first?.hasSuffix("; what is open stays in use") == true, "\(live.reported)")
        #expect(try messages(in: live.directory.file("spool-moved/logs.db")) == ["before", "after"])
    }

    @Test("goes through all files that nobody finds any more, though one of them can not be read")
    func namelessFiles() throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(20))
        try live.log("one")
        let first = try live.spool.current.spool
        var found: [String] = []
        for text in ["two", "three"] {
            try live.shell("rm $0*")
            try live.log(text)
        }
        try live.shell("rm $0*")
        try first.write { (_) throws(SpoolError) in
            let error = spoolError {
                try live.spool.forEachNameless { found.append(String(decoding: $0, as: UTF8.self)) }
            }
            #expect(error?.kind == .busy)
        }
        #expect(found == ["two", "three"])
    }

    @Test("goes on in a new file when the log of the old one is not what was written to it")
    func otherLog() throws {
        let live = try LiveFixture()
        for number in 0..<20 { try live.log("\(number)") }
        // In the second frame.
        try live.shell("printf xxxx | dd of=$0-wal bs=1 seek=6000 conv=notrunc status=none")
        try live.spool.current.spool.walMonitor.noteWALFailure()
        let stream = live.stream
        let bytes = Array("synced".utf8)
        let appended = try bytes.withUnsafeBufferPointer {
            try live.spool.append(to: stream, timestamp: 1_000, message: $0, isSynced: true)
        }
        #expect(appended.syncFailure?.kind == .damaged)
        try live.log("after")
        #expect(live.reported.count == 1)
        #expect(live.reported.first?.contains("its write-ahead log is not what was written to it") == true)
        #expect(live.quarantined.count == 1)
        #expect(try live.pending().last == "after")
    }

    @Test(
        "goes on in a new file when it comes upon damage in another table than that of the records, or in its index",
        arguments: ["streams", "sqlite_autoindex_streams_1", "counters"],
        [true, false]
    )
    func otherTables(name: String, isOpen: Bool) throws {
        let directory = try TemporaryDirectory()
        let before = try LiveFixture(in: directory)
        try before.log("before")
        // Another program's commit makes the connection forget what it has read.
        let damage = """
            sqlite3 $0 "INSERT INTO records VALUES (9000000000000000, 1, 1, ''); PRAGMA wal_checkpoint(TRUNCATE)" > $0-out
            page=$(sqlite3 $0 "SELECT rootpage FROM sqlite_schema WHERE name = '\(name)'")
            dd if=/dev/zero of=$0 bs=4096 seek=$((page - 1)) count=1 conv=notrunc status=none
            """
        try before.shell(damage)
        let live = isOpen ? before : try LiveFixture(in: directory)
        try live.spool.prepare(live.other)
        try live.log("after", to: live.other)
        #expect(try live.pending() == ["after"])
        #expect(live.quarantined.count == 1)
        #expect(live.reported.count == 1, "\(live.reported)")
        #expect(live.reported.first?.contains("is damaged (") == true)
    }
}
