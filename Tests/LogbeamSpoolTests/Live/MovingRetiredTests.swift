import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("A live spool whose file was replaced", .onOwnThreads)
struct MovingRetiredTests {
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
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(try live.pending().filter { !$0.hasPrefix("waiting") } == kept)
    }

    @Test(
        "takes what the old file did not take, for whatever reason",
        arguments: [SpoolError.Kind.busy, .full, .quotaExceeded, .atLimit, .walHeld]
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

    @Test("deletes nothing from the disk in the old file before the new one has it there")
    func durable() throws {
        let directory = try TemporaryDirectory.inMemory()
        try FileManager.default.createDirectory(atPath: directory.file("spool"), withIntermediateDirectories: false)
        let disk = TestDisk(directory: directory.file("spool"))
        let live = try LiveFixture(in: directory)
        for number in 0..<10 { try live.log("\(number)") }
        try live.shell("mv $0 $0.old; mv $0-wal $0.old-wal")
        try live.log("new")
        disk.note(1)
        #expect(live.spool.moveRetired(holdsLease: true))
        let events = disk.events
        // In the order in which they were made; the index of a log is no file that is written to here.
        let logs = events.compactMap { event -> Int? in
            if case .create("logs.db-wal", let file) = event { file } else { nil }
        }
        let (old, new) = try (#require(logs.first), #require(logs.last))
        let moving = events[try #require(events.firstIndex(of: .note(1)))...]
        let deletion = try #require(moving.lastIndex(of: .sync(file: old)))
        let copy = try #require(
            moving[..<deletion].lastIndex { if case .write(new, _, _) = $0 { true } else { false } }
        )
        #expect(moving[copy..<deletion].contains(.sync(file: new)))
    }

    @Test("takes the new file for no damaged one because its log was deleted before that was noticed")
    func logOfSuccessorDeleted() throws {
        let live = try LiveFixture()
        for number in 0..<10 { try live.log("\(number)") }
        try live.shell("rm $0")
        try live.log("new")
        try live.shell("rm $0-wal")
        live.spool.moveRetired(holdsLease: true)
        try live.log("newer")
        #expect(eventually { live.spool.moveRetired(holdsLease: true) })
        #expect(try Set(live.pending()) == Set((0..<10).map(String.init) + ["new", "newer"]))
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
        let isMoved = live.spool.moveRetired(holdsLease: true) {
            asked += 1
            return asked < 10
        }
        #expect(!isMoved)
        #expect(asked == 10)
        #expect(try live.pending() == ["after"])

        asked = 0
        let isMovedNow = live.spool.moveRetired(holdsLease: true) {
            asked += 1
            if asked == 10 { old.users.subtract(1, ordering: .relaxed) }
            return true
        }
        #expect(isMovedNow)
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
        let isMoved = live.spool.moveRetired(holdsLease: true) {
            asked += 1
            // Before the first, and after it.
            return asked < 2
        }
        #expect(!isMoved)
        #expect(try live.pending().count == 501)
        #expect(live.spool.moveRetired(holdsLease: true))
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
        for _ in 0..<3 { #expect(!live.spool.moveRetired(holdsLease: true)) }
        try sqlite3(live.path, "DROP TRIGGER failing")
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(try live.spool.current.spool.untoldGaps().map(\.records).sorted() == [3, 5])
    }

    @Test(
        "moves what is pending where a process that does not upload set it aside for want of its log",
        arguments: ["rm $0-wal", "rm $0-shm"]
    )
    func setAsideByOther(script: String) throws {
        let logging = try LiveFixture()
        let uploading = try LiveFixture(in: logging.directory)
        for number in 0..<3 { try logging.log("\(number)") }
        try logging.shell(script)
        logging.spool.look()
        uploading.spool.look()
        #expect(uploading.spool.moveRetired(holdsLease: true))
        #expect(logging.spool.moveRetired(holdsLease: false, waitsForUploader: false))
        #expect(try logging.pending() == ["0", "1", "2"])
    }

    @Test("moves what is pending also where it was set aside before there could be a new one")
    func setAsideOnFullDisk() throws {
        let directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.file("spool"), withIntermediateDirectories: false)
        let disk = TestDisk(directory: directory.file("spool"), records: false)
        let live = try LiveFixture(in: directory)
        for number in 0..<3 { try live.log("\(number)") }
        disk.setCapacity(disk.used)
        try live.shell("rm $0-wal")
        live.spool.look()
        #expect(live.quarantined.count == 1)
        disk.setCapacity(nil)
        #expect(eventually { (try? live.log("after")) != nil && live.spool.hasRetired })
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(Set(try live.pending()) == ["0", "1", "2", "after"])
    }

    @Test(
        "moves what another process logs into a renamed file before it notices, after the uploader has moved the rest",
        arguments: ["mv $0 $0-old", "mv $0 $0-old; mv $0-wal $0-old-wal; mv $0-shm $0-old-shm", "rm $0-wal"]
    )
    func lateRecord(script: String) throws {
        let logging = try LiveFixture()
        let uploading = try LiveFixture(in: logging.directory)
        try logging.log("before")
        let old = try logging.spool.current.spool
        try logging.shell(script)
        uploading.spool.look()
        #expect(uploading.spool.moveRetired(holdsLease: true))
        try old.append("late", stream: try logging.stream.id(in: logging.spool.current))
        logging.spool.look()
        #expect(logging.spool.moveRetired(holdsLease: false, waitsForUploader: false))
        #expect(uploading.spool.moveRetired(holdsLease: true))
        #expect(try logging.pending() == ["before", "late"])
    }

    @Test(
        "is done with one that comes back before it was moved",
        arguments: [
            ["mv $(dirname $0) $(dirname $0)-x", "rm -r $(dirname $0); mv $(dirname $0)-x $(dirname $0)"],
            [
                "mv $0 $0-x; mv $0-wal $0-x-wal; mv $0-shm $0-x-shm",
                "mv $0-x $0; mv $0-x-wal $0-wal; mv $0-x-shm $0-shm",
            ],
            ["mv $0 $0-x", "mv $0-x $0"],
        ]
    )
    func comesBack(scripts: [String]) throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(300))
        for number in 0..<3 { try live.log("\(number)") }
        try live.shell(scripts[0])
        try live.log("after")
        try live.shell(scripts[1])
        try live.log("again")
        // First the one that came back, and then the one between.
        #expect(eventually { live.spool.moveRetired(holdsLease: true) })
        try live.log("last")
        #expect(try live.pending().sorted() == ["0", "1", "2", "after", "again", "last"])
    }

    @Test("keeps what stands in its log alone where it comes back without that")
    func comesBackWithoutLog() throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(300))
        for number in 0..<3 { try live.log("\(number)") }
        try live.shell("mv $0 $0-x")
        try live.log("after")
        try live.shell("mv $0-x $0")
        live.spool.look(isThorough: true)
        // The uploader comes by before the file is found to have another log.
        live.spool.moveRetired(holdsLease: true)
        try live.log("again")
        #expect(
            eventually {
                live.spool.look(isThorough: true); return live.spool.moveRetired(holdsLease: true)
            }
        )
        #expect(Set(try live.pending()) == ["0", "1", "2", "after", "again"])
    }

    @Test(
        "keeps what is pending though the file in its place is damaged, or has no ids left",
        arguments: [true, false]
    )
    func damagedSuccessor(isTorn: Bool) throws {
        let live = try LiveFixture()
        for number in 0..<3 { try live.log("\(number)") }
        let made = live.directory.file("other.db")
        do {
            let spool = try Spool(path: made)
            let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
            for number in 0..<200 {
                try spool.append("\(number) \(String(repeating: "x", count: 500))", stream: stream)
            }
        }
        if isTorn {
            let last = "SELECT max(pageno) FROM dbstat WHERE name = 'records' AND pagetype = 'leaf'"
            try live.shell(
                "page=$(sqlite3 \(made) \"\(last)\"); "
                    + "dd if=/dev/zero of=\(made) bs=4096 seek=$((page - 1)) count=1 conv=notrunc status=none"
            )
        } else {
            try sqlite3(made, "INSERT INTO records VALUES (9223372036854775807, 1, 1, 'x')")
        }
        try live.shell("mv \(made) $0")
        // The uploader comes by before anybody has logged.
        live.spool.look(isThorough: true)
        live.spool.moveRetired(holdsLease: true)
        try live.log("after")
        #expect(
            eventually {
                live.spool.look(isThorough: true); return live.spool.moveRetired(holdsLease: true)
            }
        )
        #expect(Set(try live.pending()).isSuperset(of: ["0", "1", "2", "after"]))
    }
}
