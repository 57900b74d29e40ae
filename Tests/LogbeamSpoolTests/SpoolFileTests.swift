import CSQLite
import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("A spool's file", .onOwnThreads)
struct SpoolFileTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("spool.db")
    }

    @Test("A spool is opened once more while another connection is being closed, which asks for the whole file")
    func openAgain() async throws {
        let test = try TestSpool()
        let isClosing = Gate()
        let isOpen = Monitor(false)
        async let closing: Void = onOwnThread {
            let connection = try SpoolFile.openAgain(path: test.path, .readWrite)
            var file: UnsafeMutablePointer<sqlite3_file>?
            sqlite3_file_control(connection.handle, nil, SQLITE_FCNTL_FILE_POINTER, &file)
            let methods = try #require(file?.pointee.pMethods).pointee
            // What sqlite3_close() does first. It is not the last one.
            #expect(methods.xLock(file, SQLITE_LOCK_EXCLUSIVE) == SQLITE_BUSY)
            isClosing.open()
            usleep(200_000)
            #expect(!isOpen.withLock { $0 })
            #expect(methods.xUnlock(file, SQLITE_LOCK_SHARED) == SQLITE_OK)
        }
        try await onOwnThread {
            isClosing.pass()
            try Checkpointer(spool: test.spool).checkpoint()
            isOpen.withLock { $0 = true }
        }
        try await closing
    }

    // MARK: Creation

    @Test("is for its owner alone, with all that lies beside it, whatever the umask", arguments: ["0", "022", "0777"])
    func modes(umask: String) throws {
        let deep = directory.file("a/b/spool.db")
        let program = try BuiltProducts.executable("logbeam-spool-exerciser")
        let process = try ChildProcess("/bin/sh", ["-c", "umask \(umask); exec \"$0\" hold \"$1\"", program, deep])
        try process.waitForOutput { $0 == "held\n" }
        for suffix in ["", "-wal", "-shm", "-uploader"] {
            #expect(try mode(deep + suffix) == 0o600, "\(suffix)")
        }
        #expect(try mode(directory.file("a")) == 0o700)
        #expect(try mode(directory.file("a/b")) == 0o700)
    }

    @Test("is marked as a spool, and made for a log and for giving pages back")
    func header() throws {
        let spool = try Spool(path: path)
        let connection = try Connection(path: path, mode: .readOnly)
        #expect(try connection.integer("PRAGMA application_id") == 0x4C42_7370)
        #expect(try connection.integer("PRAGMA user_version") == Schema.version)
        // 2 is incremental.
        #expect(try connection.integer("PRAGMA auto_vacuum") == 2)
        #expect(try connection.integer("PRAGMA page_size") == 4_096)
        #expect(try sqlite3(path, "PRAGMA journal_mode") == "wal\n")
        withExtendedLifetime(spool) {}
    }

    #if os(Linux)
    @Test("says why its directory can not be made, and not that it is not there")
    func directoryRefused() throws {
        // Nobody makes a directory there, root included: by whatever error the system says so (sysfs(5)).
        let directory = "/sys/logbeam-test"
        #expect(mkdir(directory, 0o700) == -1)
        let reason = String(cString: strerror(errno))
        #expect(reason != String(cString: strerror(ENOENT)))
        let error = try #require(throws: SpoolError.self) { try Spool(path: directory + "/spool.db") }
        #expect(error.message == "its directory \(directory) can not be made: \(reason)")
    }
    #endif

    @Test("is as durable as it was asked to be", arguments: [(false, 1), (true, 2)])
    func synchronous(powerLossSafe: Bool, level: Int64) throws {
        let spool = try Spool(path: path, options: .init(powerLossSafe: powerLossSafe))
        // 1 is NORMAL, 2 is FULL; a property of the connection.
        let found = try spool.write { writer throws(SpoolError) in try writer.connection.integer("PRAGMA synchronous") }
        #expect(found == level)
    }

    @Test("leaves no draft behind")
    func draft() throws {
        let spool = try Spool(path: path)
        #expect(try listing() == ["spool.db", "spool.db-shm", "spool.db-wal"])
        withExtendedLifetime(spool) {}
    }

    @Test("may have a name that is hard to write in a URI", arguments: ["a b%20?x=1#y", "ä'\"\\", "-"])
    func names(name: String) throws {
        let path = directory.file(name)
        let spool = try Spool(path: path)
        let stream = try spool.streamID(for: Destination(logGroup: "g", logStream: "s"))
        try spool.append("message", stream: stream)
        #expect(spool.path == path)
        #expect(try listing().sorted() == [name, name + "-shm", name + "-wal"])
        #expect(try SpoolReader(path: path).lastID() != nil)
    }

    @Test("may be an empty file that was made beforehand, and is for its owner alone from then on")
    func empty() throws {
        try Data().write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o660], ofItemAtPath: path)
        let spool = try Spool(path: path)
        #expect(try sqlite3(path, "PRAGMA auto_vacuum; PRAGMA journal_mode") == "2\nwal\n")
        try spool.append("m", stream: spool.streamID(for: Destination(logGroup: "g", logStream: "s")))
        #expect(try mode(path) == 0o600)
        #expect(try mode(path + "-wal") == 0o600)
    }

    @Test("can be made by many threads at once, in its place or beforehand", arguments: [false, true])
    func threadRace(isEmptyFile: Bool) async throws {
        for round in 1...10 {
            let path = directory.file("race \(round)")
            if isEmptyFile { try Data().write(to: URL(fileURLWithPath: path)) }
            let spools = try await onThreads(8) { _ in
                let spool = try Spool(path: path)
                try spool.append("m", stream: spool.streamID(for: Destination(logGroup: "g", logStream: "s")))
                return spool
            }
            #expect(try ids(in: path).count == 8)
            #expect(try ids("streams", in: path) == [1])
            withExtendedLifetime(spools) {}
        }
    }

    @Test("can be made by many processes at once, in its place or beforehand", arguments: [false, true])
    func processRace(isEmptyFile: Bool) throws {
        if isEmptyFile { try Data().write(to: URL(fileURLWithPath: path)) }
        let processes = try (1...8).map { _ in try exerciser("join", path, 50) }
        for process in processes { try process.waitForOutput { $0 == "ready\n" } }
        for process in processes { process.closeInput() }
        for process in processes {
            #expect(try process.wait().exitCode == 0, "\(process.text(.standardError))")
        }
        #expect(try ids(in: path).count == 400)
        #expect(try integrity(of: path) == "ok")
    }

    // MARK: Opening

    @Test("is not made where only an existing one will do")
    func missing() throws {
        for path in [path, directory.file("no/such/spool.db")] {
            #expect(spoolError { _ = try Spool(path: path, options: .init(create: false)) }?.kind == .missing)
            #expect(spoolError { _ = try SpoolReader(path: path) }?.kind == .missing)
            #expect(spoolError { _ = try SpoolStatus.read(path: path) }?.kind == .missing)
        }
        #expect(try listing() == [])
    }

    @Test(
        "is not what is no spool; and that is left as it is",
        arguments: [
            "head -c 10000 /dev/urandom > \"$0\"",
            "echo text > \"$0\"",
            "sqlite3 \"$0\" 'CREATE TABLE records (id); INSERT INTO records VALUES (1)'",
            "sqlite3 \"$0\" 'PRAGMA journal_mode = WAL; CREATE TABLE records (id); INSERT INTO records VALUES (1)'",
        ]
    )
    func foreign(command: String) throws {
        let maker = try ChildProcess("/bin/sh", ["-c", command, path])
        #expect(try maker.wait().exitCode == 0)
        try expectUntouched(kind: .notASpool)
    }

    @Test(
        "of a version that is not known is left as it is",
        arguments: [Int(Schema.version) + 1, 1_000_000, -1, Int(Int32.min)]
    )
    func version(number: Int) throws {
        do { _ = try Spool(path: path) }
        try sqlite3(path, "PRAGMA user_version = \(number)")
        try expectUntouched(kind: .newerVersion)
    }

    @Test("is no directory, and does not lie below a file")
    func notAFile() throws {
        #expect(spoolError { _ = try Spool(path: directory.path) }?.kind == .notASpool)
        try Data("x".utf8).write(to: URL(fileURLWithPath: path))
        #expect(spoolError { _ = try Spool(path: path + "/spool.db") }?.kind == .unwritable)
        #expect(spoolError { _ = try SpoolReader(path: path + "/spool.db") }?.kind == .unwritable)
        #expect(spoolError { _ = try Spool(path: path + "/a/spool.db") }?.kind == .unwritable)
        #expect(spoolError { _ = try Spool(path: "") }?.kind == .unwritable)
        // Cut off at the NUL it would be another file.
        #expect(spoolError { _ = try Spool(path: directory.path + "/a\0b") }?.kind == .unwritable)
        #expect(try listing() == ["spool.db"])
    }

    @Test("opens though its process died in the middle of a checkpoint")
    func tornCheckpoint() throws {
        let original = try TestSpool()
        try original.appendGroups(2)
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: original.path + suffix, toPath: path + suffix)
        }
        // A checkpoint writes page 1 first, and with it the number of pages that the file has at the end.
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seek(toOffset: 28)
        try file.write(contentsOf: Data([0, 0, 4, 0]))
        try file.close()

        #expect(try SpoolStatus.read(path: path).pending == 2_000)
        let spool = try Spool(path: path)
        #expect(try ids(in: path).count == 2_000)
        #expect(try integrity(of: path) == "ok")
        withExtendedLifetime(spool) {}
    }

    @Test("tells what is wrong with it, where, and what to do")
    func description() throws {
        let error = try #require(spoolError { _ = try Spool(path: path, options: .init(create: false)) })
        #expect("\(error)" == "spool \(path): no such spool; check the path, or let a process log to it first")
        let busy = SpoolError(.busy, path: "p", message: "database is locked", code: 5)
        #expect("\(busy)" == "spool p: database is locked (SQLite 5); another process holds the write lock")
    }

    // MARK: Support

    private func listing() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    }

    /// Every way of opening the file fails in the same way, and nothing changes.
    private func expectUntouched(kind: SpoolError.Kind) throws {
        func state() throws -> [String] {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path)).base64EncodedString()
            return try listing() + [bytes, "\(attributes[.modificationDate] ?? "")", "\(attributes[.size] ?? "")"]
        }
        let before = try state()
        #expect(spoolError { _ = try Spool(path: path) }?.kind == kind)
        #expect(spoolError { _ = try Spool(path: path, options: .init(create: false)) }?.kind == kind)
        #expect(spoolError { _ = try SpoolReader(path: path) }?.kind == kind)
        #expect(spoolError { _ = try SpoolStatus.read(path: path) }?.kind == kind)
        #expect(try state() == before)
        #expect(try listing() == ["spool.db"])
    }
}
