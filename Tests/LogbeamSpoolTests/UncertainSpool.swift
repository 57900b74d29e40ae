import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// A spool on a disk whose syncs can be made to fail.
final class UncertainSpool {
    private let directory: TemporaryDirectory
    let disk: TestDisk
    private var opened: Spool?
    var spool: Spool { opened! }
    private let stream: Int64
    private(set) var ids: [Int64] = []

    init(_ options: Spool.Options = Spool.Options()) throws {
        directory = try TemporaryDirectory.inMemory()
        disk = TestDisk(directory: directory.path)
        var options = options
        options.clock = { 0 }
        let spool = try Spool(path: directory.file("spool.db"), options: options)
        opened = spool
        stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
    }

    func open(_ options: Spool.Options) throws {
        opened = try Spool(path: directory.file("spool.db"), options: options)
    }

    /// The disk takes nothing for a while.
    func failToSync() throws {
        disk.setFault(.init([.sync], first: 1, lasts: true, code: 10 | 4 << 8))
        #expect(spoolError { try spool.sync() }?.kind == .failedIO)
        disk.setFault(nil)
    }

    /// Copies a part of the log into the file, and the sync of that fails.
    func failToSyncCopy() throws {
        let maintenance = try SpoolMaintenance(spool: spool, reader: SpoolReader(path: spool.path))
        let reader = try SpoolFile.openForReading(path: spool.path)
        try append(200)
        try spool.sync()
        // What nobody knows of is no part of it.
        try spool.walMonitor.writeAgain(by: try SpoolFile.openAgain(path: spool.path, .readWrite))
        let before = disk.events.count
        try reader.pinningWAL { _ in
            try? append(3)
            // The first is of the log.
            disk.setFault(.init([.sync], first: 2, code: 10 | 4 << 8))
            #expect(spoolError { try maintenance.restartWAL(0) }?.kind == .failedIO)
        }
        disk.setFault(nil)
        let events = disk.events[before...]
        let failed = events.compactMap { if case .failedSync(let file) = $0 { file } else { nil } }
        let isCopied = events.contains { if case .write(let file, _, _) = $0 { [file] == failed } else { false } }
        #expect(isCopied, "pages were copied into the file whose sync failed")
    }

    /// Each takes a page.
    func append(_ count: Int, to other: Spool? = nil) throws {
        let message = String(repeating: "x", count: 3_000)
        for _ in 0..<count { ids.append(try (other ?? spool).append(message, stream: stream, timestamp: 1)) }
    }

    func close() { opened = nil }

    func walSalt() throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: spool.path + "-wal"))[16..<24]
    }

    /// Those that are there if the power is cut now, and nothing is left that was not synced.
    ///
    /// - Parameter namesAreSynced: what was deleted is gone.
    func idsAfterPowerCut(namesAreSynced: Bool = false) throws -> [Int64] {
        var state = DiskAfterPowerCut()
        for event in disk.events { state.apply(event) }
        if namesAreSynced { state.apply(.syncDirectory) }
        var random = SeededGenerator(seed: 1)
        let image = try TemporaryDirectory.inMemory()
        for (name, bytes) in state.files(.allLost, using: &random) {
            try Data(bytes).write(to: URL(fileURLWithPath: image.file(name)))
        }
        let path = image.file("spool.db")
        // Reads what the log holds into the file.
        _ = try Spool(path: path)
        #expect(try integrity(of: path) == "ok")
        return try SQLiteShell.query("SELECT id FROM records ORDER BY id", in: path).compactMap { Int64($0) }
    }
}
