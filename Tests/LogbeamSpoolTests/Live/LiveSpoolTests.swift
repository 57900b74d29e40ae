import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("A live spool", .onOwnThreads)
struct LiveSpoolTests {
    /// What may become of the file; `$0` is its path. Whether the records in it can still be read.
    struct Fate: Sendable, CustomTestStringConvertible {
        var script: String
        var keepsRecords = true
        var isSetAside = false
        var testDescription: String { script }
    }

    static let fates = [
        Fate(script: "rm $0"),
        Fate(script: "rm $0 $0-wal $0-shm"),
        Fate(script: "rm $0 $0-wal"),
        Fate(script: "rm $0 $0-shm"),
        Fate(script: "mv $0 $0-old; mv $0-wal $0-old-wal"),
        // As one restores a copy.
        Fate(script: "cp $0 $0-new; rm $0-wal; mv $0-new $0"),
        Fate(script: "rm -r $(dirname $0)"),
        Fate(script: "mv $(dirname $0) $(dirname $0)-old"),
        Fate(script: "mv $0 $0-old"),
        Fate(script: "mv $0 $0-old; mv $0-wal $0-old-wal; mv $0-shm $0-old-shm"),
        Fate(script: "rm $0-wal", isSetAside: true),
        Fate(script: "rm $0-shm", isSetAside: true),
        Fate(script: "cp $0 $0-new; mv $0-new $0"),
        Fate(script: "head -c 9000 /dev/urandom > $0-new; mv $0-new $0", isSetAside: true),
        Fate(script: "echo text > $0-new; mv $0-new $0", isSetAside: true),
        Fate(script: ": > $0-new; mv $0-new $0"),
        Fate(script: "sqlite3 $0-new 'CREATE TABLE records (id)'; mv $0-new $0", isSetAside: true),
        Fate(script: ": > $0", keepsRecords: false, isSetAside: true),
        Fate(script: "truncate -s 100 $0", keepsRecords: false, isSetAside: true),
    ]

    @Test("goes on in a new file when there is no id left in the old one, which is set aside")
    func noID() throws {
        let live = try LiveFixture()
        try live.log("first")
        try live.shell("sqlite3 $0 \"INSERT INTO records VALUES (\(Int64.max - 1), 1, 1, 'foreign')\"")
        try live.log("last")
        try live.log("next")
        #expect(try live.pending() == ["next"])
        #expect(try messages(in: #require(live.quarantined.first)) == ["first", "foreign", "last"])
    }

    @Test("goes on in a new file whatever becomes of the old one, with all that was pending in it", arguments: fates)
    func goesOn(_ fate: Fate) throws {
        let live = try LiveFixture()
        for number in 0..<1_200 { try live.log("before \(number)", to: number % 2 == 0 ? live.stream : live.other) }
        try live.shell(fate.script)
        try live.log("after", to: live.other)
        #expect(try live.pending().last == "after")
        #expect(live.spool.moveRetired(holdsLease: true))

        let before = (0..<1_200).map { "before \($0)" }
        let pending = try live.pending()
        if fate.keepsRecords {
            // What was logged since comes first: it had its id by the time the others were moved.
            #expect(pending.filter { $0 != "after" } == before)
            #expect(pending.count == 1_201)
        } else {
            #expect(pending == ["after"])
        }
        #expect(live.quarantined.count == (fate.isSetAside ? 1 : 0), "\(live.quarantined)")
        #expect(!live.reported.isEmpty && live.reported.count <= 2, "\(live.reported)")
        for file in live.quarantined {
            #expect(live.reported.contains { $0.contains(file) })
            if !fate.script.contains("-new") { #expect(try mode(file) == 0o600) }
        }
        #expect(try integrity(of: live.path) == "ok")
        if !fate.script.contains("-new") {
            for suffix in ["", "-wal", "-shm"] { #expect(try mode(live.path + suffix) == 0o600) }
        }
        // Told once, and no more of it.
        let told = live.reported
        for number in 0..<3 { try live.log("more \(number)") }
        #expect(live.reported == told)
        #expect(try live.pending().suffix(3) == ["more 0", "more 1", "more 2"])
    }

    @Test("shares no log with the file that another process makes in its place, though its own is still empty")
    func emptyWAL() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("spool/logs.db")
        do {
            let spool = try Spool(path: path)
            let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
            for number in 0..<100 { try spool.append("old \(number)", stream: stream) }
        }
        let live = try LiveFixture(in: directory)
        #expect(try size(path + "-wal") == 0)
        try live.shell("rm $0")
        let other = try exerciser("append", path, 1)
        try other.waitForOutput { $0.utf8.count { $0 == UInt8(ascii: "\n") } > 50 }
        other.kill(SIGKILL)
        _ = try other.wait()
        try live.log("new")
        #expect(live.spool.moveRetired(holdsLease: true))
        let pending = try live.pending()
        #expect(Set(pending).isSuperset(of: (0..<100).map { "old \($0)" } + ["new"]))
        #expect(pending.count > 150, "what the other process has logged is there too")
    }

    @Test("opens the file in the place of its own within the commit timeout, for log() waits for that")
    func opensInTime() throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(200))
        #expect(live.spool.options.openTimeout == .milliseconds(200))
    }

    @Test("tells each stream's records apart in the new file too, where the ids are others")
    func streams() throws {
        let live = try LiveFixture()
        try live.log("one", to: live.other)
        try live.log("two", to: live.stream)
        // Made by another process, with the streams the other way round.
        let made = live.directory.file("other.db")
        do {
            let spool = try Spool(path: made)
            for name in ["third", "stream", "other"] {
                _ = try spool.streamID(for: Destination(logGroup: "group", logStream: name))
            }
        }
        try live.shell("mv \(made) $0")
        try live.log("three", to: live.other)
        try live.log("four", to: live.stream)
        #expect(live.spool.moveRetired(holdsLease: true))
        let found = try sqlite3(live.path, "SELECT log_stream, message FROM pending ORDER BY message")
        #expect(found == "stream|four\nother|one\nother|three\nstream|two\n")
    }

    @Test("moves what is in doubt as the same batches, and what was acknowledged not at all")
    func deliveries() throws {
        let live = try LiveFixture()
        let old = try live.spool.current.spool
        var ids: [Int64] = []
        for number in 0..<1_500 {
            ids.append(try live.log("\(number)", to: number % 3 == 0 ? live.other : live.stream))
        }
        let stream = try live.stream.id(in: live.spool.current)
        func range(_ first: Int, _ last: Int, latest: Int64 = 5_000) -> BatchRange {
            BatchRange(stream: stream, first: ids[first], last: ids[last], latest: latest)
        }
        try old.begin(range(1, 100))
        try old.begin(range(101, 1_400))
        try old.begin(range(1_401, 1_450))
        // Acknowledged, and the process was about to delete it.
        try old.write { writer throws(SpoolError) in
            try writer.acknowledge(range(1, 100), refused: [], delivered: 67, in: nil)
        }
        try live.shell("rm $0")
        try live.log("after")
        #expect(live.spool.moveRetired(holdsLease: true))

        let reader = try SpoolReader(path: live.path)
        let deliveries = try reader.deliveries()
        #expect(deliveries.map(\.acknowledged) == [false, false])
        let batches = try deliveries.map { try reader.batch($0.range, for: live.stream.destination).texts }
        func expected(_ numbers: ClosedRange<Int>) -> [String] { numbers.filter { $0 % 3 != 0 }.map(String.init) }
        #expect(batches == [expected(101...1_400), expected(1_401...1_450)])
        let acknowledged = Set(expected(1...100))
        let all = (0..<1_500).map(String.init).filter { !acknowledged.contains($0) }
        #expect(Set(try live.pending()) == Set(all + ["after"]))
        #expect(try live.pending().count == all.count + 1)
    }

    @Test("moves what was rejected, and what is known of gaps")
    func notes() throws {
        let live = try LiveFixture()
        let id = try live.log("refused")
        let old = try live.spool.current.spool
        try old.reject([RefusedRecord(id: id, reason: .invalid)])
        try live.spool.noteGap(Gap(stream: 0, reason: "disk full", records: 3, first: 1, last: 2), of: live.other)
        try live.shell("rm $0")
        try live.log("after")
        #expect(try live.spool.current.spool.untoldGaps() == [])
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(try live.spool.current.spool.untoldGaps().map(\.records).sorted() == [1, 3])
        let status = try SpoolStatus.read(path: live.path)
        #expect(status.rejected == 1)
        #expect(status.dropped == 3)
        #expect(status.streams.map(\.destination.logStream) == ["other", "stream"])
    }

    @Test("tells how many records can not be read any more in a file that is replaced, and counts them as a gap")
    func unreadable() throws {
        let live = try LiveFixture()
        try live.log("short", to: live.other)
        for _ in 0..<3 { try live.log(String(repeating: "x", count: 20_000)) }
        // Every page is in the file, and the connection has to read it anew.
        try live.shell(
            "sqlite3 $0 \"UPDATE counters SET value = value; PRAGMA wal_checkpoint(TRUNCATE)\" > $0-out; cp $0 $0-copy"
        )
        // What is left of the long ones when the pages that they are continued on lead nowhere.
        let bytes = try Data(contentsOf: URL(fileURLWithPath: live.path + "-copy"))
        let pages = (0..<bytes.count / 4_096).filter { page in
            bytes[(page * 4_096 + 8)..<(page * 4_096 + 3_000)].allSatisfy { $0 == UInt8(ascii: "x") }
        }
        #expect(pages.count >= 9)
        try live.shell("mv $0 $0-old")
        for page in pages {
            try live.shell(
                "printf '\\377\\377\\377\\377' | dd of=$0-old bs=1 seek=\(page * 4_096) conv=notrunc status=none"
            )
        }
        try live.log("after")
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(live.reported.contains { $0.contains("4 records of the old spool") }, "\(live.reported)")
        let gaps = try live.spool.current.spool.untoldGaps()
        #expect(gaps.map(\.reason) == ["spool file lost", "spool file lost"])
        #expect(gaps.map(\.records).sorted() == [1, 3])
        #expect(try live.pending() == ["after"])
    }

    @Test("leaves a file that lies elsewhere now to whoever uploads from it, if that is another")
    func withoutLease() throws {
        let live = try LiveFixture()
        try live.log("before")
        try live.shell("mv $0 $0-old")
        try live.log("after")
        #expect(live.spool.moveRetired(holdsLease: false, waitsForUploader: false))
        #expect(try live.pending() == ["after"])
        // The record was in the log alone, which does not lie beside it any more.
        #expect(try messages(in: live.path + "-old") == ["before"])
    }

    @Test("moves what nobody can reach any more, though it does not upload, but not before the one that does")
    func unlinkedWithoutLease() throws {
        let live = try LiveFixture()
        try live.log("before")
        try live.shell("rm $0")
        try live.log("after")
        #expect(!live.spool.moveRetired(holdsLease: false))
        #expect(try live.pending() == ["after"])
        #expect(live.spool.moveRetired(holdsLease: false, waitsForUploader: false))
        #expect(try live.pending() == ["after", "before"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: live.directory.file("spool")).count == 3)
    }

    @Test("is replaced once, however many threads notice; not a record of theirs is lost")
    func threads() async throws {
        let live = try LiveFixture()
        let rounds = 12
        let running = Atomic<Int>(8)
        let logged = try await onThreads(9) { thread -> [String] in
            if thread == 8 {
                while running.load(ordering: .relaxed) > 0 { live.spool.moveRetired(holdsLease: true) }
                return []
            }
            defer { running.subtract(1, ordering: .relaxed) }
            return try (0..<2_000).map { number in
                if thread == 0, number % 150 == 149, number / 150 < rounds {
                    try live.shell(
                        ["rm $0", "rm $0-wal", "mv $0 $0-old", "mv $(dirname $0) $(dirname $0)-$$"][number / 150 % 4]
                    )
                }
                try live.log("\(thread) \(number)")
                return "\(thread) \(number)"
            }
        }
        while !live.spool.moveRetired(holdsLease: true) { usleep(1_000) }
        let pending = try live.pending()
        #expect(pending.count == 16_000)
        #expect(Set(pending) == Set(logged.flatMap { $0 }))
        #expect(live.reported.count == rounds, "\(live.reported)")
    }

    @Test("moves nothing as long as a thread is at work in the old file")
    func users() throws {
        let live = try LiveFixture(commitTimeout: .seconds(1))
        let old = live.spool.current
        try live.log("before")
        old.users.add(1, ordering: .relaxed)
        try live.shell("rm $0")
        try live.log("after")
        #expect(!live.spool.moveRetired(holdsLease: true))
        #expect(try live.pending() == ["after"])
        old.users.subtract(1, ordering: .relaxed)
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(try live.pending() == ["after", "before"])
    }

    @Test("takes the record that comes upon the damage into the new file")
    func hit() throws {
        let live = try LiveFixture()
        for number in 0..<100 { try live.log("before \(number)") }
        // Another program's commit makes the connection forget what it has read.
        try live.shell(
            """
            sqlite3 $0 "INSERT INTO records VALUES (9000000000000000, 1, 1, ''); PRAGMA wal_checkpoint(TRUNCATE)" > $0-out
            dd if=/dev/zero of=$0 bs=4096 count=10 conv=notrunc status=none
            """
        )
        try live.log("after")
        #expect(try live.pending() == ["after"])
        #expect(live.quarantined.count == 1)
        #expect(live.reported.count == 1)
        #expect(live.reported.first?.contains("is damaged (") == true)
    }

    @Test("notices by a thorough look that its end was cut off, though nothing that is logged comes upon that")
    func shortened() throws {
        let live = try LiveFixture()
        try live.log("before")
        try live.shell(
            """
            sqlite3 $0 "INSERT INTO rejected WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300)
                SELECT x, 1, 1, printf('%1000d', x), 'test', 1 FROM n; PRAGMA wal_checkpoint(TRUNCATE)" > $0-out
            """
        )
        live.spool.look(isThorough: true)
        try live.log("as ever")
        #expect(live.quarantined == [])
        try live.shell("truncate -s -81920 $0")
        try live.log("as ever")
        #expect(live.quarantined == [])
        live.spool.look(isThorough: true)
        #expect(live.quarantined.count == 1)
        #expect(live.reported.count == 1)
        try live.log("after")
        #expect(try live.pending() == ["after"])
    }

    @Test("of several is set aside by one of them, and the others go on in its successor")
    func several() throws {
        let first = try LiveFixture()
        let others = try (0..<3).map { _ in try LiveFixture(in: first.directory) }
        try first.log("before")
        try first.shell("printf 'no page at all%4000s' | dd of=$0 conv=notrunc status=none")
        var lives = [first] + others
        lives.reverse()
        for (number, live) in lives.enumerated() {
            #expect(live.spool.mend(live.spool.current, after: SpoolError(.damaged, path: "", message: "")))
            try live.log("\(number)")
        }
        #expect(first.quarantined.count == 1)
        #expect(try first.pending() == ["0", "1", "2", "3"])
        #expect(lives.map(\.reported.count) == [1, 0, 0, 0], "\(lives.map(\.reported))")
    }

    // MARK: What does not lead to a new file

    @Test("does not set aside a file because something failed: only if it is damaged")
    func sound() throws {
        let live = try LiveFixture()
        try live.log("before")
        // SQLite says that it is damaged, and it is not: opened anew, the same file is used.
        #expect(
            live.spool.mend(live.spool.current, after: SpoolError(.damaged, path: live.path, message: "", code: 11))
        )
        try live.log("after")
        for (kind, code) in [(SpoolError.Kind.full, 13), (.busy, 5), (.other, 10), (.unwritable, 14)] {
            let error = SpoolError(kind, path: live.path, message: "", code: Int32(code))
            #expect(!live.spool.mend(live.spool.current, after: error), "\(kind)")
        }
        #expect(try live.pending() == ["before", "after"])
        #expect(live.quarantined == [])
        #expect(live.reported == [])
    }

    @Test(
        "leaves a spool of a later version, and what is no file, and goes on in what is open; told once",
        arguments: [
            "sqlite3 $0 'PRAGMA wal_checkpoint' > $0-x; cp $0 $0-new; sqlite3 $0-new 'PRAGMA user_version = 99'; mv $0-new $0",
            "rm $0; mkdir $0", "rm -r $(dirname $0); echo text > $(dirname $0)",
        ]
    )
    func unusable(script: String) throws {
        let live = try LiveFixture()
        try live.log("before")
        try live.shell(script)
        for number in 0..<3 { try live.log("after \(number)") }
        #expect(live.reported.count == 1)
        #expect(live.reported.first?.contains("can be no new one") == true, "\(live.reported)")
        #expect(live.reported.first?.contains("has no name any more, and ends with this") == true, "\(live.reported)")
        #expect(live.quarantined == [])
        // Once the place is free, all that was logged meanwhile is there.
        try live.shell("rm -rf $0; test -d $(dirname $0) || rm $(dirname $0)")
        try live.log("last")
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(Set(try live.pending()) == ["before", "after 0", "after 1", "after 2", "last"])
    }
}

extension EventBatch {
    fileprivate var texts: [String] { events.map { String(decoding: messages[$0.range], as: UTF8.self) } }
}
