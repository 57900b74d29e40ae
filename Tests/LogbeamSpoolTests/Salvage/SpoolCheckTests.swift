import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Checking a spool")
struct SpoolCheckTests {
    private let spool: TestSpool

    init() throws {
        spool = try TestSpool()
    }

    @Test("counts what is in a sound one, while it is in use, and changes nothing")
    func sound() throws {
        let ids = try spool.append(10)
        try spool.spool.reject([RefusedRecord(id: ids[9], reason: .invalid)])
        try spool.spool.noteAndTell(Gap(stream: spool.stream, reason: "disk full", records: 3, first: 1, last: 2))
        try spool.spool.begin(spool.range(ids[0], ids[1]))
        try spool.spool.begin(spool.range(ids[2], ids[3]))
        try spool.execute("UPDATE deliveries SET acknowledged = 1 WHERE first_id = \(ids[2])")
        let before = try contents()

        let check = try SpoolCheck.run(path: spool.path)
        var counts = SpoolCheck.Counts()
        (counts.records, counts.rejected, counts.streams, counts.gaps) = (10, 1, 2, 2)
        (counts.deliveries, counts.inDoubt) = (2, 1)
        #expect(check.counts == counts)
        #expect(check.isGood && check.warnings.isEmpty && check.journalMode == "wal")
        #expect(check.version == Int(Schema.version) && check.currentVersion == Int(Schema.version))
        #expect(check.files.map(\.path) == ["", "-wal", "-shm"].map { spool.path + $0 })
        #expect(check.files.allSatisfy { $0.mode == 0o600 })
        #expect(try check.files.prefix(2).map(\.bytes) == [size(spool.path), spool.walBytes])
        #expect(try contents() == before)
    }

    @Test("takes an earlier version for good")
    func earlier() throws {
        let path = spool.directory.file("earlier.db")
        try sqlite3(
            path,
            "\(Schema.migrations[0]); PRAGMA application_id = \(Schema.applicationID); PRAGMA user_version = 1"
        )
        let check = try SpoolCheck.run(path: path)
        #expect(check.version == 1 && check.isGood)
        // Which no program would make so.
        #expect(check.warnings.contains { $0.hasPrefix("the journal mode is delete") })
    }

    @Test("calls records that belong to no stream damage, and deliveries that name no record a warning")
    func stray() throws {
        let ids = try spool.append(2)
        try spool.append(1, to: 99)
        try spool.execute(
            "INSERT INTO rejected (id, stream_id, timestamp, message, reason, rejected_at) VALUES (1, 98, 1, '', '', 1)"
        )
        try spool.spool.begin(BatchRange(stream: spool.otherStream, first: ids[0], last: ids[1], latest: .max))
        try spool.spool.begin(spool.range(ids[0], ids[1], latest: 999))
        try spool.spool.begin(spool.range(ids[0], ids[1]))
        let check = try SpoolCheck.run(path: spool.path)
        #expect(check.counts?.strayRecords == 2 && check.counts?.emptyDeliveries == 2)
        #expect(check.problems == ["2 records belong to no stream"])
        #expect(check.warnings == ["2 deliveries name no record"])
    }

    @Test(
        "names what the schema lacks, and only warns of what it has more",
        arguments: [
            ("DROP TABLE gaps", "the schema lacks table gaps (stream_id INTEGER NOT NULL PRIMARY KEY)"),
            ("ALTER TABLE streams DROP COLUMN last_error", "the schema lacks table streams (last_error TEXT)"),
            ("DROP VIEW pending", "the schema lacks view pending (id INTEGER)"),
        ]
    )
    func schema(change: String, problem: String) throws {
        try spool.execute(change)
        let lacking = try SpoolCheck.run(path: spool.path)
        #expect(!lacking.isGood && lacking.problems.contains(problem), "\(lacking.problems)")
        #expect(lacking.counts == nil)
    }

    @Test("only warns of what the schema has more")
    func more() throws {
        try spool.execute("CREATE TABLE mine (a); ANALYZE")
        let check = try SpoolCheck.run(path: spool.path)
        #expect(check.isGood && check.warnings == ["the schema has more: table mine (a)"])
    }

    @Test("warns of files that others may read")
    func modes() throws {
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: spool.path + "-wal")
        let check = try SpoolCheck.run(path: spool.path)
        #expect(check.isGood)
        #expect(check.warnings == ["\(spool.path)-wal has the mode 644, not 600: others may read logs"])
    }

    @Test("tells no more of SQLite's findings than a page of them")
    func bounded() throws {
        try spool.appendGroups(20)
        try spool.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        let copy = spool.directory.file("copy.db")
        var content = try Data(contentsOf: URL(fileURLWithPath: spool.path))
        for page in 50..<200 { content.replaceSubrange(page * 4_096..<page * 4_096 + 4_096, with: Data(count: 4_096)) }
        try content.write(to: URL(fileURLWithPath: copy))
        let check = try SpoolCheck.run(path: copy)
        #expect((1...SpoolCheck.problemLimit + 1).contains(check.problems.count))
    }

    private func contents() throws -> [Data] {
        try ["", "-wal"].map { try Data(contentsOf: URL(fileURLWithPath: spool.path + $0)) }
    }
}
