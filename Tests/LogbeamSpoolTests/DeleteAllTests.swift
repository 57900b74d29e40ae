import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("All records are deleted at once", .onOwnThreads)
struct DeleteAllTests {
    private let test: TestSpool

    init() throws {
        test = try TestSpool()
    }

    /// Ten records in two batches that the service has.
    private func spend() throws -> [BatchRange] {
        let ids = try test.append(10)
        let ranges = [test.range(ids[5], ids[9]), test.range(ids[0], ids[4])]
        for range in ranges {
            try test.spool.begin(range)
            try test.spool.acknowledge(range, refused: [], delivered: 5)
        }
        return ranges
    }

    private func deleteAll(_ ranges: [BatchRange]) throws -> Bool {
        test.spool.lastAppend.store(0, ordering: .relaxed)
        return try test.spool.deleteAll(of: ranges)
    }

    @Test("if each belongs to a batch that is acknowledged, and their ids do not come again")
    func all() throws {
        let ranges = try spend()
        let last = ranges[0].last
        #expect(try deleteAll(ranges))
        #expect(try test.ids().isEmpty && test.ids("deliveries").isEmpty)
        #expect(try test.number("SELECT value FROM counters WHERE name = 'delivered'") == 10)
        #expect(try test.append()[0] > last)
        #expect(try test.number("SELECT value FROM counters WHERE name = 'last_id'") == last)
        #expect(try !deleteAll(ranges) && !deleteAll([]))
        #expect(try test.ids().count == 1)
    }

    @Test("not if somebody has logged within the last second")
    func notWhileLogging() throws {
        let ranges = try spend()
        #expect(try !test.spool.deleteAll(of: ranges))
        #expect(try test.ids().count == 10)
    }

    /// What there is beside the records of two batches that the service has.
    enum Other: CaseIterable { case before, between, behind, notAcknowledged }

    @Test("not if there is any other record", arguments: Other.allCases)
    func others(other: Other) throws {
        if other == .before { try test.append() }
        let first = try test.append()[0]
        let second = try test.append()[0]
        if other == .between { try test.append() }
        let third = try test.append()[0]
        if other == .behind { try test.append() }
        let ranges = [test.range(first, second, latest: 1_000), test.range(third, third, latest: 1_000)]
        let acknowledged = other == .notAcknowledged ? Array(ranges.prefix(1)) : ranges
        for range in ranges { try test.spool.begin(range) }
        for range in acknowledged { try test.spool.acknowledge(range, refused: [], delivered: 1) }
        let before = try test.ids()
        #expect(try !deleteAll(acknowledged))
        #expect(try test.ids() == before)
        // Each that is acknowledged is deleted by itself, and nothing else.
        for range in acknowledged { try test.spool.finish(range) }
        #expect(try test.ids().count == 1)
    }

    @Test("though batches of them are gone, or reach as far as ids do")
    func limits() throws {
        var ranges = try spend()
        try test.spool.finish(ranges[1])
        ranges.append(BatchRange(stream: test.stream, first: ranges[0].last + 1, last: .max, latest: .max))
        ranges.append(BatchRange(stream: test.stream, first: .min, last: 0, latest: .max))
        #expect(try deleteAll(ranges))
        #expect(try test.ids().isEmpty)
    }

    @Test("What is acknowledged makes room before anything is dropped")
    func beforeDropping() throws {
        let before = try test.append(3)
        _ = try spend()
        func drop() throws { try test.spool.write { writer throws(SpoolError) in _ = try writer.dropOldestSlice() } }
        for _ in 1...2 { try drop() }
        #expect(try test.ids() == before && test.ids("deliveries").isEmpty)
        #expect(try test.number("SELECT count(*) FROM gaps") == 0)
        try drop()
        #expect(try test.ids().isEmpty)
        #expect(try test.number("SELECT sum(records) FROM gaps") == 3)
    }

    @Test("not by who has lost the lease")
    func superseded() throws {
        let lease = try #require(try UploadLease.acquire(test.spool))
        let ranges = try spend()
        _ = try #require(try UploadLease.takeOver(test.spool))
        test.spool.lastAppend.store(0, ordering: .relaxed)
        #expect(throws: SpoolError.self) { try lease.deleteAll(of: ranges) }
        #expect(try test.ids().count == 10)
    }
}
