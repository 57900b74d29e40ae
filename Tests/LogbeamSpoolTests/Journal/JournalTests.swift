import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

extension LiveFixture {
    func stage(_ text: String, in journal: Journal, to stream: LiveStream? = nil) throws -> Bool {
        let bytes = Array(text.utf8)
        return try bytes.withUnsafeBufferPointer {
            try journal.append(to: stream ?? self.stream, timestamp: 1_000, message: $0)
        }
    }

    var journals: [String] { JournalFile.paths(besideSpool: path) }

    func records(in stream: String) throws -> Int64 {
        try Connection(path: path, mode: .readOnly)
            .integer("SELECT count(*) FROM pending WHERE log_stream = '\(stream)'")
    }

    /// What of journals stands in the spool.
    func notes() throws -> [String] {
        try Connection(path: path, mode: .readOnly).rows("SELECT name FROM counters WHERE name LIKE 'journal %'")
    }
}

@Suite("A journal", .onOwnThreads)
struct JournalTests {
    @Test(
        "holds records until they are moved, in their order and into their streams; and leaves nothing when it closes"
    )
    func moves() throws {
        let live = try LiveFixture()
        let told = Mutex((records: 0, bytes: 0))
        let journal = try Journal(spool: live.spool) { records, bytes in
            told.withLock { $0 = ($0.records + records, $0.bytes + bytes) }
        }
        for number in 0..<100 {
            #expect(try live.stage("\(number)", in: journal, to: number % 2 == 0 ? live.stream : live.other))
        }
        #expect(try live.pending() == [])
        #expect(try journal.move() == 100)
        #expect(try live.pending() == (0..<100).map(String.init))
        #expect(
            try Connection(path: live.path, mode: .readOnly)
                .rows("SELECT message FROM pending WHERE log_stream = 'other' ORDER BY id LIMIT 2") == ["1", "3"]
        )
        #expect(told.withLock { $0 } == (100, 190))
        #expect(try journal.move() == 0)

        #expect(live.journals.count == 1)
        #expect(try mode(live.journals[0]) == 0o600)
        #expect(try live.stage("last", in: journal))
        journal.close()
        #expect(try live.pending().last == "last")
        #expect(live.journals == [])
        #expect(try live.notes() == [])
        #expect(try !live.stage("late", in: journal))
    }

    @Test("takes more than it has room for, since it moves what it has, and its file does not grow")
    func wrapsAround() throws {
        let live = try LiveFixture()
        let journal = try Journal(spool: live.spool)
        let text = String(repeating: "x", count: 10_000)
        for number in 0..<500 { #expect(try live.stage("\(number) \(text)", in: journal)) }
        #expect(try size(live.journals[0]) <= JournalFormat.offset(ofRegion: 2))
        journal.close()
        #expect(try live.pending().map { $0.split(separator: " ")[0] } == (0..<500).map { "\($0)" })
    }

    @Test("leaves to the spool what is too long for it")
    func tooLong() throws {
        let live = try LiveFixture()
        let journal = try Journal(spool: live.spool)
        #expect(try live.stage(String(repeating: "x", count: JournalFormat.longestMessage), in: journal))
        #expect(try !live.stage(String(repeating: "x", count: JournalFormat.longestMessage + 1), in: journal))
        let longNames = LiveStream(
            Destination(logGroup: String(repeating: "g", count: 4_000), logStream: "s\(UInt64.max)")
        )
        #expect(try live.stage("x", in: journal, to: longNames))
        let longerNames = LiveStream(Destination(logGroup: String(repeating: "g", count: 4_096), logStream: "s"))
        #expect(try !live.stage("x", in: journal, to: longerNames))
    }

    @Test("its thread moves what threads append, all of it and once")
    func threads() async throws {
        let live = try LiveFixture()
        let journal = try Journal(spool: live.spool)
        Thread { journal.run() }.start()
        _ = try await onThreads(8) { thread in
            for number in 0..<2_000 {
                let text = "\(thread) \(number)"
                // What others fill faster than it is moved goes to the spool itself.
                if try !live.stage(text, in: journal) { try live.log(text) }
            }
        }
        journal.close()
        let pending = try live.pending()
        #expect(pending.count == 16_000 && Set(pending).count == 16_000)
        for thread in 0..<8 {
            let numbers = pending.compactMap { text -> Int? in
                let words = text.split(separator: " ")
                return words[0] == "\(thread)" ? Int(words[1]) : nil
            }
            #expect(numbers.count == 2_000)
        }
    }

    @Test("its thread sleeps when nothing comes, and is woken by the next record")
    func wakes() throws {
        let live = try LiveFixture()
        let moved = Monitor(0)
        let journal = try Journal(spool: live.spool) { records, _ in moved.withLock { $0 += records } }
        Thread { journal.run() }.start()
        for number in 1...3 {
            #expect(eventually { journal.isAsleep })
            #expect(try live.stage("\(number)", in: journal))
            #expect(moved.wait(within: patience) { $0 == number ? true : nil } == true)
        }
        journal.close()
        #expect(try live.pending() == ["1", "2", "3"])
    }

    @Test("what the spool does not take stays, and is moved when it does")
    func refused() throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(50))
        let journal = try Journal(spool: live.spool)
        #expect(try live.stage("first", in: journal))
        let other = try Connection(path: live.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        #expect(throws: SpoolError.self) { try journal.move() }
        // Whichever thread it was.
        #expect(!journal.fallAsleep())
        #expect(try live.stage("second", in: journal))
        try other.execute("COMMIT")
        #expect(try journal.move(ignoresPause: true) == 2)
        #expect(journal.fallAsleep())
        #expect(try live.pending() == ["first", "second"])
    }

    @Test("throws when it is full and the spool takes nothing, and goes on when it does; what it has taken is there")
    func full() throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(50))
        let journal = try Journal(spool: live.spool)
        let other = try Connection(path: live.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        let text = String(repeating: "x", count: 50_000)
        var taken = 0
        #expect(throws: SpoolError.self) {
            while true { if try live.stage("\(taken) \(text)", in: journal) { taken += 1 } }
        }
        #expect(taken >= 2 * (JournalFormat.regionSize / 50_100))
        try other.execute("COMMIT")
        _ = try journal.move(ignoresPause: true)
        #expect(try live.stage("\(taken) \(text)", in: journal))
        journal.close()
        #expect(try live.pending().map { $0.split(separator: " ")[0] } == (0...taken).map { "\($0)" })
    }

    @Test("what it could not move when it closed stays in its file, for whoever opens the spool next")
    func leftByClose() throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(50))
        var journal: Journal? = try Journal(spool: live.spool)
        #expect(try live.stage("left", in: try #require(journal)))
        let other = try Connection(path: live.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        journal?.close()
        try other.execute("COMMIT")
        #expect(live.journals.count == 1)
        #expect(try live.pending() == [])
        journal = nil
        live.spool.takeInJournals()
        #expect(try live.pending() == ["left"])
        #expect(live.journals == [])
    }

    @Test("leaves its file, and with it its lock, to no process that is forked while it is made")
    func forked() throws {
        let live = try LiveFixture()
        let forking = try exerciser("share", live.path, 100)
        #expect(try forking.wait().exitCode == 0, "\(forking.text(.standardError))")
    }

    @Test("goes on in a new file when its own is deleted, with all that was not moved")
    func deleted() throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(50))
        let journal = try Journal(spool: live.spool)
        let other = try Connection(path: live.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        #expect(try live.stage("first", in: journal))
        #expect(throws: SpoolError.self) { try journal.move() }
        #expect(try live.stage("second", in: journal))
        let old = live.journals[0]
        unlink(old)
        journal.renewFileIfGone(interval: 0)
        try #require(live.journals.count == 1 && live.journals[0] != old)
        #expect(try live.stage("third", in: journal))
        // As after a kill: what its file holds.
        let copy = live.path + JournalFile.infix + "0123456789abcdef"
        try FileManager.default.copyItem(atPath: live.journals[0], toPath: copy)
        try other.execute("COMMIT")
        live.spool.takeInJournals()
        #expect(try live.pending() == ["first", "second", "third"])
    }

    @Test("a spool that is replaced gets what is staged, and what was moved before is not taken in again")
    func replacedSpool() throws {
        let live = try LiveFixture()
        let journal = try Journal(spool: live.spool)
        #expect(try live.stage("before", in: journal))
        #expect(try journal.move() == 1)
        #expect(try live.stage("after", in: journal))
        try live.shell("rm $0 $0-wal $0-shm")
        let copy = live.path + JournalFile.infix + "0123456789abcdef"
        try FileManager.default.copyItem(atPath: live.journals[0], toPath: copy)
        let next = try Spool(path: live.path)
        #expect(try messages(in: next.path) == ["after"])
    }

    @Test("the file of a journal whose directory was renamed keeps nothing that the new one has")
    func renamedDirectory() throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(50))
        let journal = try Journal(spool: live.spool)
        #expect(try live.stage("first", in: journal))
        #expect(try journal.move() == 1)
        #expect(try live.stage("second", in: journal))
        try live.shell("mv $(dirname $0) $(dirname $0)-old; mkdir $(dirname $0)")
        journal.renewFileIfGone(interval: 0)
        #expect(try journal.move() == 1)
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(try live.pending().sorted() == ["first", "second"])
        let old = try Spool(path: live.directory.file("spool-old/logs.db"))
        #expect(try messages(in: old.path) == [])
    }
}
