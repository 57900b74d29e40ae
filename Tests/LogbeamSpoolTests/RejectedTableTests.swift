import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("What the service refused")
struct RejectedTableTests {
    private static let gaps =
        "SELECT stream_id, reason, records, first_at, last_at FROM gaps WHERE reason NOT LIKE 'refused by%' ORDER BY stream_id"
    /// What is in `rejected`, counted; then what the counters say.
    private static let sizes = [
        "SELECT count(*), coalesce(sum(length(CAST(message AS BLOB))), 0) FROM rejected",
        "SELECT (SELECT value FROM counters WHERE name = 'rejected'), (SELECT value FROM counters WHERE name = 'rejected_bytes')",
    ]

    private func expectCounted(_ test: TestSpool, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let sizes = try Self.sizes.map { try sqlite3(test.path, $0) }
        #expect(sizes[0] == sizes[1], sourceLocation: sourceLocation)
    }

    /// Puts records into `rejected` that are older than any others: `records` of them, numbered from 1.
    private func fill(_ test: TestSpool, records: Int, stream: Int64? = nil, bytes: Int = 10) throws {
        try test.execute(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT \(records))
            INSERT INTO rejected SELECT n, \(stream ?? test.stream), 1000 + n, printf('%.\(bytes)c', 'm'), 'invalid', 1 FROM numbers
            """
        )
    }

    private func refuse(_ ids: some Sequence<Int64>) -> [RefusedRecord] {
        ids.map { RefusedRecord(id: $0, reason: .invalid) }
    }

    @Test("is kept up to 10,000 records; the oldest make room, and are counted stream by stream, once")
    func records() throws {
        let test = try TestSpool()
        try fill(test, records: 9_996)
        try test.execute("UPDATE rejected SET stream_id = \(test.otherStream) WHERE id IN (2, 3)")
        let ids = try test.append(8)
        // To the brim, and no further.
        try test.spool.reject(refuse(ids[..<4]))
        #expect(try test.ids("rejected").count == 10_000)
        #expect(try sqlite3(test.path, Self.gaps) == "")
        // Four more, one of them twice.
        try test.spool.reject(refuse(ids[4..<6]))
        try test.spool.reject(refuse(ids[5...]))
        try test.spool.reject(refuse(ids))
        #expect(try test.ids("rejected") == Array(5...9_996) + ids)
        #expect(try test.ids() == [])
        let reason = "rejected, and no longer kept"
        #expect(
            try sqlite3(test.path, Self.gaps)
                == "\(test.stream)|\(reason)|2|1001|1004\n\(test.otherStream)|\(reason)|2|1002|1003\n"
        )
        let status = try SpoolStatus.read(path: test.path)
        #expect(status.streams.map(\.destination.logStream) == ["other", "stream"])
        #expect(status.streams.map(\.dropped) == [2, 2])
        #expect(status.streams.map(\.rejected) == [0, 10_000])
        try expectCounted(test)
    }

    @Test("is kept up to 64 MiB of messages, counted in bytes of UTF-8")
    func bytes() throws {
        let test = try TestSpool()
        // 64 MiB less 100 bytes; the last is the youngest.
        try fill(test, records: 63, bytes: 1 << 20)
        let ids = try test.append(1, timestamp: 2_000)
        try test.execute(
            "INSERT INTO rejected VALUES (64, 1, 1064, printf('%.\((1 << 20) - 100)c', 'm'), 'invalid', 1)"
        )
        try test.spool.reject(refuse(ids))
        #expect(try test.ids("rejected").count == 65)
        // 91 bytes are left. Of these 92 some are characters of several bytes, and one is NUL.
        let id = try test.spool.append(String(repeating: "é€😀", count: 10) + "\0a", stream: test.stream)
        try test.spool.reject(refuse([id]))
        #expect(try test.ids("rejected") == Array(2...64) + ids + [id])
        #expect(try test.number("SELECT records FROM gaps WHERE reason NOT LIKE 'refused by%'") == 1)
        try expectCounted(test)
        let fits = try test.spool.append(String(repeating: "é", count: (1 << 19) - 1), stream: test.stream)
        try test.spool.reject(refuse([fits]))
        #expect(try test.ids("rejected") == Array(2...64) + ids + [id, fits])
        try expectCounted(test)
    }

    @Test("makes room too when it comes with an acknowledgement, also where a whole batch is refused")
    func acknowledgement() throws {
        let test = try TestSpool()
        try fill(test, records: 3, stream: test.otherStream)
        try test.appendGroups(10)
        let ids = try test.ids()
        let range = test.range(ids[0], ids[9_999])
        try test.spool.begin(range)
        for _ in 1...2 { try test.spool.acknowledgeAndFinish(range, refused: refuse(ids), delivered: 0) }
        #expect(try test.ids("rejected") == ids)
        #expect(
            try sqlite3(test.path, Self.gaps) == "\(test.otherStream)|rejected, and no longer kept|3|1001|1003\n"
        )
        try expectCounted(test)
    }

    @Test("is told once in each stream, by reason, and that the service refused what is told is not told again")
    func told() throws {
        let test = try TestSpool()
        let ids = try test.append(5, timestamp: 1_000) + test.append(1, to: test.otherStream, timestamp: 2_000)
        try test.spool.reject(ids.map { RefusedRecord(id: $0, reason: $0 == ids[0] ? .tooOld : .invalid) })
        let untold = try test.spool.untoldGaps()
        #expect(untold.map(\.records).sorted() == [1, 1, 4])
        for gap in untold + untold { _ = try test.spool.tellGap(gap) }
        let time = "1970-01-01T00:00:01.000Z"
        #expect(
            try sqlite3(test.path, "SELECT message FROM records WHERE stream_id = \(test.stream) ORDER BY message")
                == """
                logbeam: 1 record dropped between \(time) and \(time): refused by CloudWatch Logs (too old)
                logbeam: 4 records dropped between \(time) and \(time): refused by CloudWatch Logs (invalid)

                """
        )
        // They are counted where they are kept, and nowhere else.
        let status = try SpoolStatus.read(path: test.path)
        #expect((status.rejected, status.dropped) == (6, 0))
        try test.spool.reject(refuse(try test.ids()))
        #expect(try test.spool.untoldGaps() == [])
        #expect(try test.ids() == [])
    }

    @Test("makes room without a record in the stream, which might be refused as well, and so for ever")
    func noFeedback() throws {
        let test = try TestSpool()
        try fill(test, records: 10_000)
        try test.append()
        // As an uploader would, to whom everything is refused.
        for _ in 1...10 { try test.spool.reject(refuse(try test.ids())) }
        #expect(try test.ids() == [])
        #expect(try test.number("SELECT records FROM gaps WHERE reason NOT LIKE 'refused by%'") == 1)
    }

    @Test("keeps its counts true whatever comes and goes", arguments: 1...3 as ClosedRange<UInt64>)
    func counts(seed: UInt64) throws {
        let test = try TestSpool()
        var random = SeededGenerator(seed: seed)
        try fill(test, records: 9_800)
        for _ in 1...40 {
            let texts = (0..<Int.random(in: 1...20, using: &random)).map { _ in
                String(
                    repeating: ["a", "é", "😀", "\0"].randomElement(using: &random) ?? "",
                    count: .random(in: 0...9, using: &random)
                )
            }
            let ids = try texts.map {
                try test.spool.append($0, stream: Bool.random(using: &random) ? test.stream : test.otherStream)
            }
            if Bool.random(using: &random) {
                try test.spool.reject(refuse(ids.shuffled(using: &random)))
            } else if let first = ids.first, let last = ids.last {
                try test.spool.begin(test.range(first, last))
                let ours = try test.ids("records WHERE stream_id = \(test.stream)")
                try test.spool.acknowledgeAndFinish(test.range(first, last), refused: refuse(ours), delivered: 0)
            }
            try expectCounted(test)
        }
        let kept = try test.ids("rejected").count
        #expect(kept == 10_000)
        // By hand, as people will.
        try sqlite3(test.path, "DELETE FROM rejected WHERE id % 3 = 0")
        try expectCounted(test)
        try sqlite3(test.path, "DELETE FROM rejected")
        try expectCounted(test)
    }

    @Test(
        "is moved, makes room and is counted as a whole or not at all",
        arguments: [
            "INSERT ON rejected", "UPDATE ON counters", "DELETE ON records", "INSERT ON gaps", "DELETE ON rejected",
        ]
    )
    func atomic(operation: String) throws {
        let test = try TestSpool()
        try fill(test, records: 10_000)
        let ids = try test.append(2)
        let range = test.range(ids[0], ids[1])
        try test.spool.begin(range)
        func state() throws -> String { try sqlite3(test.path, ".dump") }
        try test.execute("CREATE TRIGGER failure AFTER \(operation) BEGIN SELECT raise(FAIL, 'for the test'); END")
        let before = try state()
        #expect(spoolError { try test.spool.reject(refuse(ids)) } != nil)
        #expect(spoolError { try test.spool.acknowledgeAndFinish(range, refused: refuse(ids), delivered: 0) } != nil)
        #expect(try state() == before)
        try test.execute("DROP TRIGGER failure")
        try test.spool.acknowledgeAndFinish(range, refused: refuse(ids), delivered: 0)
        #expect(try test.ids("rejected") == Array(3...10_000) + ids)
        #expect(try test.number("SELECT sum(records) FROM gaps WHERE reason NOT LIKE 'refused by%'") == 2)
        try expectCounted(test)
    }

    // MARK: Bounded work

    @Test("goes little by little where an earlier version left more than is kept")
    func excess() throws {
        let test = try TestSpool()
        try fill(test, records: 45_000)
        var kept: [Int] = []
        for id in try test.append(4) {
            try test.spool.reject(refuse([id]))
            kept.append(try test.ids("rejected").count)
        }
        #expect(kept == [25_001, 10_000, 10_000, 10_000])
        #expect(try test.number("SELECT records FROM gaps WHERE reason NOT LIKE 'refused by%'") == 35_004)
        try expectCounted(test)
    }

    @Test("goes little by little where an earlier version left longer messages than are kept")
    func excessBytes() throws {
        let test = try TestSpool()
        try fill(test, records: 200, bytes: 1 << 20)
        var kept: [Int] = []
        for id in try test.append(3) {
            try test.spool.reject(refuse([id]))
            kept.append(try test.ids("rejected").count)
        }
        #expect(kept == [73, 65, 66])
        try expectCounted(test)
    }

    @Test("moves 500 records in one transaction, and fewer where they are long")
    func slices() throws {
        let test = try TestSpool()
        try test.appendGroups(1, of: 1_001, bytes: 100)
        try test.appendGroups(1, of: 5, bytes: 400_000)
        func move(_ records: [RefusedRecord]) throws -> Int {
            try test.spool.write { writer throws(SpoolError) in try writer.moveToRejected(records[...], in: nil) }
        }
        let ids = try test.ids()
        #expect(try move(refuse(ids)) == 500)
        #expect(try test.ids("rejected") == Array(ids[..<500]))
        // What was moved before is passed over.
        #expect(try move(refuse(ids[499..<700])) == 201)
        #expect(try move(refuse(ids[1_001...])) == 3)
        #expect(try test.ids() == Array(ids[700..<1_001]) + ids.suffix(2))
        try test.spool.reject(refuse(ids))
        #expect(try test.ids("rejected") == ids)
    }

    @Test(
        "takes what is refused though a damaged spool has counted less than nothing",
        arguments: ["rejected", "rejected_bytes"]
    )
    func damagedCount(counter: String) throws {
        let test = try TestSpool()
        let ids = try test.append(2)
        try test.execute("UPDATE counters SET value = \(Int64.min) WHERE name = '\(counter)'")
        try test.spool.reject(refuse([ids[0]]))
        #expect(try test.ids("rejected") == [ids[0]])
    }
}
