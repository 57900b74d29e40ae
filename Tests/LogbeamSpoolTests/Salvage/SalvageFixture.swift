import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// A record as it was logged.
struct LoggedRecord: Hashable {
    var stream: Int64
    var timestamp: Int64
    var message: [UInt8]
}

/// A part of a spool's files that is damaged as one: a page of the file, or a frame of its write-ahead log.
enum Block: Hashable {
    case page(Int)
    case frame(Int)
}

/// The files of a sound spool with a past, what SQLite says is in it, and on which blocks each row lies.
struct SalvageFixture: Sendable {
    var main: [UInt8]
    var log: [UInt8]
    var streams: [Int64: Destination] = [:]
    var records: [Int64: LoggedRecord] = [:]
    var rejected: [Int64: LoggedRecord] = [:]
    /// Every record that ever was, those that are delivered included.
    var history: [Int64: LoggedRecord] = [:]
    var blocks: [Int64: Set<Block>] = [:]
    /// For each frame of the log, whether it ends a commit.
    var commits: [Bool] = []

    static let pageSize = 4_096
    static let frameSize = 24 + pageSize
    static let walHeaderSize = 32

    /// - Parameters:
    ///   - beforeCheckpoint: steps of work that end up in the file itself, most of them.
    ///   - afterCheckpoint: steps that stay in the write-ahead log.
    init(seed: UInt64, beforeCheckpoint: Int, afterCheckpoint: Int) throws {
        var random = SeededGenerator(seed: seed)
        let directory = try TemporaryDirectory()
        let path = directory.file("spool.db")
        let copy = directory.file("copy.db")
        var history: [Int64: LoggedRecord] = [:]
        let spool = try Spool(path: path)
        let streams = try ["one", "two", "three"].map {
            try spool.streamID(for: Destination(logGroup: "group", logStream: $0))
        }
        for _ in 0..<beforeCheckpoint { try Self.work(spool, streams, &history, &random) }
        // Copies the log into the file and empties it.
        try Connection(path: path, mode: .readWrite).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for _ in 0..<afterCheckpoint { try Self.work(spool, streams, &history, &random) }
        if afterCheckpoint > 0 {
            let last = streams[0]
            let id = try spool.append("one that is in the log alone", stream: last)
            try spool.begin(BatchRange(stream: last, first: id, last: id, latest: .max))
        }
        main = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
        log = try Array(Data(contentsOf: URL(fileURLWithPath: path + "-wal")))
        self.history = history
        try write(to: copy)
        try readRows(copy)
        try readBlocks(copy)
        self.history.merge(records) { $1 }
    }

    func write(to path: String) throws {
        try Data(main).write(to: URL(fileURLWithPath: path))
        try? FileManager.default.removeItem(atPath: path + "-shm")
        if log.isEmpty {
            try? FileManager.default.removeItem(atPath: path + "-wal")
        } else {
            try Data(log).write(to: URL(fileURLWithPath: path + "-wal"))
        }
    }

    /// A group of records of one stream; sometimes one that takes several pages; sometimes records leave.
    private static func work(
        _ spool: Spool,
        _ streams: [Int64],
        _ history: inout [Int64: LoggedRecord],
        _ random: inout SeededGenerator
    ) throws {
        let stream = streams.randomElement(using: &random) ?? 0
        let time = Int64.random(in: 1...1_795_376_529_123, using: &random)
        let messages = (0..<Int.random(in: 1...25, using: &random)).map { number in
            let isLong = Int.random(in: 0..<40, using: &random) == 0
            let length = Int.random(in: isLong ? 4_000...20_000 : 0...300, using: &random)
            let start = Int.random(in: 0..<1_000, using: &random)
            return Array("\(history.count + number): ".utf8) + (0..<length).map { UInt8(32 + (start + $0 * 7) % 95) }
        }
        // Most in one commit, which takes several frames of the log, and some one by one.
        let group = messages.dropLast(2)
        var ids = try spool.write { writer throws(SpoolError) in
            try writer.connection.transaction { () throws(SpoolError) in
                var ids: [Int64] = []
                for message in group {
                    let id = try message.withUnsafeBufferPointer { (message) throws(SpoolError) in
                        try writer.append(NewRecord(stream: stream, timestamp: time, message: message))
                    }
                    ids.append(id)
                }
                return ids
            }
        }
        ids += try messages.suffix(2).map { try spool.append($0, stream: stream, timestamp: time) }
        for (id, message) in zip(ids, messages) {
            history[id] = LoggedRecord(stream: stream, timestamp: time, message: message)
        }
        let reader = try SpoolReader(path: spool.path)
        let some = try reader.headers(after: 0, limit: Int.random(in: 1...60, using: &random)).headers
        switch Int.random(in: 0..<10, using: &random) {
        case 0:
            try spool.reject(some.suffix(3).map { RefusedRecord(id: $0.id, reason: .invalid) })
        case 1, 2:
            guard let first = some.first, let last = some.last else { return }
            for stream in streams {
                let range = BatchRange(stream: stream, first: first.id, last: last.id, latest: .max)
                try spool.begin(range)
                try spool.acknowledgeAndFinish(range, refused: [], delivered: some.count)
            }
        default:
            break
        }
    }

    private mutating func readRows(_ path: String) throws {
        let connection = try Connection(path: path, mode: .readOnly)
        func read(_ table: String) throws -> [Int64: LoggedRecord] {
            let statement = try connection.prepare("SELECT id, stream_id, timestamp, message FROM \(table)")
            var rows: [Int64: LoggedRecord] = [:]
            while try statement.step() {
                rows[statement.integer(0)] = LoggedRecord(
                    stream: statement.integer(1),
                    timestamp: statement.integer(2),
                    message: Array(statement.bytes(3))
                )
            }
            return rows
        }
        records = try read("records")
        rejected = try read("rejected")
        let names = try connection.prepare("SELECT id, log_group, log_stream FROM streams")
        while try names.step() {
            streams[names.integer(0)] = Destination(logGroup: names.text(1), logStream: names.text(2))
        }
    }

    /// Which leaf pages the tables have is asked of SQLite (https://www.sqlite.org/dbstat.html); where the rows lie on
    /// them, and where the pages lie, is read with our own reader, whose rows must be those that SQLite has.
    private mutating func readBlocks(_ path: String) throws {
        let database = try DatabaseFile(path: path)
        let connection = try Connection(path: path, mode: .readOnly)
        func block(_ page: Int) -> Block {
            database.log?.pages[page].map { .frame(($0 - Self.walHeaderSize) / Self.frameSize) } ?? .page(page)
        }
        for (table, rows) in [("records", records), ("rejected", rejected)] {
            var found: [Int64: LoggedRecord] = [:]
            let leaves = try connection.prepare(
                "SELECT pageno, ncell FROM dbstat WHERE name = '\(table)' AND pagetype = 'leaf'"
            )
            while try leaves.step() {
                let number = Int(leaves.integer(0))
                let page = try #require(database.page(number))
                try #require(page.cells.count == Int(leaves.integer(1)))
                for place in page.cells {
                    let cell = try #require(page.cell(at: place))
                    let payload = try #require(database.payload(of: cell))
                    let id = try #require(cell.rowID)
                    let values = try #require(StoredValue.row(payload.bytes))
                    switch SalvagedRow(id: id, values) {
                    case .record(_, let stream, let timestamp, let message),
                        .rejected(_, let stream, let timestamp, let message, _, _):
                        found[id] = LoggedRecord(stream: stream, timestamp: timestamp, message: Array(message))
                    default:
                        break
                    }
                    blocks[id] = Set(([number] + payload.overflow).map(block))
                }
            }
            try #require(found == rows)
        }
        commits = (0..<max(0, log.count - Self.walHeaderSize) / Self.frameSize).map { frame in
            log.bigEndian(at: Self.walHeaderSize + frame * Self.frameSize + 4, count: 4) != 0
        }
    }
}

extension SalvageFixture {
    /// How many rows there were on some blocks, those of earlier times among them.
    func cells(on blocks: Set<Block>) -> Int {
        blocks.map { block in
            let (content, start) =
                switch block {
                case .page(let number): (main, (number - 1) * Self.pageSize)
                case .frame(let number): (log, Self.walHeaderSize + number * Self.frameSize + 24)
                }
            let bytes = Array(content.dropFirst(start).prefix(Self.pageSize))
            return BTreePage(bytes, start: 0)?.cells.count ?? 0
        }.reduce(0, +)
    }
}

/// What happened to the files of a spool.
struct Damage {
    enum File { case main, log }

    var file: File
    var range: Range<Int>
    /// What stands there now; nothing if the file ends there.
    var bytes: [UInt8]

    static func random(in fixture: SalvageFixture, _ random: inout SeededGenerator) -> Damage {
        let isWAL = !fixture.log.isEmpty && Bool.random(using: &random)
        let content = isWAL ? fixture.log : fixture.main
        // The headers are small, and much depends on them.
        let near = [content.count, content.count, content.count, 100, 5_000].randomElement(using: &random) ?? 1
        let start = Int.random(in: 0..<min(near, content.count), using: &random)
        let length = [1, 1, 8, 600, 5_000, 30_000].randomElement(using: &random) ?? 1
        let range = start..<min(start + Int.random(in: 1...length, using: &random), content.count)
        let file: File = isWAL ? .log : .main
        switch Int.random(in: 0..<7, using: &random) {
        case 0, 1:
            let flipped = content[start] ^ 1 << UInt8.random(in: 0...7, using: &random)
            return Damage(file: file, range: start..<start + 1, bytes: [flipped])
        case 2:
            let bytes = range.map { _ in UInt8.random(in: 0...255, using: &random) }
            return Damage(file: file, range: range, bytes: bytes)
        case 3:
            return Damage(file: file, range: range, bytes: range.map { _ in 0 })
        case 4:
            return Damage(file: file, range: range, bytes: range.map { _ in 0xFF })
        case 5:
            // A write that went to the wrong place.
            let source = Int.random(in: 0...content.count - range.count, using: &random)
            return Damage(file: file, range: range, bytes: Array(content[source..<source + range.count]))
        default:
            return Damage(file: file, range: start..<content.count, bytes: [])
        }
    }

    func applied(to fixture: SalvageFixture) -> SalvageFixture {
        var damaged = fixture
        switch file {
        case .main: damaged.main.replaceSubrange(range, with: bytes)
        case .log: damaged.log.replaceSubrange(range, with: bytes)
        }
        return damaged
    }

    /// The blocks whose rows may be lost.
    func blocks(in fixture: SalvageFixture) -> Set<Block> {
        guard file == .log else {
            return Set(
                (range.lowerBound / SalvageFixture.pageSize...(range.upperBound - 1) / SalvageFixture.pageSize).map {
                    .page($0 + 1)
                }
            )
        }
        func frame(_ offset: Int) -> Int { max(0, offset - SalvageFixture.walHeaderSize) / SalvageFixture.frameSize }
        // A frame is verified by means of the one before it.
        var frames = Set(frame(range.lowerBound)...frame(range.upperBound - 1) + 1)
        // What was committed last is not committed if the frame that says so can not be verified.
        let last = fixture.commits.indices.last { fixture.commits[$0] && !frames.contains($0) } ?? -1
        frames.formUnion(max(0, last + 1)..<max(last + 1, fixture.commits.count))
        return Set(frames.map { .frame($0) })
    }
}
