import CSQLite
import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("The journal of a dead process", .onOwnThreads)
struct AbandonedJournalTests {
    @Test("is moved when the spool is opened, with what was not moved before, in its order", arguments: [0, 1, 700])
    func opened(moved: Int) throws {
        let left = try Leftover(1_000, moved: moved)
        #expect(try left.numbers == Array(0..<moved))
        _ = try Spool(path: left.path)
        #expect(try left.numbers == Array(0..<1_000))
        #expect(!FileManager.default.fileExists(atPath: left.file))
        #expect(try left.live.notes() == [])
        #expect(
            try left.live.records(in: "other") == 334
        )
        _ = try Spool(path: left.path)
        #expect(try left.numbers.count == 1_000)
    }

    @Test("is not moved again where its process died right after a commit")
    func diedAfterCommit() throws {
        let live = try LiveFixture()
        let journal = try Journal(spool: live.spool)
        for number in 0..<10 { #expect(try live.stage("\(number)", in: journal)) }
        // As the file was at the moment of the commit.
        try FileManager.default.copyItem(
            atPath: journal.path,
            toPath: live.path + JournalFile.infix + "00000000000000aa"
        )
        #expect(try journal.move() == 10)
        unlink(journal.path)
        try Connection(path: live.path, mode: .readWrite)
            .execute("UPDATE counters SET name = 'journal 00000000000000aa' WHERE name LIKE 'journal %'")
        _ = try Spool(path: live.path)
        #expect(try live.pending() == (0..<10).map { "\($0)" })
        #expect(live.journals == [])
    }

    @Test("is gone before the spool forgets how far it was moved, or a process that dies in between would leave it all")
    func order() throws {
        let left = try Leftover(10)
        let spool = left.live.spool.current
        let witness = Witness(left.file)
        try spool.spool.write { writer throws(SpoolError) in
            try writer.connection.check(
                sqlite3_create_function(
                    writer.connection.handle,
                    "look",
                    0,
                    SQLITE_UTF8,
                    Unmanaged.passUnretained(witness).toOpaque(),
                    { call, _, _ in
                        if let context = sqlite3_user_data(call) {
                            Unmanaged<Witness>.fromOpaque(context).takeUnretainedValue().look()
                        }
                    },
                    nil,
                    nil
                )
            )
            try writer.connection.execute(
                """
                CREATE TEMP TRIGGER looking BEFORE DELETE ON counters WHEN OLD.name LIKE 'journal %'
                BEGIN SELECT look(); END
                """
            )
        }
        #expect(try spool.spool.takeInJournals().records == 10)
        #expect(witness.seen.withLock { $0 } == [false])
        try spool.spool.write { writer throws(SpoolError) in try writer.connection.execute("DROP TRIGGER looking") }
    }

    /// Looks whether a file is there.
    private final class Witness: Sendable {
        private let path: String
        let seen = Mutex<[Bool]>([])

        init(_ path: String) { self.path = path }

        func look() { seen.withLock { $0.append(access(path, F_OK) == 0) } }
    }

    @Test("of which the spool took a part goes on where that ended")
    func inParts() throws {
        let left = try Leftover(20_000, isRefused: true)
        let limit = SpoolLimit(bytes: 1 << 20, whenFull: .dropNewest)
        let small = try Spool(path: left.path, options: .init(commitTimeout: .seconds(30), limit: limit))
        #expect(small.takeInJournals().failure?.kind == .atLimit)
        let first = try left.numbers.count
        #expect(first > 0 && first < 20_000)
        _ = try Spool(path: left.path)
        #expect(try left.numbers == Array(0..<20_000))
    }

    @Test("that the spool does not take keeps it from taking no other one; where none is left, it is told")
    func oneAfterTheOther() throws {
        let left = try Leftover(20, isRefused: true)
        // Before and after it in the order of their names.
        for name in ["0", "f"] {
            let other = try Leftover(10, isRefused: true)
            let place = left.path + JournalFile.infix + String(repeating: name, count: 16)
            try FileManager.default.moveItem(atPath: other.file, toPath: place)
        }
        try left.live.shell(
            #"""
            sqlite3 "$0" "CREATE TRIGGER guard BEFORE INSERT ON records WHEN NEW.message LIKE '15 %'
            BEGIN SELECT raise(ABORT, 'not this one'); END"
            """#
        )
        let spool = try Spool(path: left.path)
        #expect(try left.numbers.sorted() == (0..<10).flatMap { [$0, $0] })
        #expect(spool.takeInJournals().stranded == [.init(path: left.file, kind: .other, cause: "not this one")])
    }

    @Test("stays as it is where records wait for room: nobody waits to open the spool")
    func waitsForNoRoom() throws {
        let left = try Leftover(20_000, isRefused: true)
        let limit = SpoolLimit(bytes: 1 << 20, whenFull: .block(timeout: .seconds(3_600)))
        let kind = Monitor<SpoolError.Kind?>(nil)
        Thread.detachNewThread {
            let error = spoolError {
                let small = try Spool(path: left.path, options: .init(commitTimeout: .seconds(30), limit: limit))
                if let failure = small.takeInJournals().failure { throw failure }
            }
            kind.withLock { $0 = error?.kind ?? .other }
        }
        #expect(kind.wait(within: patience) { $0 } == .atLimit)
        #expect(FileManager.default.fileExists(atPath: left.file))
    }

    @Test("is moved when the spool is read, by whatever reads it")
    func read() throws {
        let readers: [(String) throws -> Void] = [
            { _ = try SpoolReader(path: $0) }, { path in _ = try SpoolStatus.read(path: path) },
            { _ = try SpoolCheck.run(path: $0) }, { _ = try StoredRecords(path: $0) },
        ]
        for reader in readers {
            let left = try Leftover(10)
            try reader(left.path)
            #expect(try left.numbers == Array(0..<10))
        }
    }

    @Test("is moved by a process that has the spool open already, within about a second")
    func whileOpen() throws {
        let left = try Leftover(10)
        left.live.spool.takeInJournals()
        #expect(try left.numbers == Array(0..<10))
    }

    @Test("gives all of both its regions, in its order, whichever was filled first", arguments: [0, 1])
    func large(moved: Int) throws {
        let left = try Leftover(150, moved: moved, bytes: 10_000, isRefused: true)
        #expect(try left.numbers == Array(0..<moved))
        _ = try Spool(path: left.path)
        #expect(try left.numbers == Array(0..<150))
    }

    @Test("that a living process writes to is left alone")
    func living() throws {
        let live = try LiveFixture()
        let journal = try Journal(spool: live.spool)
        #expect(try live.stage("staged", in: journal))
        _ = try Spool(path: live.path)
        #expect(try SpoolStatus.read(path: live.path).journals == [])
        #expect(try live.pending() == [])
        #expect(live.journals.count == 1)
        withExtendedLifetime(journal) {}
    }

    @Test("that is damaged gives what is whole, and one that is none, or another's, is left as it is and told of")
    func damaged() throws {
        let left = try Leftover(3)
        let handle = try #require(FileHandle(forUpdatingAtPath: left.file))
        // The message of the second: each frame has 56 bytes.
        try handle.seek(toOffset: UInt64(JournalFormat.headerSize + 56 + 45))
        try handle.write(contentsOf: Data([0]))
        try handle.close()
        let foreign = left.path + JournalFile.infix + "00000000000000bb"
        try Data(repeating: 65, count: 10_000).write(to: URL(fileURLWithPath: foreign))
        chmod(foreign, 0o600)
        let open = left.path + JournalFile.infix + "00000000000000cc"
        try FileManager.default.copyItem(atPath: left.file, toPath: open)
        chmod(open, 0o666)
        let link = left.path + JournalFile.infix + "00000000000000dd"
        symlink(left.file, link)

        let status = try SpoolStatus.read(path: left.path)
        #expect(try left.numbers == [0, 2])
        #expect(status.dropped == 1)
        #expect(status.journals.map(\.path) == [foreign, open, link])
        #expect(status.journals.map(\.kind) == [.notASpool, .unsafe, .unsafe])
        #expect(try SpoolCheck.run(path: left.path).warnings == status.journals.map(\.description))
        #expect(try Data(contentsOf: URL(fileURLWithPath: foreign)).count == 10_000)
    }

    @Test("that has no record yet is removed")
    func empty() throws {
        let live = try LiveFixture()
        for size in [0, 10, 32] {
            let file = live.path + JournalFile.infix + "00000000000000ee"
            try Data(JournalFormat.header(salt: 1).prefix(size)).write(to: URL(fileURLWithPath: file))
            chmod(file, 0o600)
            _ = try Spool(path: live.path)
            #expect(!FileManager.default.fileExists(atPath: file), "\(size)")
        }
    }

    @Test("is left for later when the spool does not take it now")
    func refused() throws {
        let left = try Leftover(10)
        let other = try Connection(path: left.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        let spool = try Spool(path: left.path, options: .init(commitTimeout: .milliseconds(20)))
        #expect(spool.takeInJournals().failure?.kind == .busy)
        #expect(FileManager.default.fileExists(atPath: left.file))
        try other.execute("COMMIT")
        #expect(spool.takeInJournals().records == 10)
        #expect(try left.numbers == Array(0..<10))
    }

    #if os(Linux)
    /// Opens the spool in a process of its own, and returns its calls.
    private func open(_ left: Leftover, _ options: [String]) throws -> [Substring] {
        let trace = left.live.directory.file("trace")
        let process = try ChildProcess(
            "/usr/bin/env",
            ["strace", "-f", "-y", "-qq", "-o", trace] + options
                + [BuiltProducts.executable("logbeam-spool-exerciser"), "join", left.path, "1"]
        )
        process.closeInput()
        #expect(try process.wait(within: patience).exitCode == 0, "\(process.text(.standardError))")
        return try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n")
    }

    @Test("that the disk does not give is left for later, whichever read fails", arguments: [2, 3])
    func unreadable(failing read: Int) throws {
        let left = try Leftover(10)
        let calls = try open(left, ["-P", left.file, "-e", "inject=pread64:error=EIO:when=\(read)"])
        #expect(calls.contains { $0.contains("EIO") && $0.contains("INJECTED") })
        #expect(FileManager.default.fileExists(atPath: left.file))
        _ = try Spool(path: left.path)
        #expect(try left.live.pending().filter { $0.contains("xxx") }.count == 10)
        #expect(!FileManager.default.fileExists(atPath: left.file))
    }

    @Test("says that its records were moved, and goes, when they are on the disk")
    func durable() throws {
        let left = try Leftover(10)
        let calls = try open(left, ["-e", "trace=pwrite64,fdatasync,unlink"])
        let note = try #require(calls.firstIndex { $0.contains("pwrite64(") && $0.contains(left.file + ">") })
        let last = calls[..<note].last { $0.contains(left.path + "-wal>") } ?? ""
        #expect(last.contains("fdatasync("), "\(last)")
        #expect(calls[note...].contains { $0.contains("unlink(") && $0.contains(left.file) })
    }

    @Test("whose records are in the spool, and not on the disk, goes when they are there")
    func undurable() throws {
        let left = try Leftover(10)
        // The first sync is of the log's header, by the commit that begins it.
        let calls = try open(left, ["-P", left.path + "-wal", "-e", "inject=fdatasync:error=EIO:when=2+"])
        #expect(calls.contains { $0.contains("fdatasync(") && $0.contains("INJECTED") })
        #expect(FileManager.default.fileExists(atPath: left.file))
        let later = try open(left, ["-e", "trace=fdatasync,unlink"])
        let removal = try #require(later.firstIndex { $0.contains("unlink(") && $0.contains(left.file) })
        #expect(later[..<removal].contains { $0.contains("fdatasync(") && $0.contains(left.path + "-wal>") })
        #expect(try left.live.pending().filter { $0.contains("xxx") }.count == 10)
    }
    #endif

    @Test("is one of many that are waited for together, where another process keeps the spool locked")
    func manyRefused() throws {
        let left = try Leftover(1)
        for number in 10..<40 {
            let copy = left.path + JournalFile.infix + "00000000000000\(number)"
            try FileManager.default.copyItem(atPath: left.file, toPath: copy)
        }
        let other = try Connection(path: left.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        // One after the other they would take a minute.
        let time = try ContinuousClock().measure {
            _ = try Spool(path: left.path, options: .init(commitTimeout: .seconds(2)))
        }
        #expect(time < .seconds(30))
        #expect(FileManager.default.fileExists(atPath: left.file))
    }

    @Test("that a spool took in in part is not taken in again from its beginning by the next one")
    func inPart() throws {
        let live = try LiveFixture(commitTimeout: .milliseconds(200))
        let dead = try LiveFixture()
        do {
            let journal = try Journal(spool: dead.spool)
            for number in 0..<5_000 { #expect(try dead.stage("\(number)", in: journal)) }
            let left = live.path + JournalFile.infix + "0123456789abcdef"
            try FileManager.default.copyItem(atPath: dead.journals[0], toPath: left)
        }
        // Stands for a spool that is full, or a disk.
        try sqlite3(
            live.path,
            """
            CREATE TRIGGER failing BEFORE INSERT ON records
            WHEN (SELECT count(*) FROM records) >= 4500 BEGIN SELECT RAISE(FAIL, 'failing'); END
            """
        )
        let intake = try live.spool.current.spool.takeInJournals()
        #expect(intake.records == 4_000 && intake.stranded.map(\.cause) == ["failing"])
        #expect(try live.spool.current.spool.takeInJournals().failure != nil)
        #expect(try live.pending().count == 4_000)
        try live.shell("rm $0 $0-wal $0-shm")
        try live.log("after")
        live.spool.takeInJournals()
        #expect(live.spool.moveRetired(holdsLease: true))
        #expect(try live.pending().sorted() == (["after"] + (0..<5_000).map(String.init)).sorted())
    }
}
