import CSQLite
import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("Shortcuts of a commit")
struct CommitShortcutsTests {
    private let directory = try! TemporaryDirectory.inMemory()
    private var path: String { directory.file("spool.db") }

    @Test("write each frame at once, and raise a mark at every sixteenth commit")
    func calls() throws {
        do { _ = try Spool(path: path) }
        let connection = try Connection(path: path, mode: .readWrite)
        _ = try connection.integer("PRAGMA schema_version")
        try CallCounts.install(on: connection)
        CommitShortcuts.install(on: connection)
        try Rows.insert(0, length: 10, connection)
        CallCounts.reset()

        for id in 1...160 { try Rows.insert(Int64(id), length: 10, connection) }

        let writes = CallCounts.writes.withLock { $0 }
        #expect(writes.allSatisfy { $0 == 24 + 4_096 }, "\(Set(writes))")
        #expect((160..<200).contains(writes.count))
        // Shared lock and write lock, taken and let go; and those of the mark.
        #expect(CallCounts.locks.load(ordering: .relaxed) == 160 * 4 + 10 * 2)

        // Another process begins the log anew: its end is before what was written last. A head that may be alone goes at once.
        let other = try SpoolFile.openAgain(path: path, .readWrite)
        #expect(sqlite3_wal_checkpoint_v2(other.handle, nil, SQLITE_CHECKPOINT_RESTART, nil, nil) == SQLITE_OK)
        try Rows.insert(161, length: 10, other)
        CallCounts.reset()
        for id in 162...164 { try Rows.insert(Int64(id), length: 10, connection) }
        #expect(CallCounts.writes.withLock { $0 } == [24, 4_096, 24 + 4_096, 24 + 4_096])

        // Where a disk needs it, SQLite syncs between head and page.
        let log = try CallCounts.file(SQLITE_FCNTL_JOURNAL_POINTER, connection)
        CallCounts.reset()
        #expect(log.pointee.pMethods.pointee.xWrite(log, [UInt8](repeating: 0, count: 24), 24, 1 << 24) == SQLITE_OK)
        #expect(CallCounts.writes.withLock { $0 } == [])
        #expect(log.pointee.pMethods.pointee.xSync(log, SQLITE_SYNC_NORMAL) == SQLITE_OK)
        #expect(CallCounts.writes.withLock { $0 } == [24])
    }

    @Test("are taken by a spool")
    func spool() throws {
        let disk = TestDisk(directory: directory.path)
        let spool = try Spool(path: path)
        let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        let before = disk.events.count
        try spool.append("message", stream: stream)
        let lengths = disk.events[before...].map { if case .write(_, _, let bytes) = $0 { bytes.count } else { 0 } }
        #expect(lengths == [24 + 4_096])
    }

    /// Of transactions that fit into the cache and such that do not, of some that are undone, of checkpoints and logs that
    /// begin anew: by two connections that take the shortcuts and one that does not.
    @Test("leave in the files what was committed, and nothing else", arguments: [1, 2, 3, 4] as [UInt64])
    func history(seed: UInt64) throws {
        do { _ = try Spool(path: path) }
        let connections = try (0..<3).map { number in
            let connection = try Connection(path: path, mode: .readWrite)
            // Small enough to write pages before the transaction ends, and some of them twice.
            try connection.execute("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 5")
            _ = try connection.integer("PRAGMA schema_version")
            if number > 0 { CommitShortcuts.install(on: connection) }
            return connection
        }
        var random = SeededGenerator(seed: seed)
        var expected: [Int64: Int] = [:]
        for step in 0..<300 {
            let connection = connections[Int.random(in: 0..<3, using: &random)]
            if Int.random(in: 0..<8, using: &random) == 0 {
                let mode = Int32.random(in: 0...3, using: &random)
                var (length, copied): (Int32, Int32) = (0, 0)
                #expect(sqlite3_wal_checkpoint_v2(connection.handle, nil, mode, &length, &copied) == SQLITE_OK)
                #expect(copied == length, "step \(step), mode \(mode)")
            } else {
                let changes = Self.changes(using: &random)
                let isUndone = Int.random(in: 0..<6, using: &random) == 0
                try connection.execute("BEGIN IMMEDIATE")
                for (id, length) in changes { try Rows.insert(id, length: length, connection) }
                try connection.execute(isUndone ? "ROLLBACK" : "COMMIT")
                if !isUndone { expected.merge(changes) { $1 } }
            }
            // What the shared memory knows is not there after a crash: the files alone have to tell.
            let found = try recovered("copy-\(step)")
            guard found == expected else {
                Issue.record(
                    "step \(step): \(found.filter { expected[$0.key] != $0.value }), \(expected.filter { found[$0.key] == nil })"
                )
                return
            }
        }
    }

    private static func changes(using random: inout SeededGenerator) -> [(Int64, Int)] {
        let count = Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 1...60, using: &random) : 1
        return (0..<count).map { _ in
            (Int64.random(in: 0..<400, using: &random), Int.random(in: 0...3_000, using: &random))
        }
    }

    /// What another program finds in copies of the files.
    private func recovered(_ name: String) throws -> [Int64: Int] {
        let copy = directory.file(name)
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: path + suffix) {
            try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
        }
        defer { for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: copy + suffix) } }
        #expect(try integrity(of: copy) == "ok")
        let connection = try Connection(path: copy, mode: .readWrite)
        let rows = try connection.prepare("SELECT id, length(message) FROM records")
        var found: [Int64: Int] = [:]
        while try rows.step() { found[rows.integer(0)] = Int(rows.integer(1)) }
        return found
    }
}

private enum Rows {
    static func insert(_ id: Int64, length: Int, _ connection: Connection) throws(SpoolError) {
        let insert = try connection.prepare(
            "INSERT OR REPLACE INTO records (id, stream_id, timestamp, message) VALUES (?1, 1, 0, ?2)"
        )
        try insert.bind(id, at: 1)
        try insert.bind(String(repeating: "a", count: length), at: 2)
        try insert.run()
    }
}

/// Counts what reaches the VFS of the calls on one connection's files.
private enum CallCounts {
    static let writes = Mutex<[Int]>([])
    static let locks = Atomic<Int>(0)
    // Those of the log's file and of the database's, filled before SQLite sees them.
    private nonisolated(unsafe) static var log = (original: sqlite3_io_methods(), counting: newMethods())
    private nonisolated(unsafe) static var database = (original: sqlite3_io_methods(), counting: newMethods())

    static func install(on connection: Connection) throws {
        try replaceMethods(of: file(SQLITE_FCNTL_JOURNAL_POINTER, connection), &log) { methods in
            methods.xWrite = { file, bytes, count, offset in
                CallCounts.writes.withLock { $0.append(Int(count)) }
                return CallCounts.log.original.xWrite(file, bytes, count, offset)
            }
        }
        try replaceMethods(of: file(SQLITE_FCNTL_FILE_POINTER, connection), &database) { methods in
            methods.xShmLock = { file, offset, count, flags in
                CallCounts.locks.add(1, ordering: .relaxed)
                return CallCounts.database.original.xShmLock(file, offset, count, flags)
            }
        }
    }

    static func reset() {
        writes.withLock { $0 = [] }
        locks.store(0, ordering: .relaxed)
    }

    static func file(
        _ operation: Int32,
        _ connection: Connection
    ) throws -> UnsafeMutablePointer<sqlite3_file> {
        var file: UnsafeMutablePointer<sqlite3_file>?
        try connection.check(sqlite3_file_control(connection.handle, nil, operation, &file))
        return try #require(file)
    }

    private static func replaceMethods(
        of file: UnsafeMutablePointer<sqlite3_file>,
        _ methods: inout (original: sqlite3_io_methods, counting: UnsafeMutablePointer<sqlite3_io_methods>),
        _ replace: (inout sqlite3_io_methods) -> Void
    ) {
        methods.original = file.pointee.pMethods.pointee
        methods.counting.initialize(to: methods.original)
        replace(&methods.counting.pointee)
        file.pointee.pMethods = UnsafePointer(methods.counting)
    }

    private static func newMethods() -> UnsafeMutablePointer<sqlite3_io_methods> { .allocate(capacity: 1) }
}
