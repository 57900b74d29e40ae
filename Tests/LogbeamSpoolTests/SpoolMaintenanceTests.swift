import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Maintenance keeps the files small", .onOwnThreads)
struct SpoolMaintenanceTests {
    private static let mebibyte = 1 << 20

    @Test("gives space back when nothing is left to do")
    func idle() throws {
        let test = try TestSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
        try test.appendGroups(20, bytes: 1_000)
        try maintenance.whileIdle { true }
        #expect(try size(test.path) > 16 * Self.mebibyte)
        try test.deliverAll()
        // Some that are too many to be written anew.
        try test.appendGroups(1, bytes: 1_000)
        try maintenance.whileIdle { true }
        // The pages that are kept for the next records are 1 MiB.
        let free = try test.number("PRAGMA freelist_count")
        #expect(free <= 256 && free > 0, "\(free)")
        #expect(try size(test.path) < 3 * Self.mebibyte)
        #expect(try test.walBytes <= Self.mebibyte)
        #expect(try integrity(of: test.path) == "ok")
        try test.append()
        #expect(try test.ids().count == 1_001)
    }

    @Test("gives all that is free back at once where little is in use, and changes nothing of that")
    func nearlyEmpty() throws {
        let test = try TestSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
        try test.appendGroups(20, bytes: 1_000)
        try test.deliverAll()
        let refused = try test.append(2)
        try test.spool.reject(refused.map { RefusedRecord(id: $0, reason: .tooOld) })
        let pending = try test.append(100)
        try test.spool.begin(test.range(pending[0], pending[9]))
        try test.spool.noteAndTell(Gap(stream: test.stream, reason: "test", records: 3, first: 1, last: 2))
        let reader = try SpoolReader(path: test.path)
        let before = try content(of: test.path)
        #expect(before.count > 130)

        var asked = 0
        try maintenance.whileIdle {
            asked += 1
            return true
        }
        #expect(asked <= 3)
        #expect(try size(test.path) < 64 * 4_096)
        #expect(try content(of: test.path) == before)
        #expect(try integrity(of: test.path) == "ok")
        // What others have open goes on, and so does the giving back.
        let next = try test.append()
        #expect(try reader.headers(after: 0).headers.last?.id == next.last)
        try test.appendGroups(5, bytes: 1_000)
        try test.deliverAll()
        try maintenance.whileIdle { true }
        #expect(try size(test.path) < 64 * 4_096)
    }

    @Test("does not take the pages that tell of the free ones for pages in use")
    func pointerMaps() throws {
        let test = try TestSpool()
        try test.appendGroups(15, bytes: 1_000)
        let inUse = { try test.number("PRAGMA page_count") - test.number("PRAGMA freelist_count") }
        try test.deliverAll()
        let before = try inUse()
        // 3,750 pages of records.
        let maps: Int64 = 5
        try test.spool.write { writer throws(SpoolError) in
            #expect(try !writer.rewrite(upTo: before - maps - 1))
            #expect(try writer.rewrite(upTo: before - maps))
        }
        #expect(try inUse() == before - maps + 1)
    }

    /// All that a spool holds, line by line, and what it is marked by.
    private func content(of path: String) throws -> [String] {
        let marks = "SELECT * FROM pragma_application_id, pragma_user_version, pragma_auto_vacuum, pragma_page_size"
        return try [marks, ".dump"].flatMap { try sqlite3(path, $0).split(separator: "\n").map(String.init) }
    }

    @Test("leaves no log that the next commit would restart, and sync, where a reader was in the way")
    func heldLog() throws {
        let directory = try TemporaryDirectory()
        let disk = TestDisk(directory: directory.path)
        let spool = try Spool(path: directory.file("spool.db"))
        let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        let maintenance = try SpoolMaintenance(spool: spool, reader: SpoolReader(path: spool.path))
        try spool.append("one", stream: stream)
        let reader = try Connection(path: spool.path, mode: .readOnly)
        try reader.execute("BEGIN")
        #expect(try reader.integer("SELECT count(*) FROM records") == 1)
        // RESTART.
        try maintenance.restartWAL(2)
        try reader.execute("COMMIT")
        let before = disk.events.count
        try spool.append("two", stream: stream)
        let syncs = disk.events.dropFirst(before).filter { if case .sync = $0 { true } else { false } }
        #expect(syncs.isEmpty)
    }

    @Test("begins the log anew when no batch is being deleted")
    func afterDeletion() async throws {
        let test = try TestSpool()
        try await whileDeleting(from: test) {
            let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
            // RESTART.
            #expect(try maintenance.restartWAL(2))
        }
    }

    @Test("lets a deletion come to its end, then keeps others from beginning one, and from copying the log")
    func deletionPauses() async throws {
        let test = try TestSpool()
        try await whileDeleting(from: test) {
            let reader = try SpoolReader(path: test.path)
            try test.spool.pausingDeletion(within: patience) { () throws(SpoolError) in
                let isDeleted = try !reader.hasRecords(through: .max)
                #expect(isDeleted)
                #expect(!test.spool.copying.tryLock())
                #expect(!test.spool.deletion.tryLock())
            }
        }
        #expect(test.spool.copying.tryLock())
        #expect(test.spool.deletion.tryLock())
    }

    @Test("goes on beside a deletion that does not come to its end")
    func longDeletion() throws {
        let test = try TestSpool()
        #expect(test.spool.deletion.tryLock())
        var isRun = false
        try test.spool.pausingDeletion(within: .milliseconds(1)) { () throws(SpoolError) in isRun = true }
        #expect(isRun)
        #expect(!test.spool.deletion.tryLock())
        #expect(test.spool.copying.tryLock())
    }

    /// Runs `body` while a batch is being deleted, slowly, until somebody waits for the end of that.
    private func whileDeleting(from test: TestSpool, _ body: @escaping @Sendable () throws -> Void) async throws {
        let ids = try test.append(2 * Writer.sliceSize)
        let range = test.range(ids[0], ids[ids.count - 1])
        try test.spool.begin(range)
        let hasBegun = Gate()
        _ = try await onThreads(2) { thread in
            guard thread == 0 else {
                hasBegun.pass()
                return try body()
            }
            try test.spool.acknowledgeAndFinish(range, refused: [], delivered: ids.count) {
                hasBegun.open()
                #expect(eventually { test.spool.deletion.hasWaiters })
            }
        }
    }

    @Test("begins the log anew though batches are read all the time")
    func whileReading() async throws {
        let test = try TestSpool()
        let ids = try test.append(1_000)
        let range = test.range(ids[0], ids[999])
        let batches = try BatchReader(path: test.path)
        let maintenance = try SpoolMaintenance(
            spool: test.spool,
            reader: SpoolReader(path: test.path),
            batches: batches
        )
        let state = Monitor((reads: 0, isOver: false))
        async let reading: Void = onOwnThread {
            let destination = Destination(logGroup: "group", logStream: "stream")
            var batch = EventBatch(destination: destination)
            while !state.withLock({ $0.isOver }) {
                try batches.read(range, for: destination, into: &batch)
                state.withLock { $0.reads += 1 }
            }
        }
        var resets = 0
        for number in 1...50 {
            let isReading: Bool? = state.wait(within: patience) { $0.reads >= number ? true : nil }
            #expect(isReading == true)
            try test.append()
            // RESTART.
            if try maintenance.restartWAL(2) { resets += 1 }
        }
        state.withLock { $0.isOver = true }
        try await reading
        #expect(resets == 50)
    }

    @Test("stops when there is something to do")
    func interrupted() throws {
        let test = try TestSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
        try test.appendGroups(5, bytes: 1_000)
        try test.deliverAll()
        try test.appendGroups(1, of: 300, bytes: 1_000)
        let free = try test.number("PRAGMA freelist_count")
        #expect(free > 1_000)
        var isAsked = 0
        try maintenance.whileIdle {
            isAsked += 1
            return isAsked <= 2
        }
        #expect(try test.number("PRAGMA freelist_count") == free - 512)
        #expect(try test.walBytes > Self.mebibyte)
    }

    @Test("does not try for ever to give pages back where the file was not made for it")
    func notVacuumable() throws {
        let test = try TestSpool()
        let path = test.directory.file("recovered.db")
        // As it may come out of .dump or .recover.
        try sqlite3(path, "VACUUM", options: ["-cmd", "PRAGMA auto_vacuum = NONE"])
        let dump = try sqlite3(test.path, ".dump")
        try sqlite3(path, "PRAGMA application_id = \(Schema.applicationID); PRAGMA user_version = \(Schema.version)")
        try sqlite3(path, dump)
        let spool = try Spool(path: path)
        let message = [UInt8](repeating: 65, count: 1_000)
        for _ in 1...2_000 { try spool.append(message, stream: test.stream) }
        try Connection(path: path, mode: .readWrite).execute("DELETE FROM records WHERE rowid % 5 > 0")
        #expect(try Connection(path: path, mode: .readOnly).integer("PRAGMA freelist_count") > 256)
        try SpoolMaintenance(spool: spool, reader: SpoolReader(path: path)).whileIdle { true }
        #expect(try Connection(path: path, mode: .readOnly).integer("PRAGMA freelist_count") > 256)
        #expect(try size(path + "-wal") <= Self.mebibyte)
    }

    @Test("keeps the log short while records come and go")
    func busy() throws {
        let test = try TestSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
        var longest = 0
        for _ in 1...100 {
            try test.appendGroups(2)
            try test.deliverAll()
            try maintenance.whileBusy()
            longest = try max(longest, test.walBytes)
        }
        // 4,096 pages, and what one round adds.
        #expect(longest > 8 * Self.mebibyte)
        #expect(longest < 24 * Self.mebibyte)
        #expect(try size(test.path) < 4 * Self.mebibyte)
        #expect(try SpoolStatus.read(path: test.path).delivered == 200_000)
        #expect(try integrity(of: test.path) == "ok")
    }

    @Test("bears a reader that keeps an old snapshot, and catches up when it is gone")
    func reader() throws {
        let test = try TestSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
        try test.append()
        let other = try Connection(path: test.path, mode: .readOnly)
        try other.execute("BEGIN")
        #expect(try other.integer("SELECT count(*) FROM records") == 1)

        try test.appendGroups(20, bytes: 1_000)
        try maintenance.whileBusy()
        try test.deliverAll()
        try maintenance.whileIdle { true }
        #expect(try other.integer("SELECT count(*) FROM records") == 1)
        #expect(try test.ids() == [])
        try test.append(3)

        try other.execute("COMMIT")
        try maintenance.whileIdle { true }
        #expect(try test.walBytes <= Self.mebibyte)
        #expect(try test.ids().count == 3)
        #expect(try integrity(of: test.path) == "ok")
    }

    @Test("cuts what a reader has made of the log's file when that is gone, though records come and go")
    func cutsLongLog() throws {
        let test = try TestSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
        try test.append()
        let other = try Connection(path: test.path, mode: .readOnly)
        try other.execute("BEGIN")
        #expect(try other.integer("SELECT count(*) FROM records") == 1)
        try test.appendGroups(50, bytes: 1_000)
        try maintenance.whileBusy()
        // More than twice the length at which it begins anew.
        #expect(try test.walBytes > 40 * Self.mebibyte)
        try other.execute("COMMIT")
        try maintenance.whileBusy()
        #expect(try test.walBytes <= Self.mebibyte)
        #expect(try test.ids().count == 50_001)
    }

    @Test("keeps a commit from starting the log anew, which it would have to sync, until the log is let go")
    func pinning() throws {
        let test = try TestSpool()
        let reader = try SpoolReader(path: test.path)
        try test.append(100)
        let pages = test.spool.walPages
        try reader.connection.pinningWAL { unpin throws(SpoolError) in
            try Connection(path: test.path, mode: .readWrite).execute("PRAGMA wal_checkpoint(PASSIVE)")
            _ = spoolError { try test.append() }
            #expect(test.spool.walPages > pages)
            try unpin()
            try Connection(path: test.path, mode: .readWrite).execute("PRAGMA wal_checkpoint(PASSIVE)")
            _ = spoolError { try test.append() }
            #expect(test.spool.walPages < pages)
        }
        #expect(try test.ids().count == 102)
    }

    @Test("leaves the uploader's reader with the newest records, though it fails")
    func failure() throws {
        let test = try TestSpool()
        let reader = try SpoolReader(path: test.path)
        let failure = SpoolError(.busy, path: test.path, message: "for the test")
        for isUnpinned in [false, true] {
            let error = spoolError {
                try reader.connection.pinningWAL { unpin throws(SpoolError) in
                    if isUnpinned { try unpin() }
                    throw failure
                }
            }
            #expect(error == failure)
            let id = try test.append()[0]
            #expect(try reader.lastID() == id)
        }
    }

    @Test("is not needed for the log to have a bound: a commit empties it when nobody else does")
    func noUploader() throws {
        let test = try TestSpool()
        let message = [UInt8](repeating: 65, count: 256 << 10)
        for _ in 1...600 { try test.spool.append(message, stream: test.stream) }
        // 150 MiB went through a log that is emptied at 64 MiB.
        #expect(try test.walBytes < 66 * Self.mebibyte)
        #expect(try test.ids().count == 600)
    }

    @Test("is not needed either while a reader keeps the log from being emptied: no record is lost or refused")
    func noUploaderButReader() throws {
        let test = try TestSpool()
        try test.append()
        let other = try Connection(path: test.path, mode: .readOnly)
        try other.execute("BEGIN")
        #expect(try other.integer("SELECT count(*) FROM records") == 1)
        let message = [UInt8](repeating: 65, count: 256 << 10)
        for _ in 1...400 { try test.spool.append(message, stream: test.stream) }
        #expect(try test.walBytes > 100 * Self.mebibyte)
        #expect(try test.ids().count == 401)
        try other.execute("COMMIT")
    }

    @Test("gives back what a flood has left though records never cease, and cuts the log", arguments: [true, false])
    func neverIdle(hasBacklog: Bool) throws {
        let test = try TestSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
        try test.appendGroups(20, bytes: 1_000)
        try test.deliverAll()
        #expect(try test.walBytes > 8 * Self.mebibyte)
        #expect(try test.number("PRAGMA freelist_count") > 4_000)
        let kept = hasBacklog ? try test.append(200) : []
        // Two minutes of a service that logs ten records a second, most of which are delivered.
        for second in 0..<120 {
            let ids = try test.append(10)
            try maintenance.whileLogging(at: 1_000_000 + Int64(second) * 1_000) { true }
            try test.spool.begin(test.range(ids[0], ids[9]))
            try test.spool.acknowledgeAndFinish(test.range(ids[0], ids[9]), refused: [], delivered: 10)
        }
        #expect(try size(test.path) < 2 * Self.mebibyte)
        #expect(try test.walBytes < 6 * Self.mebibyte)
        #expect(try test.ids() == kept)
        #expect(try integrity(of: test.path) == "ok")
    }

    @Test("gives nothing back that is needed again and again")
    func busyPages() throws {
        let test = try TestSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
        var log = 0
        for second in 0..<70 {
            try test.appendGroups(2, bytes: 1_000)
            try maintenance.whileLogging(at: 1_000_000 + Int64(second) * 1_000) { true }
            try test.deliverAll()
            try maintenance.whileLogging(at: 1_000_500 + Int64(second) * 1_000) { true }
            let length = try test.walBytes
            #expect(length >= log, "the file of the log was cut")
            log = length
        }
        #expect(try test.number("PRAGMA freelist_count") > 400)
    }
}
