import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization

@testable import LogbeamSpool

/// All that a random workload did to the files of a spool, from before it was made, and what it was promised meanwhile.
struct PowerCutHistory {
    /// What the spool promises of what has returned.
    enum Level: Sendable, CaseIterable {
        /// That the last of it alone may be missing.
        case processCrash
        /// That what was synced is there, and all before it.
        case synced
        /// That all of it is there.
        case powerLoss
    }

    /// What the workload knew when it wrote a note into the history.
    enum Note: Sendable {
        /// This record was committed.
        case appended(Int64)
        /// These records were committed before the disk was synced.
        case synced([Int64])
        /// Everything that was begun has returned.
        case returned
        /// These records may leave the spool from here on.
        case releasing([Int64])
    }

    let events: [TestDisk.Event]
    let notes: [Note]

    init(level: Level, seed: UInt64, steps: Int = 60) throws {
        var workload = try Workload(level: level, seed: seed)
        for _ in 0..<steps { try workload.step() }
        events = workload.disk.events
        notes = workload.notes.all
    }
}

extension PowerCutHistory {
    /// How often the log was deleted, was cut to nothing, was begun (with a head of 32 bytes), and the file was made
    /// shorter.
    var turns: (deletions: Int, cuts: Int, beginnings: Int, shrinkings: Int) {
        var turns = (deletions: 0, cuts: 0, beginnings: 0, shrinkings: 0)
        var spoolFile = 0
        var size = 0
        for event in events {
            switch event {
            case .adopt("spool.db", let file, _): spoolFile = file
            case .delete("spool.db-wal"): turns.deletions += 1
            case .write(let file, let offset, let bytes):
                if file == spoolFile { size = max(size, offset + bytes.count) }
                if file != spoolFile, offset == 0, bytes.count == 32 { turns.beginnings += 1 }
            case .truncate(spoolFile, let newSize):
                if newSize < size { turns.shrinkings += 1 }
                size = newSize
            case .truncate(_, 0): turns.cuts += 1
            default: break
            }
        }
        return turns
    }
}

/// Does one thing after the other to a spool.
private struct Workload {
    let disk: TestDisk
    let notes: Notes
    private let directory: TemporaryDirectory
    private let level: PowerCutHistory.Level
    private var random: SeededGenerator
    private var parts: Parts?
    private var streams: [Int64] = []
    /// How often the failure of a sync may still be heard of.
    private var oldFailures = 0

    /// The notes and where they stand in the history; for any thread.
    final class Notes: Sendable {
        private let disk: TestDisk
        private let notes = Mutex<[PowerCutHistory.Note]>([])

        init(disk: TestDisk) { self.disk = disk }

        var all: [PowerCutHistory.Note] { notes.withLock { $0 } }

        /// Appends a record, syncs the disk if told so, and notes both.
        func append(_ message: [UInt8], stream: Int64, isSynced: Bool, _ spool: Spool) throws {
            add(.appended(try spool.append(message, stream: stream)))
            guard isSynced else { return }
            let before = all.compactMap { if case .appended(let id) = $0 { id } else { nil } }
            try spool.sync()
            add(.synced(before))
        }

        func add(_ note: PowerCutHistory.Note) {
            notes.withLock { notes in
                notes.append(note)
                disk.note(notes.count - 1)
            }
        }
    }

    /// What is made anew when the spool is opened again.
    private struct Parts {
        let spool: Spool
        let reader: SpoolReader
        let maintenance: SpoolMaintenance

        init(path: String, level: PowerCutHistory.Level) throws {
            var options = Spool.Options(powerLossSafe: level == .powerLoss, commitTimeout: .seconds(30))
            options.clock = { 0 }
            spool = try Spool(path: path, options: options)
            reader = try SpoolReader(path: path)
            maintenance = try SpoolMaintenance(spool: spool, reader: reader)
        }
    }

    init(level: PowerCutHistory.Level, seed: UInt64) throws {
        self.level = level
        random = SeededGenerator(seed: seed)
        directory = try .inMemory()
        disk = TestDisk(directory: directory.path)
        notes = Notes(disk: disk)
        try open()
        streams = try ["one", "two"].map {
            try current.spool.streamID(for: Destination(logGroup: "group", logStream: $0))
        }
        notes.add(.returned)
    }

    private mutating func open() throws {
        // The last connection that closes empties the log and deletes it.
        parts = nil
        parts = try Parts(path: directory.file("spool.db"), level: level)
    }

    private var current: Parts {
        get throws { if let parts { parts } else { throw CancellationError() } }
    }

    mutating func step() throws {
        let action = Int.random(in: 0..<100, using: &random)
        do {
            if action < 4 { try open() } else { try act(action, current) }
        } catch let error as SpoolError where error.kind == .failedIO && oldFailures > 0 {
            // Each connection hears once of a sync that failed, whenever it makes its own.
            oldFailures -= 1
        }
        notes.add(.returned)
    }

    private mutating func act(_ action: Int, _ parts: Parts) throws {
        let spool = parts.spool
        let stream = streams[Int.random(in: 0..<streams.count, using: &random)]
        switch action {
        case ..<30:
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                try notes.append(message(), stream: stream, isSynced: isSynced(), spool)
                notes.add(.returned)
            }
        case ..<38: try appendGroup(Int.random(in: 2...30, using: &random), to: stream, spool)
        // More than one slice of an acknowledgement.
        case ..<40: try appendGroup(700, to: stream, spool)
        case ..<48: try appendOnThreads(parts)
        case ..<68: try deliver(stream, parts)
        case ..<73:
            let records = try pending(stream, parts).filter { _ in Bool.random(using: &random) }
            notes.add(.releasing(records))
            try spool.reject(records.map { RefusedRecord(id: $0, reason: .tooOld) })
        case ..<77:
            try spool.noteAndTell(Gap(stream: stream, reason: "disk full", records: 3, first: 1_000, last: 2_000))
        case ..<79: try spool.noteFailure(stream: stream, message: "HTTP 503", failures: 1)
        case ..<81: try spool.requestFlush(through: WallClock.microseconds())
        case ..<84: try parts.maintenance.whileIdle { true }
        case ..<89: try spool.write { writer throws(SpoolError) in try writer.vacuum(pages: 10) }
        // PASSIVE, FULL, RESTART and TRUNCATE (https://www.sqlite.org/c3ref/c_checkpoint_full.html).
        default:
            let mode = Int32.random(in: 0...3, using: &random)
            guard Int.random(in: 0..<3, using: &random) == 0 else {
                try parts.maintenance.restartWAL(mode)
                return
            }
            // Some sync of it fails: SQLITE_IOERR_FSYNC.
            disk.setFault(.init([.sync], first: Int.random(in: 1...6, using: &random), code: 10 | 4 << 8))
            _ = try? parts.maintenance.restartWAL(mode)
            if disk.failedCalls > 0 { oldFailures = 4 }
            disk.setFault(nil)
        }
    }

    private mutating func appendGroup(_ count: Int, to stream: Int64, _ spool: Spool) throws {
        let message = count > 100 ? [UInt8](repeating: 120, count: 20) : message()
        try spool.appendGroup(of: count, message, stream: stream)
    }

    /// While the log is emptied and begun anew beside them.
    private mutating func appendOnThreads(_ parts: Parts) throws {
        let messages = (0..<4).map { _ in (0..<3).map { _ in (message(), isSynced()) } }
        let (streams, notes, spool) = (streams, notes, parts.spool)
        // Used by one of the threads alone, and by nobody else until all have come back.
        nonisolated(unsafe) let maintenance = parts.maintenance
        let failures = Mutex<[any Error]>([])
        DispatchQueue.concurrentPerform(iterations: messages.count + 1) { thread in
            do {
                guard thread < messages.count else {
                    // RESTART.
                    for _ in 0..<3 { try maintenance.restartWAL(2) }
                    return
                }
                for (message, isSynced) in messages[thread] {
                    let stream = streams[thread % streams.count]
                    try notes.append(message, stream: stream, isSynced: isSynced, spool)
                }
            } catch {
                failures.withLock { $0.append(error) }
            }
        }
        if let failure = failures.withLock({ $0.first }) { throw failure }
    }

    private mutating func deliver(_ stream: Int64, _ parts: Parts) throws {
        let ids = try pending(stream, parts)
        guard let first = ids.first, let last = ids.randomElement(using: &random) else { return }
        let range = BatchRange(stream: stream, first: first, last: last, latest: .max)
        try parts.spool.begin(range)
        notes.add(.returned)
        guard Int.random(in: 0..<5, using: &random) > 0 else { return try parts.spool.abandon(range) }
        let batch = ids.filter { $0 <= last }
        let refused = batch.filter { _ in Int.random(in: 0..<10, using: &random) == 0 }
        notes.add(.releasing(batch))
        try parts.spool.acknowledgeAndFinish(
            range,
            refused: refused.map { RefusedRecord(id: $0, reason: .tooOld) },
            delivered: batch.count - refused.count
        )
    }

    private func pending(_ stream: Int64, _ parts: Parts) throws -> [Int64] {
        try parts.reader.headers(after: 0).headers.filter { $0.stream == stream }.map(\.id)
    }

    private mutating func isSynced() -> Bool {
        level == .synced && Int.random(in: 0..<4, using: &random) == 0
    }

    /// Some fit on a page with others, some take several pages.
    private mutating func message() -> [UInt8] {
        let longest = [150, 150, 150, 150, 2_000, 15_000].randomElement(using: &random) ?? 0
        return (0..<Int.random(in: 0...longest, using: &random)).map { _ in UInt8.random(in: 97...122, using: &random) }
    }
}

extension TemporaryDirectory {
    /// Where syncing costs nothing, if the system has such a place.
    static func inMemory() throws -> TemporaryDirectory {
        let memory = "/dev/shm"
        return try TemporaryDirectory(in: FileManager.default.isWritableFile(atPath: memory) ? memory : nil)
    }
}
