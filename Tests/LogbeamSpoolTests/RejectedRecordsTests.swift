import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Rejected records, in the hands of people")
struct RejectedRecordsTests {
    private static let records = "SELECT stream_id, timestamp, hex(CAST(message AS BLOB)) FROM records ORDER BY id"
    private static let rejected = "SELECT stream_id, timestamp, hex(CAST(message AS BLOB)) FROM rejected ORDER BY id"

    /// A spool in which so many records of two streams were rejected, each with a time and a text of its own.
    private func spool(_ count: Int, bytes: Int = 10) throws -> TestSpool {
        let test = try TestSpool()
        let ids = try (0..<count).map { number in
            let stream = number % 3 == 0 ? test.otherStream : test.stream
            let text = "\(number) \0é" + String(repeating: "x", count: bytes)
            return try test.spool.append(text, stream: stream, timestamp: Int64(number))
        }
        try test.spool.reject(ids.map { RefusedRecord(id: $0, reason: .invalid) })
        return test
    }

    @Test("are pending again as they were and in their order, in as many transactions as it takes")
    func requeue() throws {
        let test = try spool(1_203)
        let newest = try test.spool.append("newest", stream: test.stream, timestamp: 7)
        let ids = try test.ids("rejected")
        let before = try sqlite3(test.path, Self.rejected)
        #expect(try test.spool.requeue(Array(ids[..<1_001])) == 1_001)
        #expect(try test.ids("rejected") == Array(ids[1_001...]))
        // Some of them are there no more.
        #expect(try test.spool.requeue(ids) == 202)
        #expect(try sqlite3(test.path, Self.records).dropFirst("1|7|6E6577657374\n".count) == before[...])
        #expect(try test.ids().first == newest)
        #expect(try test.ids("rejected").isEmpty)
        #expect(try test.number("SELECT value FROM counters WHERE name = 'rejected'") == 0)
        #expect(try test.spool.requeue(ids) == 0)
    }

    @Test("get another time if one is given")
    func time() throws {
        let test = try spool(3)
        #expect(try test.spool.requeue(test.ids("rejected"), at: 99) == 3)
        #expect(try test.ids("records WHERE timestamp = 99").count == 3)
    }

    @Test("go a mebibyte at a time")
    func long() throws {
        let test = try spool(5, bytes: 600_000)
        let ids = try test.ids("rejected")
        try test.execute(
            """
            CREATE TRIGGER failure AFTER DELETE ON rejected WHEN old.id = \(ids[2])
            BEGIN SELECT raise(FAIL, 'for the test'); END
            """
        )
        #expect(spoolError { _ = try test.spool.requeue(ids) } != nil)
        #expect(try test.ids("rejected") == Array(ids[2...]))
        #expect(try test.ids().count == 2)
    }

    @Test(
        "are moved, or deleted and counted, as a whole or not at all",
        arguments: ["INSERT ON records", "DELETE ON rejected", "INSERT ON gaps", "UPDATE ON counters"]
    )
    func atomic(operation: String) throws {
        let test = try spool(9)
        let ids = try test.ids("rejected")
        try test.execute("CREATE TRIGGER failure AFTER \(operation) BEGIN SELECT raise(FAIL, 'for the test'); END")
        let before = try sqlite3(test.path, ".dump")
        if operation != "INSERT ON gaps" { #expect(spoolError { _ = try test.spool.requeue(ids) } != nil) }
        if operation != "INSERT ON records" { #expect(spoolError { _ = try test.spool.purgeRejected(ids) } != nil) }
        #expect(try sqlite3(test.path, ".dump") == before)
    }

    @Test("that are purged are counted by stream, and their streams are not told")
    func purge() throws {
        let test = try spool(1_203)
        for gap in try test.spool.untoldGaps() { _ = try test.spool.tellGap(gap) }
        let ids = try test.ids("rejected")
        #expect(try test.spool.purgeRejected(ids.filter { $0 != ids[5] }) == 1_202)
        #expect(try test.spool.purgeRejected(ids.filter { $0 != ids[5] }) == 0)
        #expect(try test.ids("rejected") == [ids[5]])
        #expect(
            try sqlite3(test.path, "SELECT * FROM gaps ORDER BY stream_id")
                == "1|rejected, and purged|801|1|1202\n2|rejected, and purged|401|0|1200\n"
        )
        #expect(try SpoolStatus.read(path: test.path).dropped == 1_202)
        #expect(try test.spool.untoldGaps().isEmpty)
    }

    @Test("can not be moved where the disk is full, and stay")
    func fullDisk() throws {
        let test = try spool(3)
        let spool = try Spool(path: test.path, options: .init(freeSpace: 0))
        let ids = try test.ids("rejected")
        #expect(spoolError { _ = try spool.requeue(ids) }?.kind == .full)
        #expect(try test.ids("rejected") == ids)
    }
}

extension Spool.Options {
    fileprivate init(freeSpace: Int64) {
        self.init()
        self.freeSpace = { _ in freeSpace }
    }
}
