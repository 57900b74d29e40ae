import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("The log is copied by those who delete")
struct CheckpointerTests {
    @Test("copies a part as soon as there is one, while others commit")
    func parts() throws {
        let watched = try WatchedSpool()
        let checkpointer = try Checkpointer(spool: watched.spool)
        try watched.fill(pages: Checkpointer.part - 10)
        try checkpointer.checkpoint()
        #expect(try watched.copiedPages == 0)
        try watched.fill(pages: 20)
        try checkpointer.checkpoint()
        let copied = try watched.copiedPages
        // Of some pages the log has several states.
        #expect(copied >= Checkpointer.part / 2)
        // The next part is not there yet.
        try watched.fill(pages: Checkpointer.part / 2)
        try checkpointer.checkpoint()
        #expect(try watched.copiedPages == copied)
    }

    @Test("leaves the log alone while it is begun anew")
    func besideReset() throws {
        let watched = try WatchedSpool()
        let checkpointer = try Checkpointer(spool: watched.spool)
        try watched.fill(pages: Checkpointer.part)
        try watched.spool.pausingDeletion { () throws(SpoolError) in try checkpointer.checkpoint() }
        #expect(try watched.copiedPages == 0)
        try checkpointer.checkpoint()
        #expect(try watched.copiedPages > 0)
    }

    @Test("leaves no log that the next commit would restart, and sync")
    func noRestart() throws {
        let watched = try WatchedSpool()
        let checkpointer = try Checkpointer(spool: watched.spool)
        try watched.fill(pages: Checkpointer.part)
        try checkpointer.checkpoint()
        #expect(try watched.copiedPages > 0)
        let (pages, before) = (watched.spool.walPages, watched.disk.events.count)
        try watched.spool.append("one", stream: watched.stream)
        #expect(watched.spool.walPages > pages)
        let syncs = watched.disk.events.dropFirst(before).filter { if case .sync = $0 { true } else { false } }
        #expect(syncs.isEmpty)
    }

    @Test("begins with the first page of a log that was begun anew")
    func restart() throws {
        let watched = try WatchedSpool()
        let checkpointer = try Checkpointer(spool: watched.spool)
        let maintenance = try SpoolMaintenance(spool: watched.spool, reader: SpoolReader(path: watched.spool.path))
        for _ in 1...2 {
            try watched.fill(pages: Checkpointer.part)
            let before = try watched.copiedPages
            try checkpointer.checkpoint()
            #expect(try watched.copiedPages >= before + Checkpointer.part / 2)
            // RESTART.
            #expect(try maintenance.restartWAL(2))
            try watched.fill(pages: 1)
            try checkpointer.checkpoint()
        }
    }

    @Test("syncs what was copied before it takes the lock, also where the log went on meanwhile")
    func syncedOutsideOfTheLock() throws {
        let watched = try WatchedSpool()
        let maintenance = try SpoolMaintenance(spool: watched.spool, reader: SpoolReader(path: watched.spool.path))
        try watched.fill(pages: 50)
        // So much can be copied, and the rest can not.
        let reader = try Connection(path: watched.spool.path, mode: .readOnly)
        try reader.execute("BEGIN")
        #expect(try reader.integer("SELECT count(*) FROM records") > 0)
        try watched.fill(pages: 50)
        // RESTART.
        #expect(try !maintenance.restartWAL(2))
        #expect(try watched.copiedPages > 0)
        let file = try watched.databaseFile
        let last = watched.disk.events.last {
            switch $0 {
            case .write(file, _, _), .sync(file): true
            default: false
            }
        }
        #expect(last == .sync(file: file))
        try reader.execute("COMMIT")
    }
}

/// A spool whose file is watched.
private struct WatchedSpool {
    let directory: TemporaryDirectory
    let disk: TestDisk
    let spool: Spool
    let stream: Int64
    private let created: Int

    init() throws {
        directory = try TemporaryDirectory()
        disk = TestDisk(directory: directory.path)
        spool = try Spool(path: directory.file("spool.db"))
        stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        created = disk.events.count
    }

    /// Makes the log longer by so many pages at least.
    func fill(pages: Int) throws {
        let end = spool.walPages + pages
        let message = [UInt8](repeating: 65, count: 40_000)
        while spool.walPages < end { try spool.append(message, stream: stream) }
    }

    var databaseFile: Int {
        get throws {
            let files = disk.events.compactMap { event in
                switch event {
                case .adopt("spool.db", let file, _), .create("spool.db", let file): file
                default: nil
                }
            }
            return try #require(files.last)
        }
    }

    /// How many pages were written to the database since it was made.
    var copiedPages: Int {
        get throws {
            let file = try databaseFile
            return disk.events.dropFirst(created).count { if case .write(file, _, _) = $0 { true } else { false } }
        }
    }
}
