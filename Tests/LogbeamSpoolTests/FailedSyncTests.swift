import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// After a sync that failed, the next one succeeds, though what was written before is not on the disk.
@Suite("After a sync that failed", .onOwnThreads)
struct FailedSyncTests {
    /// SQLITE_IOERR_FSYNC.
    static let code: Int32 = 10 | 4 << 8

    @Test("of the log, the next one has what was committed before it kept too")
    func log() throws {
        let test = try UncertainSpool()
        try test.append(3)
        try test.spool.sync()
        try test.append(3)
        try test.failToSync()
        #expect(try test.idsAfterPowerCut() == Array(test.ids.prefix(3)))
        try test.append(3)
        try test.spool.sync()
        #expect(try test.idsAfterPowerCut() == test.ids)
        try test.append(1)
        try test.spool.sync()
        #expect(try test.idsAfterPowerCut() == test.ids)
    }

    @Test("of the log, it is written again at once")
    func atOnce() throws {
        let test = try UncertainSpool()
        try test.append(3)
        test.disk.setFault(.init([.sync], first: 1, code: Self.code))
        try test.spool.sync()
        #expect(test.disk.failedCalls == 1)
        #expect(try test.idsAfterPowerCut() == test.ids)
    }

    @Test("of the log, the next one succeeds where all of that is in the database, and its file empty")
    func emptyWAL() throws {
        let test = try UncertainSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.spool.path))
        try test.append(3)
        try test.failToSync()
        // SQLITE_CHECKPOINT_TRUNCATE, by who has nothing to write afterwards.
        let other = try Connection(path: test.spool.path, mode: .readWrite)
        try other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        #expect(try FileManager.default.attributesOfItem(atPath: test.spool.path + "-wal")[.size] as? Int == 0)
        try test.spool.sync()
        #expect(eventually { (try? maintenance.restartWAL(2)) == true })
        #expect(try test.idsAfterPowerCut() == test.ids)
    }

    @Test("of the log for a copy, a record that is synced later is on the disk")
    func logForCopy() throws {
        let test = try UncertainSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.spool.path))
        // The first ones of all write again what nobody knows of.
        try test.spool.sync()
        try maintenance.restartWAL(2)
        try test.append(3)
        test.disk.setFault(.init([.sync], first: 1, code: Self.code))
        #expect(spoolError { try maintenance.restartWAL(2) }?.kind == .failedIO)
        try test.spool.sync()
        #expect(try test.idsAfterPowerCut() == test.ids)
    }

    @Test("nothing is copied out of the log before what the disk may lack is written again")
    func copiesNothing() throws {
        let test = try UncertainSpool()
        try test.append(3)
        let other = try SpoolFile.openAgain(path: test.spool.path, .readWrite)
        let monitor = test.spool.walMonitor
        monitor.noteWALFailure()
        // SQLITE_CHECKPOINT_RESTART.
        #expect(!monitor.checkpoint(by: other, 2))
        try monitor.writeAgain(by: other)
        #expect(monitor.checkpoint(by: other, 2))
    }

    @Test("of a commit, a record that is committed later is on the disk, with what another process committed before")
    func commit() throws {
        let test = try UncertainSpool(Spool.Options(powerLossSafe: true))
        // It does not sync.
        let other = try Spool(path: test.spool.path)
        try test.append(1)
        try test.append(1, to: other)
        test.disk.setFault(.init([.sync], first: 1, code: Self.code))
        try test.append(1)
        #expect(test.disk.failedCalls == 1)
        #expect(try test.idsAfterPowerCut() == test.ids)
        test.disk.setFault(.init([.sync], first: 1, lasts: true, code: Self.code))
        #expect(spoolError { try test.append(1) }?.kind == .failedIO)
        test.disk.setFault(nil)
        try test.append(1)
        #expect(try test.idsAfterPowerCut() == test.ids)
    }

    @Test("of another process, a commit is tried twice, for the first one hears of that")
    func heardLate() throws {
        let test = try UncertainSpool(Spool.Options(powerLossSafe: true))
        let other = try Spool(path: test.spool.path)
        try test.append(1, to: other)
        let stream = Destination(logGroup: "group", logStream: "new")
        for body in [{ try test.append(1) }, { _ = try test.spool.streamID(for: stream) }] {
            test.disk.setFault(.init([.sync], first: 1, code: Self.code))
            try other.sync()
            #expect(test.disk.failedCalls == 1)
            try body()
        }
        #expect(try test.idsAfterPowerCut() == test.ids)
    }

    @Test(
        "what the disk may still lack when a process ends, the next one has on the disk before it promises more",
        arguments: [true, false]
    )
    func restarted(syncsCommits: Bool) throws {
        let test = try UncertainSpool()
        try test.append(3)
        try test.spool.sync()
        try test.append(3)
        try test.failToSync()
        test.close()
        try test.open(Spool.Options(powerLossSafe: syncsCommits))
        try test.append(1)
        if !syncsCommits { try test.spool.sync() }
        #expect(try test.idsAfterPowerCut() == test.ids)
    }

    @Test("of the log, what the kernel reads again from before it is not taken for what was written")
    func reverted() throws {
        let test = try UncertainSpool()
        try test.append(3)
        try test.spool.sync()
        let log = URL(fileURLWithPath: test.spool.path + "-wal")
        let before = try Data(contentsOf: log)
        try test.append(3)
        try test.failToSync()
        // Pages that count as written may go from the cache.
        let rest = try Data(contentsOf: log).count - before.count
        let file = try FileHandle(forWritingTo: log)
        try file.write(contentsOf: before + Data(repeating: 0, count: rest))
        try file.close()
        #expect(spoolError { try test.spool.sync() }?.kind == .damaged)
        #expect(test.spool.walMonitor.hasSyncFailure)
    }

    @Test("of the database, a record that is to be on the disk needs the log alone")
    func copyAlone() throws {
        let test = try UncertainSpool(Spool.Options(powerLossSafe: true))
        try test.append(1)
        test.spool.walMonitor.noteFailure()
        try test.append(1)
        #expect(test.spool.walMonitor.hasSyncFailure)
        try test.spool.walMonitor.writeAgain(by: try SpoolFile.openAgain(path: test.spool.path, .readWrite))
        #expect(!test.spool.walMonitor.hasSyncFailure)
    }

    @Test("a record waits no longer than it may for what is to be written again")
    func noWait() throws {
        let test = try UncertainSpool(Spool.Options(powerLossSafe: true, commitTimeout: .zero))
        try test.append(1)
        let other = try Connection(path: test.spool.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        let time = ContinuousClock().measure {
            for _ in 0..<40 {
                test.spool.walMonitor.noteWALFailure()
                #expect(spoolError { try test.append(1) }?.kind == .busy)
            }
        }
        // A second for each would be too long.
        #expect(time < .seconds(30))
    }

    @Test(
        "what the disk may lack is written again where nobody uploads, and the log begins anew",
        arguments: [SpoolLimit(bytes: 2 << 20), nil]
    )
    func withoutUploads(limit: SpoolLimit?) throws {
        var options = Spool.Options(limit: limit)
        // The disk is looked at every 97 pages.
        options.freeSpace = { _ in 4 << 20 }
        let test = try UncertainSpool(options)
        test.spool.walMonitor.noteFailure()
        try test.append(200)
        #expect(!test.spool.walMonitor.hasSyncFailure)
        // That without a limit is copied at 64 MiB.
        if limit != nil { #expect(test.spool.walPages < 200) }
    }

    @Test("a spool that its log takes all the room of names the disk, and no reader")
    func refused() throws {
        let test = try UncertainSpool(Spool.Options(limit: SpoolLimit(bytes: 2 << 20, whenFull: .dropNewest)))
        test.disk.setFault(.init([.sync], first: 1, lasts: true, code: Self.code))
        let error = spoolError { try test.append(1_000) }
        #expect(
            error?.kind == .failedIO && error?.message.contains("the disk did not take") == true,
            "\(String(describing: error))"
        )
        test.disk.setFault(nil)
        try test.append(1)
    }

    @Test("what the disk may lack stays known where the file is opened anew")
    func reopened() throws {
        let live = try LiveFixture()
        let before = live.spool.current
        try before.spool.walMonitor.noteWALFailure()
        // The file is sound, and what is open is at odds with it.
        let error = SpoolError(.damaged, path: live.path, message: "")
        #expect(live.spool.replace(before, after: error, isThorough: false))
        #expect(live.spool.current !== before)
        #expect(try live.spool.current.spool.walMonitor.hasSyncFailure)
    }

    @Test("who commits does not wait for the disk while the log is written again")
    func whileSyncing() async throws {
        let test = try UncertainSpool()
        try test.append(3)
        // The first one of all writes again what nobody knows of.
        try test.spool.sync()
        test.spool.walMonitor.noteWALFailure()
        let (first, gate) = (Gate(), Gate())
        test.disk.hold(.sync, at: first)
        let (disk, spool) = (test.disk, test.spool)
        async let sync: Void = onOwnThread { try spool.sync() }
        try await onOwnThread {
            // The one before, which says nothing.
            #expect(first.waitForArrivals())
            disk.hold(.sync, at: gate)
            first.open()
            #expect(gate.waitForArrivals())
            // Until all of it is on the disk, it does not count as written.
            #expect(spool.walMonitor.hasSyncFailure)
            let hasty = try Spool(path: spool.path, options: .init(commitTimeout: .milliseconds(100)))
            #expect(throws: Never.self) { try hasty.append("", stream: 1, timestamp: 1) }
            gate.open()
        }
        try await sync
        #expect(!spool.walMonitor.hasSyncFailure)
    }

    @Test("who commits while the log is written again does not wait, and does not begin it anew")
    func whileOthersWrite() async throws {
        let test = try UncertainSpool()
        try test.append(3)
        test.spool.walMonitor.noteWALFailure()
        // All of the log is copied, so that a reader does not keep it.
        try Connection(path: test.spool.path, mode: .readWrite).execute("PRAGMA wal_checkpoint(FULL)")
        let salt = try test.walSalt()
        let gate = Gate()
        test.disk.hold(.write, at: gate)
        let (disk, spool) = (test.disk, test.spool)
        async let sync: Void = onOwnThread { try spool.sync() }
        let last = try await onOwnThread {
            defer { gate.open() }
            #expect(gate.waitForArrivals())
            disk.hold(.write, at: nil)
            let hasty = try Spool(path: spool.path, options: .init(commitTimeout: .milliseconds(100)))
            return try hasty.append("", stream: 1, timestamp: 1)
        }
        try await sync
        #expect(try test.walSalt() == salt)
        #expect(try test.idsAfterPowerCut() == test.ids + [last])
    }

    @Test("nothing is written to a log that was put in the place of the spool's own, whose writers take another lock")
    func anotherLog() throws {
        let test = try UncertainSpool()
        try test.append(3)
        var log = try Data(contentsOf: URL(fileURLWithPath: test.spool.path + "-wal"))
        log[16] ^= 1
        // In a file of its own.
        try log.write(to: URL(fileURLWithPath: test.spool.path + "-wal"), options: .atomic)
        let before = test.disk.events.count
        #expect(spoolError { try test.spool.sync() }?.message == "another log lies in the place of its own")
        let other = try SpoolFile.openAgain(path: test.spool.path, .readWrite)
        #expect(spoolError { try other.syncWALAgain() }?.kind == .busy)
        #expect(!test.disk.events[before...].contains { if case .write = $0 { true } else { false } })
    }

    /// When a reader keeps the log from being copied to its end.
    enum Reader: CaseIterable { case never, atFirst, always }

    @Test("of whatever while the log is copied, nothing of it is lost when it begins anew", arguments: Reader.allCases)
    func copying(reader: Reader) throws {
        var first = 1
        while try copy(reader, failing: first, lasts: false) { first += 1 }
        #expect(first > 3)
        for last in 1..<first { _ = try copy(reader, failing: last, lasts: true) }
    }

    /// False if there were not so many syncs.
    private func copy(_ presence: Reader, failing first: Int, lasts: Bool) throws -> Bool {
        let comment: Comment = "sync \(first)\(lasts ? " and all later ones" : ""), a reader \(presence)"
        let test = try UncertainSpool()
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.spool.path))
        let checkpointer = try Checkpointer(spool: test.spool)
        let reader = try SpoolFile.openForReading(path: test.spool.path)
        try test.spool.sync()
        test.disk.setFault(.init([.sync], first: first, lasts: lasts, code: Self.code))
        func whileReading(_ isReading: Bool, _ body: () -> Void) throws {
            if isReading { try reader.pinningWAL { _ in body() } } else { body() }
        }
        // Where a log that begins anew is not synced, SQLite refuses the commit.
        try? test.append(3)
        try whileReading(presence != .never) {
            try? test.append(Checkpointer.part)
            _ = spoolError { try checkpointer.checkpoint() }
            try? test.append(3)
        }
        try whileReading(presence == .always) {
            _ = spoolError { try maintenance.restartWAL(1) }
            try? test.append(3)
            _ = spoolError { try maintenance.restartWAL(2) }
        }
        let isHit = test.disk.failedCalls > 0
        test.disk.setFault(nil)
        // All that have the files open hear of it.
        for _ in 0..<3 { _ = try? maintenance.restartWAL(2) }
        #expect(try maintenance.restartWAL(2))
        let salt = try test.walSalt()
        try test.append(1)
        #expect(try maintenance.restartWAL(2), comment)
        #expect(try test.walSalt() != salt, "the log begins anew again; \(comment)")
        try test.spool.sync()
        #expect(try test.idsAfterPowerCut() == test.ids, comment)
        return isHit
    }
}
