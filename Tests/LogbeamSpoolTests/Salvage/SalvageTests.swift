import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Salvaging a spool")
struct SalvageTests {
    let original: TestSpool
    /// A copy of its files, for damage.
    let path: String
    var salvaged: String { path + ".salvaged.db" }

    init() throws {
        original = try TestSpool()
        path = original.directory.file("damaged.db")
    }

    // MARK: What is taken

    @Test("takes everything of a sound one, from the file and from its log, and says so")
    func sound() throws {
        let ids = try original.append(300)
        try original.append(1, to: original.otherStream, timestamp: 5_000)
        try original.spool.append([UInt8](repeating: 65, count: 1_048_550), stream: original.stream)
        try original.spool.reject([RefusedRecord(id: ids[7], reason: .invalid)])
        try original.spool.noteAndTell(
            Gap(stream: original.stream, reason: "disk full", records: 3, first: 1_000, last: 2_000)
        )
        try original.spool.begin(original.range(ids[0], ids[5]))
        for isCheckpointed in [false, true] {
            if isCheckpointed { try original.execute("PRAGMA wal_checkpoint(TRUNCATE)") }
            try copy()
            let report = try Salvage.run(path)
            #expect(report.isComplete)
            #expect(report.records == 302 && report.rejected == 1 && report.streams == 2 && report.gaps == 2)
            #expect(report.deliveries == 1 && report.orphanPages == 0 && report.unknownPages == 0)
            for table in ["records", "rejected", "gaps"] {
                #expect(try rows("* FROM \(table)", salvaged) == rows("* FROM \(table)", original.path))
            }
            #expect(try rows("id, log_group, log_stream FROM streams", salvaged).count == 2)
            #expect(try rows("* FROM pending", salvaged) == rows("* FROM pending", original.path))
            #expect(try rows("* FROM deliveries", salvaged).isEmpty)
            #expect(try mode(salvaged) == 0o600)
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: salvaged + suffix) }
        }
        // No draft is left behind.
        #expect(try listing() == ["damaged.db", "spool.db", "spool.db-shm", "spool.db-wal"])
    }

    @Test("takes what is in the log alone, though the file is gone but for a few bytes")
    func logAlone() throws {
        try original.append(100)
        try copy()
        try Data("SQLite".utf8).write(to: URL(fileURLWithPath: path))
        let report = try Salvage.run(path)
        #expect(report.records == 100)
        #expect(!report.isComplete)
    }

    @Test("takes nothing of a commit that did not come to its end")
    func uncommitted() throws {
        try original.append(1)
        // Fills the cache, so that pages go into the log before the commit.
        let connection = try Connection(path: original.path, mode: .readWrite)
        try connection.execute(
            """
            PRAGMA cache_size = 10; BEGIN IMMEDIATE;
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
            INSERT INTO records (stream_id, timestamp, message) SELECT 1, 1, hex(zeroblob(500)) FROM n
            """
        )
        try copy()
        let report = try Salvage.run(path)
        #expect(report.uncommittedWALFrames > 100)
        #expect(report.records == 1 && report.isComplete)
    }

    @Test("takes nothing of an earlier log, which this one has only partly overwritten")
    func earlierLog() throws {
        try original.append(100)
        try original.execute("PRAGMA wal_checkpoint(RESTART)")
        try original.deliverAll()
        let id = try original.append(1)
        try copy()
        let report = try Salvage.run(path)
        #expect(try ids(in: salvaged) == id)
        #expect(report.isComplete)
    }

    @Test("takes each version of a page that the log has once: the last one")
    func versions() throws {
        try original.append(10)
        try original.deliverAll()
        let kept = try original.append(3)
        try copy()
        _ = try Salvage.run(path)
        #expect(try ids(in: salvaged) == kept)
    }

    @Test("knows the frames behind a damaged one, which SQLite does not")
    func frameByFrame() throws {
        try original.append(400)
        try copy()
        try overwrite(32 + 24 + 2_000, [0xFF], suffix: "-wal")
        #expect(try number("SELECT count(*) FROM records", path) < 400)
        try copy()
        try overwrite(32 + 24 + 2_000, [0xFF], suffix: "-wal")
        let report = try Salvage.run(path)
        #expect(report.records == 400)
        #expect(report.damagedWALFrames == 1 && !report.isComplete)
    }

    @Test("keeps what is refused afterwards, whatever ids it has given to what was refused before", arguments: [1, 2])
    func rejectedTwice(times: Int) throws {
        let old = try original.append(1)
        try original.spool.reject([RefusedRecord(id: old[0], reason: .tooOld)])
        let test = try TestSpool()
        // Of one commit: their ids follow one another.
        try test.spool.appendGroup(of: 2, Array("x".utf8), stream: test.stream)
        let ids = try test.ids()
        #expect(ids[1] == ids[0] + 1)
        try test.spool.reject([RefusedRecord(id: ids[0], reason: .tooOld)])
        for _ in 0..<times { _ = try Salvage.run(original.path, into: test.path) }
        try test.spool.reject([RefusedRecord(id: ids[1], reason: .tooOld)])
        #expect(try test.ids() == [])
        #expect(try SpoolStatus.read(path: test.path).rejected == 2 + times)
        #expect(try test.number("SELECT count(*) FROM rejected WHERE message = 'x'") == 2)
    }

    @Test("reads nothing where whoever writes to the log cuts it off meanwhile")
    func shorterLog() throws {
        try original.spool.append([UInt8](repeating: 65, count: 20_000), stream: original.stream)
        try copy()
        let database = try DatabaseFile(path: path)
        let pages = try #require(database.log?.pages.keys.sorted())
        #expect(truncate(path + "-wal", 0) == 0)
        #expect(pages.count > 4 && pages.allSatisfy { database.bytes(of: $0) == nil && database.page($0) == nil })
    }

    @Test("follows no list of free pages to a page that there can not be")
    func strayTrunk() throws {
        try original.append(1)
        try original.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try copy()
        // Further out than any page is looked for that the log alone has.
        let page: UInt32 = 5_000_000
        try overwrite(32, bytes(page))
        try Data(log(ofPage: page)).write(to: URL(fileURLWithPath: path + "-wal"))
        let database = try DatabaseFile(path: path)
        #expect(database.bytes(of: Int(page)) != nil && database.pageCount < page)
        let free = database.freelist()
        #expect((1...database.pageCount).allSatisfy { !free.contains($0) })
    }

    // MARK: What was deleted

    @Test(
        "lets nothing that was delivered come back, though the pages that lead there are damaged",
        arguments: [true, false]
    )
    func delivered(hasPointerMap: Bool) throws {
        let spool = original
        try spool.appendGroups(3)
        try spool.deliverAll()
        try spool.appendGroups(1)
        let ids = try spool.ids()
        try spool.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        #expect(try spool.number("PRAGMA freelist_count") > 40)
        try copy()
        let root = try spool.number("SELECT rootpage FROM sqlite_schema WHERE name = 'records'")
        try overwrite(Int(root - 1) * 4_096, [UInt8](repeating: 0xFF, count: 4_096))
        // Without this number, a file has no pointer map (https://www.sqlite.org/fileformat2.html, "The Database Header").
        if !hasPointerMap { try overwrite(52, [0, 0, 0, 0]) }
        let report = try Salvage.run(path)
        #expect(try LogbeamSpoolTests.ids(in: salvaged) == ids)
        #expect(report.orphanRecords == 1_000)
        #expect(report.freePages > 40)
        #expect(report.damage == [.init(page: Int(root), problem: "is overwritten")])
    }

    @Test("takes no row out of the unused space of a page")
    func freedCells() throws {
        let ids = try original.append(20)
        try original.spool.begin(original.range(ids[0], ids[9]))
        try original.spool.acknowledgeAndFinish(original.range(ids[0], ids[9]), refused: [], delivered: 10)
        try original.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try copy()
        _ = try Salvage.run(path)
        #expect(try LogbeamSpoolTests.ids(in: salvaged) == Array(ids[10...]))
        // The bytes of the others are still there.
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)).range(of: Data("message 3".utf8)) != nil)
    }

    // MARK: What is lost

    @Test("finds the names of streams in their index, where the table is lost")
    func names() throws {
        try original.append(1)
        try original.append(1, to: original.otherStream)
        try destroy("streams")
        let report = try Salvage.run(path)
        #expect(report.namelessStreams == 0 && report.streams == 2)
        #expect(try rows("log_stream FROM pending", salvaged) == ["stream", "other"])
    }

    @Test("names streams by their numbers, where both are lost")
    func namelessStreams() throws {
        try original.append(2)
        try original.append(1, to: original.otherStream)
        try destroy("streams", "sqlite_autoindex_streams_1")
        let report = try Salvage.run(path)
        #expect(report.namelessStreams == 2 && report.streams == 0 && !report.isComplete)
        #expect(
            try rows("log_group || '/' || log_stream FROM pending", salvaged) == [
                "logbeam-salvaged/salvaged-1", "logbeam-salvaged/salvaged-1", "logbeam-salvaged/salvaged-2",
            ]
        )
    }

    @Test("makes a text UTF-8 and a time possible, and counts it")
    func altered() throws {
        try original.spool.append([0x61, 0xFF, 0x62], stream: original.stream)
        try original.append(1, timestamp: .max)
        try original.append(1, timestamp: .min)
        try copy()
        let report = try Salvage.run(path)
        #expect(report.altered == 3 && !report.isComplete)
        #expect(
            try rows("timestamp || message FROM records", salvaged) == [
                "1000a\u{FFFD}b", "253402300799999message 0", "0message 0",
            ]
        )
    }

    @Test("keeps both of two records with one id, but never the same one twice")
    func sameID() throws {
        try original.execute("INSERT INTO records VALUES (2000000001, 1, 1, 'one'), (2000000002, 1, 1, 'two')")
        try original.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try copy()
        let database = try DatabaseFile(path: path)
        let root = Int(try original.number("SELECT rootpage FROM sqlite_schema WHERE name = 'records'"))
        let page = try #require(database.page(root))
        // Behind the length of the payload: the second id, of five bytes, the last of which holds 2 and becomes 1.
        try #require(page.cell(at: page.cells[1])?.rowID == 2_000_000_002)
        try overwrite((root - 1) * 4_096 + page.cells[1] + 5, [1])
        let report = try Salvage.run(path)
        #expect(try rows("message FROM records ORDER BY message", salvaged) == ["one", "two"])
        #expect(try ids(in: salvaged) == [1, 2_000_000_001])
        #expect(report.altered == 1)
    }

    @Test("tells where the damage is, of much damage only the beginning")
    func damage() throws {
        try original.appendGroups(3)
        try original.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try copy()
        try overwrite(40 * 4_096, [UInt8](repeating: 0xFF, count: 30 * 4_096))
        let report = try Salvage.run(path)
        #expect(report.damagedPages == 30)
        #expect(report.damage.count == SalvageReport.damageLimit)
        #expect(report.damage.allSatisfy { (41...70).contains($0.page) && $0.problem == "is overwritten" })
        #expect((1_900...2_400).contains(report.records))
    }

    @Test(
        "finds out the size of the pages, where the header tells another or nothing",
        arguments: [1_024, 4_096, 65_536]
    )
    func pageSizes(size: Int) throws {
        try sqlite3(path, "PRAGMA page_size = \(size); VACUUM; \(Schema.migrations.joined(separator: ";"))")
        try sqlite3(
            path,
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
            INSERT INTO records (stream_id, timestamp, message) SELECT 1, 1, 'a message of some length ' || i FROM n
            """
        )
        for told in [UInt8(0), 2, 0x10, 0x20, 0xFF] {
            try overwrite(16, [told, 0])
            #expect(try DatabaseFile(path: path).pageSize == size, "told \(told)")
        }
        try overwrite(0, [UInt8](repeating: 0, count: 100))
        let report = try Salvage.run(path)
        #expect(report.records == 5_000)
    }

    // MARK: Support

    /// The spool as a process that dies now would leave it.
    func copy() throws {
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        for suffix in ["", "-wal"] {
            let content = try Data(contentsOf: URL(fileURLWithPath: original.path + suffix))
            if suffix.isEmpty || !content.isEmpty { try content.write(to: URL(fileURLWithPath: path + suffix)) }
        }
    }

    /// Copies the spool, and overwrites the first pages of tables and indexes.
    func destroy(_ names: String...) throws {
        try original.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try copy()
        for name in names {
            let root = try original.number("SELECT rootpage FROM sqlite_schema WHERE name = '\(name)'")
            try overwrite(Int(root - 1) * 4_096, [UInt8](repeating: 0xFF, count: 4_096))
        }
    }

    func overwrite(_ offset: Int, _ bytes: [UInt8], suffix: String = "") throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path + suffix))
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: Data(bytes))
        try file.close()
    }

    func bytes(_ numbers: UInt32...) -> [UInt8] {
        numbers.flatMap { withUnsafeBytes(of: $0.bigEndian, Array.init) }
    }

    /// A log with one commit, of one page that is empty.
    func log(ofPage number: UInt32) -> [UInt8] {
        var log = bytes(0x377F_0682, 3_007_000, 4_096, 0, 1, 2)
        var sum = WALChecksum()
        sum.add(log[...], isBigEndian: false)
        log += bytes(sum.first, sum.second)
        var frame = bytes(number, number, 1, 2, 0, 0) + [UInt8](repeating: 0, count: 4_096)
        sum = sum.adding(frame, isBigEndian: false)
        frame.replaceSubrange(16..<24, with: bytes(sum.first, sum.second))
        return log + frame
    }

    func rows(_ query: String, _ path: String) throws -> [String] {
        try sqlite3(path, "SELECT \(query)", options: ["-readonly"]).split(separator: "\n").map(String.init)
    }

    func number(_ sql: String, _ path: String) throws -> Int64 {
        try Connection(path: path, mode: .readOnly).integer(sql)
    }

    func listing() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: original.directory.path).sorted()
    }
}
