import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Records, read for people")
struct StoredRecordsTests {
    private func all(
        _ path: String,
        _ filter: RecordFilter = RecordFilter(),
        of table: StoredRecords.Table = .pending
    ) throws -> [StoredRecord] {
        var records: [StoredRecord] = []
        try StoredRecords(path: path, filter: filter).forEachPage(of: table) { page throws(SpoolError) in
            records += page
            return false
        }
        return records
    }

    @Test("come page by page, in order, each once")
    func pages() throws {
        let test = try TestSpool()
        try test.appendGroups(12, of: 1_000)
        let ids = try test.ids()
        #expect(try all(test.path).map(\.id) == ids)
        let records = try StoredRecords(path: test.path)
        let page = try records.page(after: ids[10])
        #expect(page.records.map(\.id) == Array(ids[11..<5_011]) && !page.isLast)
        // Up to an id that is given.
        let last = try records.page(after: page.last, through: ids[6_000])
        #expect(last.records.last?.id == ids[6_000] && last.isLast)
        // None that is left, or none that is taken, is no end of the pages by itself.
        #expect(try all(test.path, RecordFilter(logStream: "other")).isEmpty)
    }

    @Test("come a mebibyte at a time, however long they are")
    func longMessages() throws {
        let test = try TestSpool()
        try test.appendGroups(1, of: 7, bytes: 400_000)
        let page = try StoredRecords(path: test.path).page(after: 0)
        #expect(page.records.count == 3 && !page.isLast)
        #expect(try all(test.path).count == 7)
    }

    @Test("are those of the streams that are asked for")
    func filters() throws {
        let test = try TestSpool()
        try test.append(3)
        try test.append(2, to: test.otherStream)
        #expect(try all(test.path, RecordFilter(logGroup: "group")).count == 5)
        #expect(try all(test.path, RecordFilter(logGroup: "group", logStream: "other")).count == 2)
        #expect(try all(test.path, RecordFilter(logGroup: "Group")).isEmpty)
        // The same text to Swift, and to nobody else.
        let name = Destination(logGroup: "g", logStream: "caf\u{E9}")
        #expect(RecordFilter(logStream: "caf\u{E9}").takes(name) && !RecordFilter(logStream: "cafe\u{301}").takes(name))
        let ids = try test.ids()
        try test.spool.reject([
            RefusedRecord(id: ids[0], reason: .invalid), RefusedRecord(id: ids[3], reason: .tooOld),
        ])
        let rejected = try all(test.path, RecordFilter(reason: "too old"), of: .rejected)
        #expect(rejected.map(\.id) == [ids[3]])
        #expect(rejected.first?.rejection?.reason == "too old")
        #expect(rejected.first?.destination.logStream == "other")
        #expect(try all(test.path, of: .rejected).map(\.id) == [ids[0], ids[3]])
    }

    @Test("begin where so many are left, also of one stream among many")
    func newest() throws {
        let test = try TestSpool()
        #expect(try StoredRecords(path: test.path).start(ofNewest: 5) == 0)
        try test.append(4, to: test.otherStream)
        try test.appendGroups(11, of: 1_000)
        let ids = try test.ids()
        func newest(_ count: Int, _ filter: RecordFilter = RecordFilter()) throws -> Int {
            let records = try StoredRecords(path: test.path, filter: filter)
            let start = try records.start(ofNewest: count)
            return ids.count { $0 > start }
        }
        #expect(try [0, 1, 7, 5_000, 11_004, 50_000].map { try newest($0) } == [0, 1, 7, 5_000, 11_004, 11_004])
        #expect(try newest(3, RecordFilter(logStream: "other")) == 11_003)
        #expect(try newest(9, RecordFilter(logStream: "other")) == 11_004)
    }

    @Test("are not counted among the newest where they are acknowledged, and only not deleted yet")
    func newestPending() throws {
        let test = try TestSpool()
        let ids = try test.append(10)
        let range = test.range(ids[5], ids[8])
        try test.spool.begin(range)
        try test.spool.acknowledge(range, refused: [], delivered: 4)
        let records = try StoredRecords(path: test.path)
        for count in 1...6 {
            let shown = try records.page(after: records.start(ofNewest: count)).records.map(\.id)
            #expect(shown == Array((ids[..<5] + ids[9...]).suffix(count)))
        }
        #expect(try records.start(ofNewest: 0) == ids[9])
    }

    @Test("of earlier versions are read, and left as they are", arguments: EarlierVersion.all)
    func earlier(version: EarlierVersion) throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("spool.db")
        try version.write(to: path)
        // One of its batches is acknowledged, and not deleted.
        let pending = try ids(
            """
            records WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE acknowledged = 1
                AND deliveries.stream_id = records.stream_id AND records.id BETWEEN first_id AND last_id)
            """,
            in: path
        )
        #expect(try pending.count == ids(in: path).count - 2)
        #expect(try all(path).map(\.id) == pending)
        #expect(try all(path, of: .rejected).map(\.id) == ids("rejected", in: path))
        #expect(try StoredRecords(path: path).facts(pendingThrough: .max).pending == Int64(ids(in: path).count))
        #expect(try sqlite3(path, "PRAGMA user_version") == "\(version.number)\n")
    }

    @Test("do not keep the log from being begun anew, between two pages")
    func checkpoints() throws {
        let test = try TestSpool()
        try test.appendGroups(8, of: 1_000)
        let records = try StoredRecords(path: test.path)
        _ = try records.page(after: 0)
        let maintenance = try SpoolMaintenance(spool: test.spool, reader: SpoolReader(path: test.path))
        #expect(try maintenance.restartWAL(3))
        #expect(try test.walBytes < 8_192)
    }
}

@Suite("A follower of records")
struct RecordFollowerTests {
    private func follower(_ test: TestSpool, newest: Int = 0, _ filter: RecordFilter = RecordFilter()) throws
        -> RecordFollower
    {
        try RecordFollower(path: test.path, filter: filter, newest: newest)
    }

    private func deliver(_ test: TestSpool, _ ids: [Int64]) throws {
        let range = test.range(ids[0], ids[ids.count - 1])
        try test.spool.begin(range)
        try test.spool.acknowledgeAndFinish(range, refused: [], delivered: ids.count)
    }

    @Test("reads each record once, as it is committed")
    func follows() throws {
        let test = try TestSpool()
        let old = try test.append(5)
        let follower = try follower(test, newest: 2)
        #expect(try follower.look(at: 0).records.map(\.id) == Array(old[3...]))
        #expect(try follower.look(at: 1).records.isEmpty)
        for round in 2..<5 {
            let new = try test.append(3) + test.append(1, to: test.otherStream)
            let look = try follower.look(at: Int64(round))
            #expect(look.records.map(\.id) == new)
            #expect(!look.isMore && look.missed == 0 && !look.isReplaced)
        }
    }

    @Test("reads what is much page by page")
    func pages() throws {
        let test = try TestSpool()
        let follower = try follower(test)
        try test.appendGroups(7, of: 1_000)
        var (ids, looks) = ([Int64](), 0)
        var isMore = true
        while isMore {
            let look = try follower.look(at: 0)
            ids += look.records.map(\.id)
            looks += 1
            isMore = look.isMore
        }
        #expect(try ids == test.ids())
        #expect(looks == 2)
    }

    @Test("knows how many records left that it never saw, and does not count those that it did")
    func missed() throws {
        let test = try TestSpool()
        let first = try test.append(10)
        let follower = try follower(test, newest: 1, RecordFilter(logStream: "stream"))
        #expect(try follower.look(at: 0).records.count == 1)
        try deliver(test, first)
        #expect(try follower.look(at: 1).missed == 0)
        let second = try test.append(4)
        #expect(try follower.look(at: 2).records.count == 4)
        try deliver(test, second + test.append(3))
        let last = try test.append(1)
        let look = try follower.look(at: 3)
        #expect(look.records.map(\.id) == last)
        #expect(look.missed == 3)
        #expect(try follower.look(at: 4).missed == 0)
        // What was rejected left as well.
        try test.spool.reject(test.append(2).map { RefusedRecord(id: $0, reason: .invalid) })
        #expect(try follower.look(at: 5).missed == 2)
        #expect(try follower.look(at: 6).missed == 0)
    }

    @Test("knows it though the counters of a damaged spool are as high as can be")
    func missedByHighCounters() throws {
        let test = try TestSpool()
        try Connection(path: test.path, mode: .readWrite)
            .execute("UPDATE counters SET value = \(Int64.max - 5) WHERE name IN ('delivered', 'rejected')")
        let follower = try follower(test)
        #expect(try follower.look(at: 0).records.isEmpty)
        try deliver(test, test.append(3))
        #expect(try follower.look(at: 1).missed == 3)
    }

    @Test("waits with that while records are being deleted that are counted already")
    func deleting() throws {
        let test = try TestSpool()
        let follower = try follower(test)
        #expect(try follower.look(at: 0).records.isEmpty)
        let ids = try test.append(5)
        let range = test.range(ids[0], ids[4])
        try test.spool.begin(range)
        try test.spool.acknowledge(range, refused: [], delivered: 5)
        // They are pending no more.
        let look = try follower.look(at: 1)
        #expect(look.records.isEmpty && look.missed == 0)
        try test.spool.finish(range)
        #expect(try follower.look(at: 2).missed == 0)
        try deliver(test, test.append(2))
        #expect(try follower.look(at: 3).missed == 2)
    }

    @Test("goes on in the file that takes the place of another, after the last of the old one")
    func replaced() throws {
        let test = try TestSpool()
        let follower = try follower(test)
        _ = try follower.look(at: 0)
        let old = try test.append(2)
        for suffix in ["", "-wal", "-shm"] {
            try FileManager.default.moveItem(atPath: test.path + suffix, toPath: test.path + ".old" + suffix)
        }
        // Nothing is there yet.
        #expect(try follower.look(at: 1_000).records.map(\.id) == old)
        let late = try test.append(1)
        let spool = try Spool(path: test.path)
        let stream = try spool.streamID(for: Destination(logGroup: "new", logStream: "stream"))
        let new = try spool.append("new", stream: stream)
        let rest = try follower.look(at: 2_000)
        #expect(rest.records.map(\.id) == late && rest.isMore && !rest.isReplaced)
        #expect(try follower.look(at: 2_000).isReplaced)
        let records = try follower.look(at: 2_000).records
        #expect(records.map(\.id) == [new] && records.first?.destination.logGroup == "new")
    }
}
