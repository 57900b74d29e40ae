import LogbeamCore
import Testing

@Suite("BatchPlanner keeps every limit")
struct BatchPlannerTests {
    private static let now: Int64 = 1_790_000_000_000
    private static let hour: Int64 = 3_600_000

    /// Adds records of the given sizes, ids from 1, all of them of now.
    private func verdicts(_ sizes: [Int], _ limits: BatchLimits) -> (verdicts: [BatchPlanner.Verdict], isFull: Bool) {
        var planner = BatchPlanner(limits: limits)
        let verdicts = sizes.enumerated().map { index, size in
            planner.add(Self.header(Int64(index + 1), bytes: size), now: Self.now)
        }
        return (verdicts, planner.isFull(now: Self.now))
    }

    private static func header(_ id: Int64, at timestamp: Int64 = now, bytes: Int = 10) -> RecordHeader {
        RecordHeader(id: id, stream: 7, timestamp: timestamp, byteCount: bytes)
    }

    @Test("is full with the last record that fits by count, and takes no other")
    func count() {
        #expect(verdicts([1, 1], BatchLimits(count: 3)) == ([.taken, .taken], false))
        #expect(verdicts([1, 1, 1], BatchLimits(count: 3)) == ([.taken, .taken, .taken], true))
        #expect(verdicts([1, 1, 1, 1], BatchLimits(count: 3)) == ([.taken, .taken, .taken, .full], true))
        #expect(verdicts([1, 1], BatchLimits(count: 1)) == ([.taken, .full], true))
    }

    @Test(
        "counts 26 bytes for each event, and 1 byte for an empty message",
        arguments: [
            // Two events of 74 bytes are 200.
            ([74, 74], 200, [.taken, .taken], true),
            ([74, 75], 200, [.taken, .full], true),
            ([74, 74], 199, [.taken, .full], true),
            // What is left takes an event of one byte, or of none.
            ([74, 1], 127, [.taken, .taken], true),
            ([74, 0], 127, [.taken, .taken], true),
            ([74, 0], 126, [.taken, .full], true),
            ([74], 126, [.taken], true),
            ([74], 127, [.taken], false),
            ([0, 0], 54, [.taken, .taken], true),
            ([0, 0], 53, [.taken, .full], true),
        ] as [([Int], Int, [BatchPlanner.Verdict], Bool)]
    )
    func bytes(sizes: [Int], limit: Int, expected: [BatchPlanner.Verdict], isFull: Bool) {
        #expect(verdicts(sizes, BatchLimits(bytes: limit)) == (expected, isFull))
    }

    @Test("sends a record that is larger than the user's batches alone")
    func largerThanBatch() {
        #expect(verdicts([500, 1], BatchLimits(bytes: 100)) == ([.taken, .full], true))
        #expect(verdicts([1, 500], BatchLimits(bytes: 100)) == ([.taken, .full], true))
    }

    @Test("takes the longest message that the service takes, and refuses the next longer one")
    func messageBytes() {
        #expect(BatchLimits.maximumMessageBytes + 26 == 1_048_576)
        #expect(verdicts([1_048_550], BatchLimits()) == ([.taken], true))
        #expect(verdicts([1_048_551, 5], BatchLimits()) == ([.refused(.tooLarge), .taken], false))
        #expect(verdicts([256, 257], BatchLimits(messageBytes: 256)) == ([.taken, .refused(.tooLarge)], false))
    }

    @Test("takes any time, the wildest ones too, where it is not for the service")
    func anyTime() {
        var limits = BatchLimits(count: 5, messageBytes: .max)
        limits.takesAnyTime = true
        var planner = BatchPlanner(limits: limits)
        let times = [Self.now, .min, .max, 0, Self.now - 400 * 24 * Self.hour]
        for (index, time) in times.enumerated() {
            #expect(planner.add(Self.header(Int64(index + 1), at: time), now: Self.now) == .taken)
        }
        #expect(planner.range == BatchRange(stream: 7, first: 1, last: 5, latest: .max))
        #expect(planner.dueTime(now: Self.now) == limits.age)
    }

    @Test("has the service's limits by default")
    func defaults() {
        let limits = BatchLimits()
        #expect((limits.count, limits.bytes, limits.messageBytes, limits.age) == (10_000, 1_048_576, 1_048_550, 10_000))
    }

    @Test(
        "spans at most 24 hours, whichever record comes first",
        arguments: [
            ([0, -24 * hour], [.taken, .taken]),
            ([0, -24 * hour - 1], [.taken, .full]),
            ([-24 * hour, 0], [.taken, .taken]),
            ([-24 * hour - 1, 0], [.taken, .full]),
            ([-hour, -23 * hour, hour], [.taken, .taken, .taken]),
            ([-hour, -23 * hour, hour + 1], [.taken, .taken, .full]),
            // Once it is full, nothing goes in, not even what would fit.
            ([0, -24 * hour - 1, 0], [.taken, .full, .full]),
        ] as [([Int64], [BatchPlanner.Verdict])]
    )
    func span(offsets: [Int64], expected: [BatchPlanner.Verdict]) {
        var planner = BatchPlanner(limits: BatchLimits())
        let verdicts = offsets.enumerated().map { index, offset in
            planner.add(Self.header(Int64(index + 1), at: Self.now + offset), now: Self.now)
        }
        #expect(verdicts == expected)
        #expect(planner.isFull(now: Self.now) == expected.contains(.full))
    }

    @Test(
        "refuses what is older than 14 days and leaves out what lies more than 2 hours ahead",
        arguments: [
            (-14 * 24 * hour, .taken),
            (-14 * 24 * hour - 1, .refused(.tooOld)),
            (2 * hour, .taken),
            (2 * hour + 1, .early(until: now + 1)),
            (100 * hour, .early(until: now + 98 * hour)),
        ] as [(Int64, BatchPlanner.Verdict)]
    )
    func age(offset: Int64, expected: BatchPlanner.Verdict) {
        var planner = BatchPlanner(limits: BatchLimits())
        #expect(planner.add(Self.header(1, at: Self.now + offset), now: Self.now) == expected)
        #expect((planner.count, planner.isFull(now: Self.now)) == (expected == .taken ? 1 : 0, false))
    }

    @Test("goes by the times that the service takes, where they are known to be others")
    func accepted() {
        var planner = BatchPlanner(limits: BatchLimits())
        func verdict(_ time: Int64) -> BatchPlanner.Verdict {
            planner.add(Self.header(1, at: time), now: Self.now, accepted: (Self.now - 5)...(Self.now + 5))
        }
        #expect(verdict(Self.now - 6) == .refused(.tooOld) && verdict(Self.now + 8) == .early(until: Self.now + 3))
        #expect(verdict(Self.now - 5) == .taken && verdict(Self.now + 5) == .taken)
        var any = BatchPlanner(limits: BatchLimits())
        for time in [Int64.min, .max] {
            #expect(any.add(Self.header(1, at: time), now: Self.now, accepted: .min ... .max) == .taken)
            any = BatchPlanner(limits: BatchLimits())
        }
        for time in [Int64.min, .max] {
            var both = BatchPlanner(limits: BatchLimits())
            #expect(both.add(Self.header(1, at: Self.now), now: Self.now, accepted: .min ... .max) == .taken)
            #expect(both.add(Self.header(2, at: time), now: Self.now, accepted: .min ... .max) == .full)
        }
    }

    @Test("names exactly what it holds: nothing before the first, after the last, or later than the latest")
    func range() {
        var planner = BatchPlanner(limits: BatchLimits(count: 3))
        #expect(planner.range == nil)
        _ = planner.add(Self.header(3, at: Self.now - 20 * 24 * Self.hour), now: Self.now)
        #expect(planner.range == nil)
        _ = planner.add(Self.header(5, at: Self.now - 10), now: Self.now)
        #expect(planner.range == BatchRange(stream: 7, first: 5, last: 5, latest: Self.now - 10))
        _ = planner.add(Self.header(8, at: Self.now - 30), now: Self.now)
        #expect(planner.range == BatchRange(stream: 7, first: 5, last: 8, latest: Self.now - 10))
        _ = planner.add(Self.header(9, at: Self.now + 3 * Self.hour), now: Self.now)
        _ = planner.add(Self.header(12, at: Self.now), now: Self.now)
        _ = planner.add(Self.header(13, at: Self.now), now: Self.now)
        #expect(planner.range == BatchRange(stream: 7, first: 5, last: 12, latest: Self.now))
        #expect((planner.firstID, planner.count) == (5, 3))
    }

    @Test("is sparse where more than eight rows lie between two of its records, and knows them by their ids")
    func sparse() {
        for (rows, isSparse) in [(1, false), (8, false), (9, true)] {
            var planner = BatchPlanner(limits: BatchLimits())
            #expect(!planner.isSparse)
            // What lies before its first record is nothing to it, nor is what it does not take.
            _ = planner.add(Self.header(4), rows: 1_000, now: Self.now)
            _ = planner.add(Self.header(5, at: Self.now - 20 * 24 * Self.hour), rows: 1_000, now: Self.now)
            #expect(!planner.isSparse)
            for id in 10...200 as ClosedRange<Int64> { _ = planner.add(Self.header(id), rows: rows, now: Self.now) }
            #expect(planner.isSparse == isSparse)
            #expect(planner.ids == [4] + Array(10...200))
        }
    }

    @Test("is whole where no row lies between its records, and that was counted")
    func whole() {
        for (rows, isCounted, isWhole) in [(1, true, true), (2, true, false), (1, false, false)] {
            var planner = BatchPlanner(limits: BatchLimits())
            _ = planner.add(Self.header(4), rows: 1_000, now: Self.now)
            #expect(planner.isWhole)
            _ = planner.add(Self.header(10), rows: rows, isCounted: isCounted, now: Self.now)
            _ = planner.add(Self.header(11), now: Self.now)
            #expect(planner.isWhole == isWhole)
        }
        var planner = BatchPlanner(limits: BatchLimits())
        _ = planner.add(Self.header(4), isCounted: false, now: Self.now)
        _ = planner.add(Self.header(5), now: Self.now)
        #expect(!planner.isWhole)
    }

    @Test("does not reach a record that it left out, when time has gone on meanwhile")
    func leftOut() {
        var planner = BatchPlanner(limits: BatchLimits())
        let early = Self.now + 2 * Self.hour + 1
        #expect(planner.add(Self.header(1), now: Self.now) == .taken)
        #expect(planner.add(Self.header(2, at: early), now: Self.now) == .early(until: Self.now + 1))
        #expect(planner.add(Self.header(3, at: early - 1), now: Self.now + 5) == .taken)
        // Taken, it would take the second record along, which nobody has counted.
        #expect(planner.add(Self.header(4, at: early), now: Self.now + 5) == .full)
        #expect(planner.range == BatchRange(stream: 7, first: 1, last: 3, latest: early - 1))
    }

    @Test("counts a record that it would hold anyway, when the clock was set back meanwhile")
    func clockSetBack() {
        var planner = BatchPlanner(limits: BatchLimits())
        let ahead = Self.now + 2 * Self.hour
        #expect(planner.add(Self.header(1, at: ahead), now: Self.now) == .taken)
        #expect(planner.add(Self.header(2, at: ahead), now: Self.now - Self.hour) == .taken)
        #expect(
            planner.add(Self.header(3, at: ahead + 1), now: Self.now - Self.hour) == .early(until: Self.now + 1)
        )
        #expect(planner.range == BatchRange(stream: 7, first: 1, last: 2, latest: ahead))
    }

    @Test("is due when its oldest record is old enough")
    func dueTime() {
        var planner = BatchPlanner(limits: BatchLimits(age: 10_000))
        #expect(planner.dueTime(now: Self.now) == nil)
        _ = planner.add(Self.header(1, at: Self.now - 3_000), now: Self.now)
        #expect(planner.dueTime(now: Self.now) == Self.now + 7_000)
        // The oldest by its time, not by its id.
        _ = planner.add(Self.header(2, at: Self.now - 9_000), now: Self.now)
        #expect(planner.dueTime(now: Self.now) == Self.now + 1_000)
        _ = planner.add(Self.header(3, at: Self.now), now: Self.now)
        #expect(planner.dueTime(now: Self.now + 5_000) == Self.now + 1_000)
        // The clock was set back: a record from the future does not wait for its time.
        #expect(planner.dueTime(now: Self.now - 9_000) == Self.now + 1_000)
        #expect(planner.dueTime(now: Self.now - 9_001) == Self.now - 9_001)
    }

    @Test("tells how much more fits")
    func room() {
        var planner = BatchPlanner(limits: BatchLimits(count: 3, bytes: 200))
        #expect(planner.room == (3, 200))
        _ = planner.add(Self.header(1, bytes: 14), now: Self.now)
        #expect(planner.room == (2, 160))
        _ = planner.add(Self.header(2, bytes: 134), now: Self.now)
        #expect(planner.room == (0, 0))
    }
}
