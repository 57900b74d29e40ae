import LogbeamCore
import Testing

@Suite("UploadPlan decides what is sent and when")
struct UploadPlanTests {
    static let hour: Int64 = 3_600_000

    // MARK: When

    @Test("sends full batches at once and the rest when it is old enough")
    func fullThenAge() throws {
        var uploader = SimulatedUploader()
        for _ in 1...12 { uploader.append() }
        // By their count alone batches go at most ten times a second.
        #expect(try uploader.settle() == uploader.now.monotonic + 100)
        #expect(uploader.sent == [[1, 2, 3, 4, 5]])
        uploader.advance(100)
        #expect(try uploader.settle() == uploader.now.monotonic + 900)
        #expect(uploader.sent == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])
        uploader.advance(899)
        #expect(try uploader.settle() == uploader.now.monotonic + 1)
        #expect(uploader.sent.count == 2)
        uploader.advance(1)
        #expect(try uploader.settle() == nil)
        #expect(uploader.sent.last == [11, 12])
    }

    @Test("waits for ever where nothing is pending, until it is woken")
    func idle() throws {
        var uploader = SimulatedUploader()
        #expect(try uploader.settle() == nil)
        uploader.append(age: 1_000)
        try uploader.settle()
        #expect(uploader.sent == [[1]])
    }

    @Test("reads again when it is woken while it has not yet looked at what it read")
    func wokenInBetween() throws {
        var uploader = SimulatedUploader()
        #expect(try uploader.step() == .scan(after: .min))
        uploader.append(age: 1_000)
        try uploader.settle()
        #expect(uploader.sent == [[1]])
    }

    @Test("sends chosen streams alone, however much of others lies between")
    func chosen() throws {
        var uploader = SimulatedUploader(chosen: [2])
        uploader.pageSize = 3
        for id: Int64 in 1...20 { uploader.append(id.isMultiple(of: 7) ? 2 : 1, age: 5_000) }
        #expect(try uploader.settle() == nil)
        #expect(uploader.sent == [[7, 14]])
        #expect(uploader.plan.streamCount <= 1)
    }

    @Test("takes the age from the record, not from when it was read")
    func age() throws {
        var uploader = SimulatedUploader()
        uploader.append(age: 400)
        uploader.append(age: 900)
        #expect(try uploader.settle() == uploader.now.monotonic + 100)
    }

    @Test("fills a late batch from the backlog, beyond the setting for its count")
    func backlog() throws {
        var uploader = SimulatedUploader()
        uploader.pageSize = 2
        for _ in 1...7 { uploader.append(age: 50_000) }
        try uploader.settle()
        #expect(uploader.sent == [[1, 2, 3, 4, 5, 6, 7]])
    }

    @Test("sends a batch that is full by its bytes at once, however many came before")
    func fullBytes() throws {
        var uploader = SimulatedUploader(limits: BatchLimits(bytes: 400, messageBytes: 200, age: 1_000))
        for _ in 1...9 { uploader.append(bytes: 174) }
        try uploader.settle()
        #expect(uploader.sent == [[1, 2], [3, 4], [5, 6], [7, 8]])
    }

    @Test("keeps the interval between two batches of a stream, and the bound on all of them, and lets late ones grow")
    func pacing() throws {
        let pacing = UploadPlan.Pacing(inFlight: 4, interval: 500, putsPerSecond: 10)
        var uploader = SimulatedUploader(pacing: pacing)
        for number in 1...12 { uploader.append(number % 2 == 1 ? 1 : 2, age: 1_000) }
        #expect(try uploader.settle() == uploader.now.monotonic + 100)
        uploader.advance(100)
        try uploader.settle()
        #expect(uploader.sent == [[1, 3, 5, 7, 9, 11], [2, 4, 6, 8, 10, 12]])
        uploader.append(1, age: 1_000)
        #expect(try uploader.settle() == uploader.now.monotonic + 400)
        uploader.advance(400)
        try uploader.settle()
        #expect(uploader.sent.last == [13])
    }

    @Test("rounds the time between two batches up: never more of them in a second than the bound")
    func pacingRounds() throws {
        var uploader = SimulatedUploader(pacing: UploadPlan.Pacing(putsPerSecond: 3))
        for stream: Int64 in 1...4 { uploader.append(stream, age: 1_000) }
        for count in 1...3 {
            #expect(try uploader.settle() == uploader.now.monotonic + 334)
            #expect(uploader.sent.count == count)
            uploader.advance(334)
        }
        try uploader.settle()
        #expect(uploader.sent.count == 4)
    }

    @Test("forgets streams that have nothing to send any more, once they need not be paced")
    func forgetsIdleStreams() throws {
        var uploader = SimulatedUploader()
        for stream: Int64 in 1...50 { uploader.append(stream, age: 1_000) }
        try uploader.settle()
        #expect(uploader.plan.streamCount == 50)
        uploader.advance(100)
        uploader.append(51, age: 1_000)
        try uploader.settle()
        #expect(uploader.plan.streamCount == 1)
    }

    @Test("forgets a stream that failed in an earlier process, and has nothing to send, once it need not wait")
    func forgetsFailingStreams() {
        var plan = UploadPlan(limits: BatchLimits())
        var now = UploadPlan.Moment(wall: 1_790_000_000_000, monotonic: 5_000)
        plan.restoreFailing(1, retryAt: 6_000)
        plan.found([], isLast: true)
        _ = plan.next(at: now)
        #expect(plan.streamCount == 1)
        now.monotonic = 6_000
        _ = plan.next(at: now)
        #expect(plan.streamCount == 0)
    }

    @Test("leaves no record between the halves of a batch, though not all of it was sent")
    func halves() {
        var plan = UploadPlan(limits: BatchLimits())
        let whole = BatchRange(stream: 1, first: 10, last: 50, latest: 0)
        plan.restore(whole)
        #expect(plan.next(at: UploadPlan.Moment(wall: 0, monotonic: 0)) == .send(whole, ids: []))
        // 30 was found to have arrived.
        let halves = whole.halves([10, 20, 40, 50])
        plan.split(whole, ids: [10, 20, 40, 50])
        #expect(halves.map(\.first) == [10, 40] && halves.map(\.last) == [39, 50])
    }

    @Test("takes the ids of a damaged spool as they are: no range that ends before it begins, nor below zero, stops it")
    func foreignIDs() {
        let nowhere = BatchRange(stream: 1, first: 9, last: -9, latest: .max)
        let below = RecordHeader(id: -5, stream: 1, timestamp: 0, byteCount: 1)
        var plan = UploadPlan(limits: BatchLimits(age: 0))
        let now = UploadPlan.Moment(wall: 1_000, monotonic: 0)
        plan.restore(nowhere)
        #expect(plan.next(at: now) == .send(nowhere, ids: []))
        plan.found([below], isLast: false)
        plan.vanished(nowhere)
        plan.found([], isLast: false)
        guard case .scan(let after) = plan.next(at: now) else { return #expect(Bool(false), "it looks") }
        #expect(after < below.id)
        plan.found([below], isLast: true)
        #expect(plan.next(at: now) == .send(BatchRange(stream: 1, first: -5, last: -5, latest: 0), ids: []))
    }

    @Test("sends several batches at once, and takes their answers in any order")
    func severalInFlight() throws {
        var uploader = SimulatedUploader(
            limits: BatchLimits(bytes: 400, messageBytes: 200, age: 1_000),
            pacing: UploadPlan.Pacing(inFlight: 3)
        )
        for _ in 1...8 { uploader.append(bytes: 174) }
        while uploader.onTheWay.count < 3 { try uploader.step() }
        #expect(try uploader.step() == .wait(until: nil), "a fourth must wait until one comes home")
        #expect(uploader.onTheWay.map(\.ids) == [[1, 2], [3, 4], [5, 6]])
        try uploader.answer(1)
        #expect(uploader.pending.map(\.id) == [1, 2, 5, 6, 7, 8])
        try uploader.settle()
        #expect(uploader.sent.count == 4)
        #expect(uploader.pending.isEmpty)
    }

    @Test("sends an old batch though reading comes to no end")
    func endlessBacklog() throws {
        var uploader = SimulatedUploader()
        uploader.pageSize = 1
        uploader.append(1, age: 1_000)
        for _ in 1...10 {
            // Another stream is faster than the plan.
            for _ in 1...5 { uploader.append(2) }
            uploader.advance(300)
            for _ in 1...3 { try uploader.stepAndAnswer() }
        }
        #expect(uploader.sent.contains([1]))
        #expect(uploader.pending.count > 10)
    }

    @Test("sends a record from the future at once when the clock was set back, as it would else wait for long")
    func clockSetBack() throws {
        var uploader = SimulatedUploader()
        uploader.append()
        #expect(try uploader.settle() == uploader.now.monotonic + 1_000)
        uploader.setClock(by: -Self.hour)
        try uploader.settle()
        #expect(uploader.sent == [[1]])
    }

    // MARK: Flush

    @Test("flushes what is pending, and not what comes after")
    func flush() throws {
        var uploader = SimulatedUploader()
        for stream: Int64 in [1, 2, 1] { uploader.append(stream) }
        uploader.flush()
        uploader.append(3)
        try uploader.settle()
        #expect(uploader.sent == [[1, 3], [2]])
        #expect(uploader.pending.map(\.id) == [4])
    }

    @Test("tries again at once what waits to be tried again")
    func flushDuringBackoff() throws {
        var uploader = SimulatedUploader()
        uploader.answer = { _, _ in .failed(after: 30_000) }
        uploader.append(age: 1_000)
        #expect(try uploader.settle() == uploader.now.monotonic + 30_000)
        uploader.answer = { _, _ in .accepted }
        uploader.flush()
        #expect(try uploader.settle() == nil)
        #expect(uploader.sent == [[1], [1]])
    }

    // MARK: Streams

    @Test("serves the stream with the oldest record first")
    func oldestFirst() throws {
        var uploader = SimulatedUploader()
        for stream: Int64 in [3, 1, 2] { uploader.append(stream, age: 1_000) }
        try uploader.settle()
        #expect(uploader.sent == [[1], [2], [3]])
    }

    @Test("does not let a backlog of one stream hold up another for longer than a batch may grow old")
    func fair() throws {
        var uploader = SimulatedUploader()
        uploader.pageSize = 3
        uploader.append(2)
        for _ in 1...500 { uploader.append(1, age: 1_000) }
        let start = uploader.now.monotonic
        while !uploader.sent.contains([1]) {
            uploader.advance(50)
            try uploader.stepAndAnswer()
        }
        #expect(uploader.now.monotonic - start <= 1_100)
        #expect(uploader.pending.count > 400)
    }

    @Test("holds up no other stream while one waits, and catches up in order")
    func backoff() throws {
        var uploader = SimulatedUploader()
        uploader.pageSize = 4
        uploader.answer = { range, _ in range.stream == 1 ? .failed(after: 10_000) : .accepted }
        for number in 1...30 { uploader.append(number % 2 == 1 ? 1 : 2, age: 1_000) }
        #expect(try uploader.settle() == uploader.now.monotonic + 10_000)
        let even = stride(from: Int64(2), through: 30, by: 2).map { $0 }
        #expect(uploader.sent.filter { $0[0] % 2 == 0 }.flatMap { $0 } == even)
        let odd = uploader.sent.filter { $0[0] % 2 == 1 }
        #expect(odd.count == 1)

        uploader.answer = { _, _ in .accepted }
        uploader.append(1)
        uploader.advance(10_000)
        try uploader.settle()
        #expect(uploader.pending.isEmpty)
        let oddAfter = uploader.sent.filter { $0[0] % 2 == 1 }
        #expect(oddAfter.prefix(2) == [odd[0], odd[0]], "again with the same boundaries")
        #expect(oddAfter.dropFirst().flatMap { $0 } == stride(from: Int64(1), through: 31, by: 2).map { $0 })
    }

    // MARK: Trouble

    @Test("sends what was in doubt again first, with the same boundaries")
    func restored() throws {
        var uploader = SimulatedUploader()
        uploader.answer = { _, ids in ids.count == 3 ? .death(arrived: true) : .accepted }
        for _ in 1...3 { uploader.append(age: 1_000) }
        // Dies with the three in flight; two more come before the next begins.
        while uploader.sent.isEmpty { try uploader.stepAndAnswer() }
        #expect(uploader.deliveries.count == 1)
        for _ in 1...2 { uploader.append(age: 1_000) }
        uploader.answer = { _, _ in .accepted }
        try uploader.settle()
        #expect(uploader.sent == [[1, 2, 3], [1, 2, 3], [4, 5]])
    }

    @Test("sends a failed batch again as it was, though it has become old enough and more has come")
    func failed() throws {
        var uploader = SimulatedUploader()
        uploader.answer = { _, _ in .failed(after: 5_000) }
        uploader.append(age: 1_000)
        try uploader.settle()
        for _ in 1...9 { uploader.append() }
        uploader.answer = { _, _ in .accepted }
        uploader.advance(5_000)
        try uploader.settle()
        #expect(uploader.sent == [[1], [1], [2, 3, 4, 5, 6, 7, 8, 9, 10]])
    }

    @Test("finds a guilty record by halving, and sends all others", arguments: [1, 2, 5, 500, 999, 1_000] as [Int64])
    func poison(guilty: Int64) throws {
        var uploader = SimulatedUploader(limits: BatchLimits(age: 1_000))
        uploader.answer = { _, ids in ids.contains(guilty) ? .invalid : .accepted }
        for _ in 1...1_000 { uploader.append(age: 1_000) }
        try uploader.settle()
        #expect(uploader.pending.isEmpty)
        #expect(uploader.rejected == [RefusedRecord(id: guilty, reason: .invalid)])
        #expect(uploader.arrivals.count == 999)
        // One of 1,000 is alone after ten halvings, of which each costs two batches.
        #expect(uploader.sent.count <= 1 + 2 * 10)
        let accepted = uploader.sent.filter { !$0.contains(guilty) }.flatMap { $0 }
        #expect(accepted == accepted.sorted())
    }

    @Test("finds every guilty record where all are")
    func allPoison() throws {
        var uploader = SimulatedUploader(limits: BatchLimits(age: 1_000))
        uploader.answer = { _, _ in .invalid }
        for _ in 1...64 { uploader.append(age: 1_000) }
        try uploader.settle()
        #expect(uploader.rejected.map(\.id) == Array(1...64))
        #expect(uploader.sent.count == 127)
    }

    @Test("rejects what the service does not take before it sends anything, and until it is told that it is done")
    func refused() throws {
        var uploader = SimulatedUploader()
        uploader.append(age: 1_000)
        uploader.append(age: 1_000, bytes: 201)
        uploader.append(age: 15 * 24 * Self.hour)
        uploader.append(age: 1_000)
        let refused = [RefusedRecord(id: 2, reason: .tooLarge), RefusedRecord(id: 3, reason: .tooOld)]
        while uploader.rejected.isEmpty {
            var unwritten = uploader.plan
            if case .reject = unwritten.next(at: uploader.now) {
                #expect(unwritten.next(at: uploader.now) == .reject(refused))
            }
            try uploader.step()
            #expect(uploader.sent.isEmpty)
        }
        try uploader.settle()
        #expect(uploader.rejected == refused)
        #expect(uploader.sent == [[1, 4]])
    }

    @Test(
        "refuses what is too old by both clocks alone, and nothing before it knows that of the service",
        arguments: [(0, true), (nil, false), (-20 * 24 * hour, false), (20 * 24 * hour, true)] as [(Int64?, Bool)]
    )
    func clocks(serviceOffset: Int64?, refuses: Bool) throws {
        var uploader = SimulatedUploader()
        uploader.now.serviceOffset = serviceOffset
        uploader.append(age: 15 * 24 * Self.hour)
        try uploader.settle()
        #expect(uploader.rejected == (refuses ? [RefusedRecord(id: 1, reason: .tooOld)] : []))
        #expect(uploader.sent == (refuses ? [] : [[1]]))
    }

    @Test("waits as long as the service asked, though a batch that was on its way as well failed without such a word")
    func notBefore() {
        var plan = UploadPlan(
            limits: BatchLimits(count: 5, age: 1_000),
            pacing: UploadPlan.Pacing(inFlight: 2)
        )
        var now = UploadPlan.Moment(wall: 1_790_000_000_000, monotonic: 5_000)
        func sent() -> BatchRange? {
            while true {
                switch plan.next(at: now) {
                case .scan(let after):
                    let headers = (max(0, after)..<10).map {
                        RecordHeader(id: $0 + 1, stream: 1, timestamp: now.wall, byteCount: 10)
                    }
                    plan.found(headers, isLast: true)
                case .send(let range, _): return range
                default: return nil
                }
            }
        }
        plan.flush(through: 10)
        guard let first = sent(), let second = sent() else { return #expect(Bool(false), "two batches are sent") }
        plan.failed(first, retryAt: 6_000, notBefore: 65_000)
        plan.failed(second, retryAt: 6_000)
        plan.flush(through: 10)
        #expect(sent() == nil)
        #expect(plan.next(at: now) == .wait(until: 65_000))
        now.monotonic = 65_000
        #expect(plan.next(at: now) == .send(first, ids: []))
    }
}
