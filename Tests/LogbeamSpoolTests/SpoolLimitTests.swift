import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("A spool with a limit", .onOwnThreads)
struct SpoolLimitTests {
    static let mebibyte: Int64 = 1 << 20
    static let limit: Int64 = 2 << 20

    func spool(
        _ whenFull: SpoolLimit.WhenFull,
        limit: Int64 = Self.limit,
        in directory: TemporaryDirectory
    ) throws -> (spool: Spool, stream: Int64) {
        let limit = SpoolLimit(bytes: limit, whenFull: whenFull)
        let spool = try Spool(path: directory.file("spool.db"), options: .init(limit: limit))
        return (spool, try spool.streamID(for: Destination(logGroup: "group", logStream: "stream")))
    }

    /// The file and its log.
    func diskUse(_ spool: Spool) throws -> Int64 {
        try Int64(size(spool.path) + size(spool.path + "-wal"))
    }

    /// Whether their streams were told of them or not.
    func gaps(_ spool: Spool) throws -> [Gap] {
        let statement = try Connection(path: spool.path, mode: .readOnly).prepare(
            "SELECT stream_id, replace(reason, ' (not told yet)', ''), records, first_at, last_at FROM gaps"
        )
        var gaps: [Gap] = []
        while try statement.step() {
            gaps.append(
                Gap(
                    stream: statement.integer(0),
                    reason: statement.text(1),
                    records: Int(statement.integer(2)),
                    first: statement.integer(3),
                    last: statement.integer(4)
                )
            )
        }
        return gaps
    }

    @Test(
        "sets a part of it apart for the log, and as much as others need",
        arguments: [
            // The least that a configuration may ask for, and the default.
            (16 * mebibyte, 4 * mebibyte, 3 * mebibyte, 512, 256),
            (1_024 * mebibyte, 64 * mebibyte, 64 * mebibyte, 8_192, 4_096),
            (1_024 * 1_024 * mebibyte, 64 * mebibyte, 64 * mebibyte, 8_192, 4_096),
        ]
    )
    func parts(bytes: Int64, log: Int64, rejected: Int64, safety: Int, busy: Int) {
        let limit = SpoolLimit(bytes: bytes)
        #expect((limit.walBytes, limit.databaseBytes) == (log, bytes - log))
        #expect(limit.rejectedBytes == rejected)
        #expect((limit.safetyPages, limit.busyPages) == (safety, busy))
    }

    @Test("counts a record for at least what it takes", arguments: [0, 1, 100, 1_000, 2_100, 4_100, 9_000, 100_000])
    func cost(bytes: Int) throws {
        let test = try TestSpool()
        try test.append()
        let before = try test.number("PRAGMA page_count")
        let message = [UInt8](repeating: 65, count: bytes)
        let count = 2_000_000 / (bytes + 100)
        for _ in 0..<count { try test.spool.append(message, stream: test.stream) }
        let taken = try (test.number("PRAGMA page_count") - before) * SpoolLimit.pageSize
        let cost = Int64(count) * SpoolLimit.cost(ofMessage: bytes)
        #expect(taken < cost + 65_536, "\(taken) of \(cost)")
        #expect(cost < 3 * taken + 65_536)
    }

    // MARK: Dropping

    @Test(
        "drops the oldest: never takes more, keeps the newest without a hole, and counts the others with their times",
        arguments: [60, 1_500, 20_000]
    )
    func dropOldest(bytes: Int) throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.dropOldest, in: directory)
        let message = [UInt8](repeating: 65, count: bytes)
        let count = 3 * Int(Self.limit) / (bytes + 30)
        var appended: [Int64] = []
        var largest: Int64 = 0
        for number in 0..<count {
            appended.append(try spool.append(message, stream: stream, timestamp: Int64(number)))
            if number % 50 == 0 { largest = try max(largest, diskUse(spool)) }
        }
        #expect(largest <= Self.limit)
        #expect(largest > Self.limit / 2)
        #expect(appended == appended.sorted() && Set(appended).count == count)
        let kept = try ids(in: spool.path)
        #expect(kept == appended.suffix(kept.count))
        #expect(kept.count * (bytes + 30) > Self.limit / 3)
        let dropped = count - kept.count
        let expected = Gap(stream: stream, reason: "spool full", records: dropped, first: 0, last: Int64(dropped - 1))
        #expect(try gaps(spool) == [expected])
        #expect(try integrity(of: spool.path) == "ok")
    }

    @Test("tells a stream once of what was dropped of it, however many slices that were, also in the next process")
    func told() throws {
        let directory = try TemporaryDirectory()
        var dropped = 0
        do {
            let (spool, stream) = try spool(.dropOldest, in: directory)
            let message = [UInt8](repeating: 65, count: 1_000)
            for _ in 0..<6_000 { try spool.append(message, stream: stream) }
            dropped = try SpoolStatus.read(path: spool.path).dropped
            #expect(dropped > 3_000)
        }
        let (spool, _) = try spool(.dropOldest, in: directory)
        let untold = try spool.untoldGaps()
        #expect(untold.map(\.records) == [dropped])
        for gap in untold { #expect(try spool.tellGap(gap)) }
        #expect(try spool.untoldGaps() == [])
        let text = try sqlite3(spool.path, "SELECT message FROM records WHERE message LIKE 'logbeam: %'")
        #expect(text == untold[0].description + "\n")
        #expect(try gaps(spool).map(\.reason) == ["spool full"])
    }

    @Test("keeps the records of batches in flight and in doubt, and their boundaries")
    func inFlight() throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.dropOldest, in: directory)
        let other = try spool.streamID(for: Destination(logGroup: "group", logStream: "other"))
        var ids: [Int64] = []
        for number in 0..<300 {
            ids.append(try spool.append("record \(number)", stream: number % 2 == 0 ? stream : other, timestamp: 1))
        }
        let range = BatchRange(stream: stream, first: ids[100], last: ids[198], latest: 1)
        try spool.begin(range)
        let message = [UInt8](repeating: 65, count: 1_000)
        for _ in 0..<4_000 { try spool.append(message, stream: other) }
        let held = stride(from: 100, through: 198, by: 2).map { ids[$0] }
        #expect(try LogbeamSpoolTests.ids(in: spool.path).prefix(60).filter { $0 <= ids[299] } == held)
        #expect(try gaps(spool).map(\.stream).sorted() == [stream, other])
        // What comes back is the oldest again.
        try spool.abandon(range)
        for _ in 0..<4_000 { try spool.append(message, stream: other) }
        #expect(try LogbeamSpoolTests.ids(in: spool.path).allSatisfy { $0 > ids[299] })
        #expect(try gaps(spool).first { $0.stream == stream }?.records == 150)
    }

    @Test("refuses a new record where all others are in flight, and one that is too large for it")
    func nothingToDrop() throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.dropOldest, in: directory)
        let large = [UInt8](repeating: 65, count: 1_200_000)
        #expect(spoolError { try spool.append(large, stream: stream) }?.kind == .atLimit)
        #expect(try gaps(spool) == [])
        let message = [UInt8](repeating: 65, count: 1_000)
        var last: Int64 = 0
        for _ in 0..<1_000 { last = try spool.append(message, stream: stream) }
        try spool.begin(BatchRange(stream: stream, first: 1, last: last + 10_000_000_000, latest: .max))
        var error: SpoolError?
        var count = 0
        while error == nil, count < 10_000 {
            error = spoolError { try spool.append(message, stream: stream) }
            count += 1
        }
        #expect(error?.kind == .atLimit)
        #expect(error?.description.contains("limit of \(Self.limit) bytes") == true)
        #expect(try diskUse(spool) <= Self.limit)
    }

    @Test("is kept to by all processes together, and by all threads")
    func shared() async throws {
        let directory = try TemporaryDirectory()
        let spools = try (0..<3).map { _ in try spool(.dropOldest, in: directory) }
        let message = [UInt8](repeating: 65, count: 700)
        let results = try await onThreads(9) { thread -> (largest: Int64, taken: Int) in
            let (spool, stream) = spools[thread % 3]
            var result = (largest: Int64(0), taken: 0)
            for number in 0..<700 {
                let error = spoolError { try spool.append(message, stream: stream) }
                if error == nil { result.taken += 1 }
                // Where processes write all the time, it takes luck to begin so short a log anew.
                #expect(error == nil || error?.kind == .walHeld)
                if number % 20 == 0 { result.largest = try max(result.largest, diskUse(spool)) }
            }
            return result
        }
        // Within one batch.
        #expect(results.allSatisfy { $0.largest < Self.limit + Self.mebibyte })
        let status = try SpoolStatus.read(path: spools[0].spool.path)
        #expect(status.pending + status.dropped == results.reduce(0) { $0 + $1.taken })
        #expect(status.dropped > 3_000)
    }

    @Test("is kept to by threads that share a commit: it takes no more records than there is room for")
    func sharedCommit() async throws {
        let test = try TestSpool(limit: SpoolLimit(bytes: Self.limit, whenFull: .dropNewest))
        func room() throws -> Int64 { try test.spool.write { writer throws(SpoolError) in try writer.room.measure() } }
        while try room() > 300_000 { try test.append(10) }
        // A megabyte, which would be one commit where there is room.
        let results = try await test.appendTogether((0..<40).map { _ in String(repeating: "x", count: 25_000) })
        #expect(try room() > -50_000)
        let taken = results.compactMap { try? $0.get() }
        #expect((1..<20).contains(taken.count), "\(taken.count)")
        for case .failure(let error) in results { #expect((error as? SpoolError)?.kind == .atLimit) }
    }

    @Test("is kept to by a few processes that count at the same time what there is room for")
    func countedTogether() throws {
        let directory = try TemporaryDirectory()
        let (first, stream) = try spool(.dropNewest, in: directory)
        func room() throws -> Int64 { try first.write { writer throws(SpoolError) in try writer.room.measure() } }
        let message = [UInt8](repeating: 65, count: 1_000)
        while try room() > 250_000 { try first.append(message, stream: stream) }
        var others = try (0..<4).map { _ in try spool(.dropNewest, in: directory).spool }
        var taken = 0
        while !others.isEmpty {
            others.removeAll { other in
                let error = spoolError { try other.append(message, stream: stream) }
                if error == nil { taken += 1 } else { #expect(error?.kind == .atLimit) }
                return error != nil
            }
        }
        #expect(taken > 50)
        #expect(try room() > -20_000)
    }

    @Test("drops what another process had on its way, once that is not so any more")
    func abandonedElsewhere() throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.dropOldest, in: directory)
        let (other, _) = try self.spool(.dropOldest, in: directory)
        func drop() throws { #expect(try spool.write { writer throws(SpoolError) in try writer.dropOldestSlice() }) }
        let appended = try (0..<10).map { try spool.append("\($0)", stream: stream) }
        let range = BatchRange(stream: stream, first: appended[0], last: appended[4], latest: .max)
        try other.begin(range)
        try drop()
        #expect(try ids(in: spool.path) == Array(appended[...4]))
        // Which tells nobody.
        try other.abandon(range)
        for _ in 0..<64 {
            try spool.append("later", stream: stream)
            try drop()
        }
        #expect(try ids(in: spool.path).first != appended[0])
    }

    @Test("makes room for a record though it has no time to wait")
    func noTime() throws {
        let test = try TestSpool(commitTimeout: .zero, limit: SpoolLimit(bytes: Self.limit, whenFull: .dropOldest))
        let message = [UInt8](repeating: 65, count: 1_000)
        for _ in 0..<4_000 { try test.spool.append(message, stream: test.stream) }
        #expect(try SpoolStatus.read(path: test.path).dropped > 1_000)
    }

    enum Cutter: CaseIterable { case upkeep, fullDisk }

    @Test("is kept to by the log as before, once its file was cut", arguments: Cutter.allCases)
    func truncateWAL(by cutter: Cutter) throws {
        let directory = try TemporaryDirectory()
        let isFull = Monitor(false)
        var options = Spool.Options(limit: SpoolLimit(bytes: Self.limit, whenFull: .dropOldest))
        options.freeSpace = { _ in isFull.withLock { $0 } ? 0 : .max }
        let spool = try Spool(path: directory.file("spool.db"), options: options)
        let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        let message = [UInt8](repeating: 65, count: 1_000)
        for _ in 0..<50 { try spool.append(message, stream: stream) }
        switch cutter {
        case .upkeep:
            try SpoolMaintenance(spool: spool, reader: SpoolReader(path: spool.path)).whileIdle { true }
        case .fullDisk:
            isFull.withLock { $0 = true }
            var error: SpoolError?
            for _ in 0..<1_000 where error == nil { error = spoolError { try spool.append(message, stream: stream) } }
            #expect(error?.kind == .full)
            isFull.withLock { $0 = false }
            // It counts as full for a moment.
            #expect(eventually { (try? spool.append(message, stream: stream)) != nil })
        }
        // Makes the file of the log long.
        let reader = try Connection(path: spool.path, mode: .readOnly)
        try reader.execute("BEGIN")
        #expect(try reader.integer("SELECT count(*) FROM records") >= 50)
        var error: SpoolError?
        while error == nil { error = spoolError { try spool.append([65], stream: stream) } }
        #expect(error?.kind == .walHeld)
        #expect(try size(spool.path + "-wal") > Self.mebibyte)
        try reader.execute("COMMIT")
        for _ in 0..<4_000 { try spool.append(message, stream: stream) }
        #expect(try diskUse(spool) <= Self.limit)
    }

    @Test("that is less than what the spool has taken is reached by and by, and no record waits for it")
    func lowered() throws {
        let directory = try TemporaryDirectory()
        let message = [UInt8](repeating: 65, count: 1_000)
        do {
            let (spool, stream) = try spool(.dropOldest, limit: 64 << 20, in: directory)
            for _ in 0..<20 { try spool.appendGroup(of: 1_000, message, stream: stream) }
        }
        let (spool, stream) = try spool(.dropOldest, in: directory)
        try spool.append(message, stream: stream)
        let first = try SpoolStatus.read(path: spool.path)
        #expect(first.dropped > 0 && first.dropped <= 1_000, "a slice or two")
        var count = 1
        while try SpoolStatus.read(path: spool.path).pending > 1_500, count < 40_000 {
            for _ in 0..<500 { try spool.append(message, stream: stream) }
            count += 500
        }
        let status = try SpoolStatus.read(path: spool.path)
        #expect(status.pending + status.dropped == 20_000 + count)
        #expect(status.pending <= 1_500)
    }

    @Test("drops nothing because a reader holds the log open: then new records are refused, until it lets go")
    func heldLog() throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.dropOldest, in: directory)
        try spool.append("first", stream: stream)
        let reader = try Connection(path: spool.path, mode: .readOnly)
        try reader.execute("BEGIN")
        #expect(try reader.integer("SELECT count(*) FROM records") == 1)
        var error: SpoolError?
        var count = 1
        while error == nil, count < 10_000 {
            error = spoolError { try spool.append("record", stream: stream) }
            if error == nil { count += 1 }
        }
        #expect(error?.kind == .walHeld && error?.gapReason == "spool full")
        #expect(try diskUse(spool) < Self.limit + Self.mebibyte)
        // It was waited for once: not every record waits for a second.
        let time = ContinuousClock().measure {
            for _ in 0..<10 { #expect(spoolError { try spool.append("record", stream: stream) }?.kind == .walHeld) }
        }
        #expect(time < .seconds(10))
        #expect(try ids(in: spool.path).count == count)
        try reader.execute("COMMIT")
        try spool.append("last", stream: stream)
        #expect(try gaps(spool) == [])
    }

    @Test("leaves a part to what was rejected, which gives way to records when there is less of it")
    func rejected() throws {
        let directory = try TemporaryDirectory()
        let message = [UInt8](repeating: 65, count: 10_000)
        do {
            let (spool, stream) = try spool(.dropOldest, limit: 64 << 20, in: directory)
            let ids = try (0..<400).map { _ in try spool.append(message, stream: stream) }
            try spool.reject(ids.map { RefusedRecord(id: $0, reason: .tooOld) })
        }
        let (spool, stream) = try spool(.dropOldest, in: directory)
        for _ in 0..<200 { try spool.append(message, stream: stream) }
        let bytes = try sqlite3(spool.path, "SELECT value FROM counters WHERE name = 'rejected_bytes'")
        #expect(try #require(Int64(bytes.dropLast())) <= SpoolLimit(bytes: Self.limit).rejectedBytes)
        #expect(try ids(in: spool.path).count > 50)
    }

    @Test("drops and counts, or does neither, wherever the disk fails")
    func diskFails() throws {
        for first in stride(from: 1, to: 400, by: 7) {
            let directory = try TemporaryDirectory.inMemory()
            let disk = TestDisk(directory: directory.path)
            let (spool, stream) = try spool(.dropOldest, limit: 1 << 19, in: directory)
            let message = [UInt8](repeating: 65, count: 2_000)
            var taken = 0
            for _ in 0..<150 where (try? spool.append(message, stream: stream)) != nil { taken += 1 }
            disk.setFault(.init([.write], first: first, lasts: false, code: 13))
            for _ in 0..<60 where (try? spool.append(message, stream: stream)) != nil { taken += 1 }
            disk.setFault(nil)
            let status = try SpoolStatus.read(path: spool.path)
            #expect(status.pending + status.dropped == taken, "the write \(first) failed")
            #expect(try integrity(of: spool.path) == "ok")
        }
    }
}
