import CSQLite
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Batches whose records are known by their ids", .onOwnThreads)
struct SparseBatchTests {
    private static let destination = Destination(logGroup: "group", logStream: "stream")

    /// Records of two streams in a random order, some of them later than what is sent; and a batch of the first stream.
    private struct Interleaving {
        let test: TestSpool
        let range: BatchRange
        /// The records of the batch, by their ids.
        let ids: [Int64]
        /// All others.
        let others: [Int64]

        init(seed: UInt64) throws {
            var random = SeededGenerator(seed: seed)
            test = try TestSpool()
            let share = Int.random(in: 1...40, using: &random)
            var rows: [(id: Int64, isOurs: Bool, time: Int64)] = []
            for _ in 0..<Int.random(in: 1...300, using: &random) {
                let isOurs = Int.random(in: 0..<share, using: &random) == 0
                let time = Int64.random(in: 1...12, using: &random)
                let stream = isOurs ? test.stream : test.otherStream
                rows.append((try test.append(to: stream, timestamp: time)[0], isOurs, time))
            }
            let (one, other) = (rows.randomElement(using: &random)!.id, rows.randomElement(using: &random)!.id)
            let range = test.range(min(one, other), max(one, other), latest: 10)
            self.range = range
            let isIn = { (row: (id: Int64, isOurs: Bool, time: Int64)) in
                (range.first...range.last).contains(row.id) && row.isOurs && row.time <= range.latest
            }
            ids = rows.filter(isIn).map(\.id)
            others = rows.filter { !isIn($0) }.map(\.id)
            try test.spool.begin(range)
        }

        /// What the caller may know: the records of the batch, and beside them what is none of it, or has left the spool.
        var known: [Int64] {
            ids.isEmpty
                ? [range.first] : (ids + others.filter { (range.first...range.last).contains($0) } + [1]).sorted()
        }
    }

    @Test("reads by ids what it reads by the range", arguments: 1...60 as ClosedRange<UInt64>)
    func read(seed: UInt64) throws {
        let one = try Interleaving(seed: seed)
        let reader = try BatchReader(path: one.test.path)
        var (byRange, byIDs) = (EventBatch(destination: Self.destination), EventBatch(destination: Self.destination))
        try reader.read(one.range, for: Self.destination, into: &byRange)
        #expect(byRange.events.map(\.id).sorted() == one.ids)
        for ids in [one.ids, one.known] {
            try reader.read(one.range, ids: ids, for: Self.destination, into: &byIDs)
            #expect(byIDs == byRange)
        }
    }

    @Test("deletes by ids what it deletes by the range", arguments: 1...60 as ClosedRange<UInt64>)
    func delete(seed: UInt64) throws {
        let one = try Interleaving(seed: seed)
        let ids = seed.isMultiple(of: 2) ? one.ids : one.known
        try one.test.spool.acknowledgeAndFinish(one.range, ids: ids, refused: [], delivered: one.ids.count)
        #expect(try one.test.ids() == one.others)
        #expect(try one.test.ids("deliveries") == [])
        #expect(try SpoolStatus.read(path: one.test.path).delivered == one.ids.count)
    }

    @Test("what dies while it deletes by ids is finished by the range", arguments: 1...40 as ClosedRange<UInt64>)
    func crash(seed: UInt64) throws {
        let one = try Interleaving(seed: seed)
        try one.test.spool.write { writer throws(SpoolError) in
            try writer.acknowledge(one.range, refused: [], delivered: one.ids.count, in: nil)
            var next: Int64? = one.range.first
            for _ in 0..<Int(seed % 4) {
                if let start = next {
                    next = try writer.deleteSlice(of: one.range, ids: one.known, from: start, limit: 3, in: nil)
                }
            }
        }
        // Another process takes over.
        let spool = try Spool(path: one.test.path)
        for delivery in try SpoolReader(path: one.test.path).deliveries() {
            #expect(delivery.acknowledged)
            try spool.finish(delivery.range)
        }
        #expect(try one.test.ids() == one.others)
        #expect(try one.test.ids("deliveries") == [])
        #expect(try SpoolStatus.read(path: one.test.path).delivered == one.ids.count)
    }

    @Test("slices count records of the batch alone, and each goes on where the one before ended")
    func slices() throws {
        let test = try TestSpool()
        let all = try (0..<200).map { try test.append(to: $0 % 20 == 0 ? test.stream : test.otherStream)[0] }
        let ids = stride(from: 0, to: 200, by: 20).map { all[$0] }
        let range = test.range(ids[0], ids[9])
        try test.spool.begin(range)
        var next: Int64? = range.first
        for (looks, left) in [(0, 7), (1, 3), (9, 0)] {
            guard let start = next else { return #expect(Bool(false), "it ends too soon") }
            var asked = 0
            next = try test.spool.write { writer throws(SpoolError) in
                try writer.deleteSlice(of: range, ids: ids, from: start, limit: 4, step: 3, in: nil) {
                    asked += 1
                    return asked > looks
                }
            }
            #expect(try test.ids("records WHERE stream_id = \(test.stream)") == Array(ids.suffix(left)))
            #expect(next == (left == 0 ? nil : ids[9 - left] + 1))
        }
        #expect(try test.ids("deliveries") == [])
        #expect(try test.ids().count == 190)
    }

    @Test("one that is deleted weighs more: most have a page of their own", arguments: [true, false])
    func weight(isQuiet: Bool) throws {
        let test = try TestSpool()
        let ids = try test.append(1_100)
        let range = test.range(ids[0], ids[1_099])
        try test.spool.begin(range)
        // One that was opened when all of that was there, or one that logs.
        let spool = isQuiet ? try Spool(path: test.path) : test.spool
        var lefts = [1_100]
        try spool.acknowledgeAndFinish(range, ids: ids, refused: [], delivered: 1_100) {
            lefts.append((try? test.ids("records WHERE id <= \(range.last)").count) ?? 0)
            if !isQuiet { _ = try? test.append() }
        }
        let longest = zip(lefts, lefts.dropFirst()).map { $0 - $1 }.max() ?? 0
        #expect(longest == (isQuiet ? Writer.longestSlice : Writer.sliceSize) / Writer.sparseWeight)
    }

    @Test("takes no more instructions where many streams lie between, to read and to delete")
    func instructions() throws {
        func counts(_ streams: Int) throws -> [Int] {
            let test = try TestSpool()
            let all = try (0..<streams * 50).map {
                try test.append(to: $0 % streams == 0 ? test.stream : test.otherStream)[0]
            }
            let ids = stride(from: 0, to: all.count, by: streams).map { all[$0] }
            let range = test.range(ids[0], ids[49])
            let reader = try SpoolReader(path: test.path)
            var batch = EventBatch(destination: Self.destination)
            try reader.read(range, ids: ids, for: Self.destination, into: &batch)
            #expect(batch.count == 50)
            try test.spool.begin(range)
            let before = try test.spool.write { writer throws(SpoolError) in writer.connection.instructions }
            try test.spool.acknowledgeAndFinish(range, ids: ids, refused: [], delivered: 50)
            let after = try test.spool.write { writer throws(SpoolError) in writer.connection.instructions }
            return [reader.connection.instructions, after - before]
        }
        let few = try counts(1)
        #expect(try counts(100) == few)
        #expect(few.allSatisfy { $0 > 500 })
    }

    // MARK: Catching up

    @Test("looks for headers of a stream at no more rows than it is told, and says how far it got")
    func catchingUp() throws {
        let test = try TestSpool()
        let ids = try (0..<10).map { try test.append(to: $0 % 5 == 0 ? test.stream : test.otherStream)[0] }
        let reader = try SpoolReader(path: test.path)
        func look(after: Int64, through: Int64 = ids[8], limit: Int = 4, bytes: Int = .max) throws
            -> SpoolReader.HeaderPage
        {
            try reader.headers(ofStream: test.stream, after: after, through: through, limit: limit, byteLimit: bytes)
        }
        var page = try look(after: 0)
        #expect((page.headers.map(\.id), page.rows, page.through, page.isLast) == ([ids[0]], 4, ids[3], false))
        page = try look(after: page.through)
        #expect((page.headers.map(\.id), page.rows, page.through, page.isLast) == ([ids[5]], 4, ids[7], false))
        page = try look(after: page.through)
        #expect((page.headers.map(\.id), page.rows, page.through, page.isLast) == ([], 1, ids[8], true))
        // No more than so many, though they end there.
        page = try look(after: ids[4])
        #expect((page.headers.map(\.id), page.through, page.isLast) == ([ids[5]], ids[8], false))
        // By its bytes it ends with the record that has them.
        page = try look(after: 0, limit: 10, bytes: 1)
        #expect((page.headers.map(\.id), page.through, page.isLast) == ([ids[0]], ids[0], false))
    }

    @Test("takes a bounded number of instructions to catch up, however much of others there is")
    func boundedLook() throws {
        let test = try TestSpool()
        try test.appendGroups(20)
        let reader = try SpoolReader(path: test.path)
        _ = try reader.headers(ofStream: test.otherStream, after: 0, through: .max, limit: 100)
        #expect((100..<3_000).contains(reader.connection.instructions))
    }
}

extension Connection {
    /// How many instructions its prepared statements have taken so far.
    var instructions: Int {
        var (sum, statement) = (0, sqlite3_next_stmt(handle, nil))
        while let one = statement {
            sum += Int(sqlite3_stmt_status(one, SQLITE_STMTSTATUS_VM_STEP, 0))
            statement = sqlite3_next_stmt(handle, one)
        }
        return sum
    }
}
