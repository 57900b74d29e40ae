import Foundation
import LogbeamCore
import LogbeamTestSupport

@testable import LogbeamSpool

/// Cuts the power at some points of a history, and opens what may lie on the disk then.
///
/// Judges by the states that the spool went through, in the order of its commits: what is found must be one of them, whole,
/// and no earlier than the promise allows.
struct PowerCutReplay {
    /// What stands in a spool.
    private struct Contents: Equatable {
        var records: Set<Int64> = []
        /// Of all rows of all tables.
        var digest = 0
    }

    private let history: PowerCutHistory
    private let level: PowerCutHistory.Level
    private let directory = try! TemporaryDirectory.inMemory()
    private var random: SeededGenerator
    /// The states in the order of their commits, each with the number of events after which it was committed.
    private var states: [(events: Int, contents: Contents)] = []

    init(_ history: PowerCutHistory, level: PowerCutHistory.Level, seed: UInt64) throws {
        self.history = history
        self.level = level
        random = SeededGenerator(seed: seed)
        try findStates()
    }

    /// Where SQLite has committed: after a frame that says so in bytes 4 to 7 of its head
    /// (https://www.sqlite.org/fileformat2.html#wal_file_format). Head and page are one write, or two where a connection is
    /// not one of a spool's writer.
    private mutating func findStates() throws {
        var disk = DiskAfterPowerCut()
        // The log whose next write is the page of such a frame. A checkpoint on another thread may write in between.
        var committing: Int?
        for (index, event) in history.events.enumerated() {
            disk.apply(event)
            // Nothing is to be lost here, so nothing need be kept apart.
            if case .write(let file, _, _) = event { disk.apply(.sync(file: file)) }
            switch event {
            case .adopt(Self.name, _, _):
                states.append((index + 1, try look(at: disk.files(.allKept, using: &random))))
            case .write(let file, _, let bytes) where bytes.count == 24 && !states.isEmpty:
                committing = bytes[4..<8] != [0, 0, 0, 0] ? file : nil
            case .write(let file, _, let bytes)
            where file == committing || bytes.count == 24 + 4_096 && bytes[4..<8] != [0, 0, 0, 0] && !states.isEmpty:
                committing = nil
                let contents = try look(at: disk.files(.allKept, using: &random))
                if contents != states.last?.contents { states.append((index + 1, contents)) }
            default:
                break
            }
        }
    }

    /// Cuts the power after each of these numbers of events, in ascending order.
    mutating func run(cuts: [Int]) throws {
        var disk = DiskAfterPowerCut()
        var promise = Promise()
        var done = 0
        for cut in cuts {
            while done < cut {
                let event = history.events[done]
                done += 1
                disk.apply(event)
                keep(event, at: done, &promise)
            }
            for fate in DiskAfterPowerCut.Fate.allCases {
                do {
                    try check(disk.files(fate, using: &random), promise, cut: cut)
                } catch {
                    throw PowerCutFailure(cut: cut, fate: fate, reason: "\(error)")
                }
            }
        }
    }

    // MARK: What must be there

    private struct Promise {
        /// The number of the first state that may be found.
        var floor = -1
        var records: Set<Int64> = []
        /// Records that may be gone though they were promised.
        var released: Set<Int64> = []
        var lastID: Int64 = 0
        var hasReturned = false
        /// The number of the log's file.
        var log = 0
        /// Frames of it are not on the disk, and no sync brings them there.
        var isWALLossy = false
    }

    private func keep(_ event: TestDisk.Event, at count: Int, _ promise: inout Promise) {
        switch event {
        case .create(Self.name + "-wal", let file), .adopt(Self.name + "-wal", let file, _):
            promise.log = file
        case .failedSync(promise.log):
            promise.isWALLossy = true
        case .write(promise.log, 0, _):
            // It begins anew, or all of it is written again.
            promise.isWALLossy = false
        case .sync(promise.log) where !promise.isWALLossy:
            // What was committed before is in the log, or was copied and synced before the log began anew.
            promise.floor = max(promise.floor, states.lastIndex { $0.events <= count } ?? -1)
        case .note(let number):
            switch history.notes[number] {
            case .returned:
                promise.hasReturned = true
                guard level == .powerLoss else { return }
                promise.floor = states.lastIndex { $0.events <= count } ?? -1
            case .appended(let id):
                promise.lastID = max(promise.lastID, id)
                if level == .powerLoss { promise.records.insert(id) }
            case .synced(let ids):
                promise.records.formUnion(ids)
            case .releasing(let ids):
                promise.released.formUnion(ids)
            }
        default:
            break
        }
    }

    private static let name = "spool.db"

    private func check(_ files: [String: [UInt8]], _ promise: Promise, cut: Int) throws {
        guard files[Self.name] != nil || !promise.hasReturned else { throw Broken("the spool is gone") }
        let path = try lay(files)
        let contents: Contents
        do {
            let spool = try Spool(path: path)
            let integrity = try integrity(of: path)
            guard integrity == "ok" else { throw Broken(integrity) }
            contents = try Self.contents(path)
            let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "later"))
            let id = try spool.append("later", stream: stream)
            guard id > promise.lastID else { throw Broken("id \(id) is used again") }
        }
        guard files[Self.name] != nil else { return }
        let lost = promise.records.subtracting(promise.released).subtracting(contents.records)
        guard lost.isEmpty else { throw Broken("lost records: \(lost.sorted())") }
        let known = states.prefix { $0.events <= cut }.lastIndex { $0.contents == contents }
        guard let known else { throw Broken("the spool was never like this") }
        guard known >= promise.floor else { throw Broken("found state \(known), and \(promise.floor) is durable") }
    }

    // MARK: Files

    private func lay(_ files: [String: [UInt8]]) throws -> String {
        let path = directory.file(Self.name)
        for suffix in ["", "-journal", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: path + suffix)
            guard let bytes = files[Self.name + suffix] else { continue }
            try Data(bytes).write(to: URL(fileURLWithPath: path + suffix))
        }
        // What was in memory may lie there too, as it was at any moment.
        if files[Self.name + "-wal"] != nil {
            try Data(repeating: 0x5A, count: 32_768).write(to: URL(fileURLWithPath: path + "-shm"))
        }
        return path
    }

    private func look(at files: [String: [UInt8]]) throws -> Contents {
        try Self.contents(try lay(files))
    }

    private static func contents(_ path: String) throws -> Contents {
        let connection = try Connection(path: path, mode: .readWrite)
        var contents = Contents()
        let ids = try connection.prepare("SELECT id FROM records")
        while try ids.step() { contents.records.insert(ids.integer(0)) }
        var hasher = Hasher()
        for (table, columns) in [
            ("records", "id, stream_id, timestamp, message"),
            ("streams", "id, log_group, log_stream, last_delivery_at, last_error_at, last_error"),
            ("deliveries", "id, stream_id, first_id, last_id, latest_timestamp, started_at, acknowledged"),
            ("rejected", "id, stream_id, timestamp, message, reason, rejected_at"),
            ("gaps", "stream_id, reason, records, first_at, last_at"),
            ("counters", "name, value"),
        ] {
            let row = columns.split(separator: ", ").map { "quote(\($0))" }.joined(separator: " || ',' || ")
            let statement = try connection.prepare(
                "SELECT group_concat(row) FROM (SELECT \(row) AS row FROM \(table) ORDER BY 1)"
            )
            guard try statement.step() else { throw Broken("no row") }
            hasher.combine(bytes: statement.bytes(0))
            hasher.combine(table)
        }
        contents.digest = hasher.finalize()
        return contents
    }
}

/// What was found on a disk that should not be.
private struct Broken: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

struct PowerCutFailure: Error, CustomStringConvertible {
    var cut: Int
    var fate: DiskAfterPowerCut.Fate
    var reason: String

    var description: String { "power cut after \(cut) events, \(fate): \(reason)" }
}
