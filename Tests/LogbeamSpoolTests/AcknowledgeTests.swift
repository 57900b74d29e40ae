import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Acknowledging", .onOwnThreads)
struct AcknowledgeTests {
    @Test("deletes the records of the batch and no others")
    func exact() throws {
        let test = try TestSpool()
        let before = try test.append()[0]
        let first = try test.append(timestamp: 10)[0]
        let other = try test.append(to: test.otherStream, timestamp: 10)[0]
        let early = try test.append(timestamp: 21)[0]
        let last = try test.append(timestamp: 20)[0]
        let after = try test.append()[0]
        let range = test.range(first, last, latest: 20)
        try test.spool.begin(range)
        #expect(try SpoolReader(path: test.path).deliveries().map(\.range) == [range])
        try test.spool.acknowledgeAndFinish(range, refused: [], delivered: 2)
        #expect(try test.ids() == [before, other, early, after])
        #expect(try test.ids("rejected") == [])
        #expect(try test.ids("deliveries") == [])
        #expect(try SpoolStatus.read(path: test.path).delivered == 2)
    }

    @Test("ends a slice when somebody waits, and the next one goes on from there")
    func earlyEnd() throws {
        let test = try TestSpool()
        let ids = try test.append(Writer.sliceStep * 4)
        let range = test.range(ids[0], ids[ids.count - 1])
        try test.spool.begin(range)
        var looks = 0
        let next = try test.spool.write { writer throws(SpoolError) in
            try writer.deleteSlice(of: range, from: range.first, step: Writer.sliceStep, in: nil) {
                looks += 1
                return looks == 2
            }
        }
        #expect(try test.ids() == Array(ids.dropFirst(2 * Writer.sliceStep)))
        #expect(try test.ids("deliveries").count == 1)
        #expect(next == ids[2 * Writer.sliceStep - 1] + 1)
        let end = try test.spool.write { writer throws(SpoolError) in
            try writer.deleteSlice(of: range, from: next ?? 0, step: Writer.sliceStep, in: nil)
        }
        #expect(end == nil)
        #expect(try test.ids() == [])
        #expect(try test.ids("deliveries") == [])
    }

    @Test("deletes a batch whose last record has the highest id of all")
    func lastID() throws {
        let test = try TestSpool()
        try test.execute(
            """
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < \(Writer.sliceSize - 1))
            INSERT INTO records SELECT \(Int64.max) - i, \(test.stream), 1, 'foreign' FROM n
            """
        )
        try test.deliverAll()
        #expect(try test.ids() == [])
        #expect(try test.ids("deliveries") == [])
    }

    @Test("deletes a batch in slices of no more than so many records, whatever the step")
    func sliceLimit() throws {
        let test = try TestSpool()
        let ids = try test.append(100)
        let range = test.range(ids[0], ids[99])
        try test.spool.begin(range)
        for (step, left) in [(30, 60), (40, 20), (1_000, 0)] {
            let start = try test.ids()[0]
            let next = try test.spool.write { writer throws(SpoolError) in
                try writer.deleteSlice(of: range, from: start, limit: 40, step: step, in: nil)
            }
            #expect(try test.ids().count == left)
            #expect((next == nil) == (left == 0))
        }
    }

    @Test("takes the ids of the batch out of use before the first of its records is deleted")
    func idsAreSpent() throws {
        let test = try TestSpool()
        let ids = try test.append(3)
        let range = test.range(ids[0], ids[2])
        try test.spool.begin(range)
        try test.spool.acknowledge(range, refused: [], delivered: 3)
        #expect(try sqlite3(test.path, "SELECT value FROM counters WHERE name = 'last_id'") == "\(ids[2])\n")
    }

    @Test("reads a batch as it will delete it, in the order of time")
    func batch() throws {
        let test = try TestSpool()
        let times: [Int64] = [30, 10, 99, 20, 10]
        let ids = try times.map { try test.append(timestamp: $0)[0] }
        try test.append(to: test.otherStream, timestamp: 15)
        let destination = Destination(logGroup: "group", logStream: "stream")
        let range = test.range(ids[0], ids[4], latest: 30)
        let batch = try SpoolReader(path: test.path).batch(range, for: destination)
        #expect(batch.events.map(\.id) == [ids[1], ids[4], ids[3], ids[0]])
    }

    @Test("moves what was refused to rejected, with the reason")
    func refused() throws {
        let test = try TestSpool()
        let ids = try test.append(RejectionReason.allCases.count + 2, timestamp: 5)
        let refused = zip(ids.dropFirst(), RejectionReason.allCases).map { RefusedRecord(id: $0, reason: $1) }
        let range = test.range(ids[0], ids[ids.count - 1])
        try test.spool.begin(range)
        try test.spool.acknowledgeAndFinish(range, refused: refused, delivered: 2)
        #expect(try test.ids() == [])
        #expect(try test.ids("rejected") == refused.map(\.id))
        let reasons = try sqlite3(test.path, "SELECT reason FROM rejected ORDER BY id")
        #expect(reasons == "too old\nexpired\ntoo new\ntoo large\ninvalid\n")
        let copy = "SELECT message, timestamp, stream_id, rejected_at > 0 FROM rejected ORDER BY id LIMIT 1"
        #expect(try sqlite3(test.path, copy) == "message 1|5|\(test.stream)|1\n")
        let status = try SpoolStatus.read(path: test.path)
        #expect((status.delivered, status.rejected, status.pending) == (2, 5, 0))
    }

    @Test("counts once what is acknowledged twice, also where a crash or an error came between")
    func idempotent() throws {
        let test = try TestSpool()
        let ids = try test.append(1_300)
        let range = test.range(ids[0], ids[1_299])
        let refused = [RefusedRecord(id: ids[7], reason: .tooNew)]
        try test.spool.begin(range)
        // The first transaction, and one slice; then the call is made again from its beginning.
        try test.spool.write { writer throws(SpoolError) in
            try writer.acknowledge(range, refused: refused, delivered: 1_299, in: nil)
            _ = try writer.deleteSlice(of: range, from: range.first, in: nil)
        }
        try test.spool.acknowledgeAndFinish(range, refused: refused, delivered: 1_299)
        try test.spool.acknowledgeAndFinish(range, refused: refused, delivered: 1_299)
        #expect(try test.ids() == [])
        #expect(try test.ids("rejected") == [ids[7]])
        #expect(try SpoolStatus.read(path: test.path).delivered == 1_299)
    }

    /// How many slices it takes to delete records.
    private func slices(_ ids: [Int64], of test: TestSpool, by spool: Spool, afterEach: () -> Void = {}) throws -> Int {
        let range = test.range(ids[0], ids[ids.count - 1])
        try spool.begin(range)
        var count = 0
        try spool.acknowledgeAndFinish(range, refused: [], delivered: ids.count) {
            count += 1
            afterEach()
        }
        return count
    }

    @Test("deletes in longer slices where nobody logs, and in short ones where somebody does")
    func longerSlices() throws {
        let test = try TestSpool()
        let ids = try test.append(2_900)
        // One that was opened when all of that was there.
        let quiet = try slices(ids, of: test, by: Spool(path: test.path))
        #expect(quiet == 3)
        let busy = try slices(test.append(2_900), of: test, by: test.spool) {
            _ = try? test.append(to: test.otherStream)
        }
        #expect(busy == 6)
    }

    @Test("deletes in longer slices where all that comes is moved out of a journal: nobody waits for that")
    func longerSlicesBesideJournal() throws {
        let test = try TestSpool()
        var options = Spool.Options()
        options.quietTime = .seconds(60)
        let spool = try Spool(path: test.path, options: options)
        for (progress, expected) in [(AppendProgress.moved(fromJournal: "a", through: 2_900), 3), (nil, 6)] {
            try spool.appendGroup(of: 2_900, Array("message".utf8), stream: test.stream, progress: progress)
            #expect(try slices(test.ids(), of: test, by: spool) == expected)
        }
    }

    @Test("counts once what was begun twice")
    func begunTwice() throws {
        let test = try TestSpool()
        let ids = try test.append(2)
        for _ in 1...2 { try test.spool.begin(test.range(ids[0], ids[1])) }
        let refused = [RefusedRecord(id: ids[1], reason: .tooOld)]
        try test.spool.acknowledgeAndFinish(test.range(ids[0], ids[1]), refused: refused, delivered: 1)
        #expect(try test.ids("deliveries") == [])
        #expect(try test.ids("rejected") == [ids[1]])
        #expect(try SpoolStatus.read(path: test.path).delivered == 1)
    }

    @Test("goes on where a dead process stopped, wherever that was", arguments: 0...3)
    func crash(slices: Int) throws {
        let test = try TestSpool()
        let ids = try test.append(1_300)
        let others = try test.append(3, to: test.otherStream)
        let range = test.range(ids[0], ids[1_299])
        try test.spool.begin(range)
        try test.spool.write { writer throws(SpoolError) in
            try writer.acknowledge(range, refused: [], delivered: 1_300, in: nil)
            var next: Int64? = range.first
            for _ in 0..<slices {
                if let start = next { next = try writer.deleteSlice(of: range, from: start, in: nil) }
            }
        }
        // Another process takes over.
        let spool = try Spool(path: test.path)
        let deliveries = try SpoolReader(path: test.path).deliveries()
        #expect(deliveries.count == (slices == 3 ? 0 : 1))
        for delivery in deliveries {
            #expect(delivery.acknowledged)
            #expect(delivery.range == range)
            try spool.finish(delivery.range)
        }
        #expect(try test.ids() == others)
        #expect(try test.ids("deliveries") == [])
        #expect(try SpoolStatus.read(path: test.path).delivered == 1_300)
    }

    @Test("remembers what is in doubt for the next process, and forgets what is abandoned")
    func inDoubt() throws {
        let test = try TestSpool()
        let ids = try test.append(4)
        let ranges = [test.range(ids[0], ids[1], latest: 77), test.range(ids[2], ids[3])]
        for range in ranges { try test.spool.begin(range) }
        let deliveries = try SpoolReader(path: Spool(path: test.path).path).deliveries()
        #expect(deliveries.map(\.range) == ranges)
        #expect(deliveries.allSatisfy { !$0.acknowledged })
        try test.spool.abandon(ranges[0])
        #expect(try SpoolReader(path: test.path).deliveries().map(\.range) == [ranges[1]])
        #expect(try test.ids() == ids)
    }

    // MARK: Slices

    @Test("looks at no more than 500 records in one transaction, its own and others'")
    func slices() throws {
        let test = try TestSpool()
        let ids = try (0..<1_200).map { try test.append(to: $0 % 4 == 0 ? test.stream : test.otherStream)[0] }
        let range = test.range(ids[0], ids[1_199])
        func slice(from start: Int64) throws -> Int64? {
            try test.spool.write { writer throws(SpoolError) in try writer.deleteSlice(of: range, from: start, in: nil)
            }
        }
        let second = try #require(try slice(from: ids[0]))
        #expect(second == ids[499] + 1)
        #expect(try test.ids("records WHERE stream_id = \(test.stream)").count == 175)
        let third = try #require(try slice(from: second))
        #expect(third == ids[999] + 1)
        #expect(try slice(from: third) == nil)
        #expect(try test.ids("records WHERE stream_id = \(test.stream)") == [])
        #expect(try test.ids().count == 900)
    }

    @Test("lets writers in between")
    func writersInBetween() async throws {
        let test = try TestSpool()
        try test.appendGroups(100)
        let ids = try test.ids()
        let range = test.range(ids[0], ids[99_999])
        try test.spool.begin(range)
        let isAcknowledging = Gate()
        let isDone = Monitor(false)
        async let appended = onOwnThread {
            isAcknowledging.pass()
            var appended = 0
            while !isDone.withLock({ $0 }) {
                try test.append()
                appended += 1
            }
            return appended
        }
        try await onOwnThread {
            defer { isDone.withLock { $0 = true } }
            #expect(isAcknowledging.waitForArrivals())
            isAcknowledging.open()
            try test.spool.acknowledgeAndFinish(range, refused: [], delivered: 100_000)
        }
        let count = try await appended
        // 200 slices. With one long transaction it would be one or two, one before and one after.
        #expect(count >= 10)
        #expect(try test.ids().count == count)
    }

    // MARK: Rejecting before anything is sent

    @Test("moves what can not be sent to rejected, however much it is")
    func reject() throws {
        let test = try TestSpool()
        try test.appendGroups(1, of: 1_201)
        let ids = try test.ids()
        let refused = ids.dropLast().map { RefusedRecord(id: $0, reason: .tooOld) }
        try test.spool.reject(refused)
        // A second call, after an error, finds nothing to do.
        try test.spool.reject(refused)
        #expect(try test.ids() == [ids[1_200]])
        #expect(try test.ids("rejected").count == 1_200)
        #expect(try SpoolStatus.read(path: test.path).delivered == 0)
    }
}
