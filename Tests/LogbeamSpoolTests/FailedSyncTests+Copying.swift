import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// Where the sync that failed was of the database: pages that were copied out of the log.
extension FailedSyncTests {
    @Test(
        "of the database, who closes it last copies again what the disk may lack, or leaves the log where the disk takes nothing",
        arguments: [true, false]
    )
    func closing(lasts: Bool) throws {
        let test = try UncertainSpool()
        try test.failToSyncCopy()
        let log = test.spool.path + "-wal"
        if lasts { test.disk.setFault(.init([.sync], first: 1, lasts: true, code: Self.code)) }
        test.close()
        test.disk.setFault(nil)
        #expect(FileManager.default.fileExists(atPath: log) == lasts)
        #expect(try test.idsAfterPowerCut(namesAreSynced: true) == test.ids)
    }

    @Test("who does not close it last leaves to others what the disk may lack")
    func notLast() throws {
        let test = try UncertainSpool()
        try test.append(3)
        let other = try SpoolFile.openAgain(path: test.spool.path, .readWrite)
        let before = test.disk.events.count
        test.close()
        #expect(test.disk.events.count == before)
        withExtendedLifetime(other) {}
    }

    /// What another process does in which the log begins anew, or is deleted.
    enum NewWAL: CaseIterable { case emptied, commit, close }

    @Test(
        "what was copied out of the log and the disk may lack, another process copies again before the log begins anew",
        arguments: NewWAL.allCases
    )
    func copiedByAnother(_ newWAL: NewWAL) throws {
        let test = try UncertainSpool()
        try test.failToSyncCopy()
        var options = Spool.Options(limit: newWAL == .commit ? SpoolLimit(bytes: 16 << 20) : nil)
        options.clock = { 0 }
        var other: Spool? = try Spool(path: test.spool.path, options: options)
        switch newWAL {
        case .emptied:
            let spool = try #require(other)
            let its = try SpoolMaintenance(spool: spool, reader: SpoolReader(path: spool.path))
            // SQLITE_CHECKPOINT_TRUNCATE.
            #expect(try its.restartWAL(3))
        case .commit:
            let salt = try test.walSalt()
            // The first one begins the log anew as soon as the other has copied it.
            for _ in 0..<2_000 where try test.walSalt() == salt {
                try test.append(1, to: other)
                try test.append(1)
            }
            #expect(try test.walSalt() != salt)
            try other?.sync()
        case .close:
            let log = test.spool.path + "-wal"
            try test.append(1, to: other)
            test.close()
            other = nil
            #expect(!FileManager.default.fileExists(atPath: log))
        }
        #expect(try test.idsAfterPowerCut(namesAreSynced: true) == test.ids)
    }

    @Test("while a transaction is written: what was written of it the disk may lack too, so it is waited for")
    func underWay() async throws {
        let test = try UncertainSpool()
        try test.append(3)
        try test.spool.sync()
        let (disk, spool) = (test.disk, test.spool)
        let (first, second) = (Gate(), Gate())
        disk.hold(.write, at: first)
        async let batch = onOwnThread {
            let message = [UInt8](repeating: 120, count: 3_000)
            return try message.withUnsafeBufferPointer { bytes in
                try spool.append(Array(repeating: NewRecord(stream: 1, timestamp: 1, message: bytes), count: 6))
            }
        }
        try await onOwnThread {
            #expect(first.waitForArrivals())
            disk.hold(.write, at: second)
            first.open()
            // One frame is written.
            #expect(second.waitForArrivals())
            disk.hold(.write, at: nil)
            disk.setFault(.init([.sync], first: 1, code: 10 | 4 << 8))
            #expect(spoolError { try spool.sync() }?.kind == .busy)
            #expect(disk.failedCalls == 1)
            disk.setFault(nil)
            #expect(spool.walMonitor.hasSyncFailure)
            second.open()
        }
        let last = try await batch
        try test.append(1)
        try spool.sync()
        #expect(!spool.walMonitor.hasSyncFailure)
        #expect(try test.idsAfterPowerCut() == test.ids.dropLast() + Array(last - 5...last) + test.ids.suffix(1))
    }

    @Test("of the database, whoever has it open writes again what the disk may lack, though they hear of that then")
    func byAnotherConnection() throws {
        let test = try UncertainSpool()
        let other = try SpoolFile.openAgain(path: test.spool.path, .readWrite)
        try test.failToSyncCopy()
        try test.spool.walMonitor.writeAgain(by: other)
        #expect(!test.spool.walMonitor.hasSyncFailure)
        try other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        #expect(try test.idsAfterPowerCut() == test.ids)
    }

    @Test("of the database, nothing is copied again out of a log that is not what was written to it")
    func damagedWAL() throws {
        let test = try UncertainSpool()
        try test.append(3)
        let other = try SpoolFile.openAgain(path: test.spool.path, .readWrite)
        try other.execute("PRAGMA wal_checkpoint(FULL)")
        try other.verifyWAL()
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: test.spool.path + "-wal"))
        // In the page of the second frame.
        try file.seek(toOffset: 6_000)
        try file.write(contentsOf: Data("damage".utf8))
        try file.close()
        let events = test.disk.events.count
        #expect(spoolError { try other.checkpointAgain() }?.kind == .damaged)
        #expect(spoolError { try other.verifyWAL() }?.kind == .damaged)
        #expect(!test.disk.events[events...].contains { if case .write = $0 { true } else { false } })
    }
}
