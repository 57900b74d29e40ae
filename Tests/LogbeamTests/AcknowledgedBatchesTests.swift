import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Synchronization
import Testing

@testable import Logbeam
@testable import LogbeamSpool

@Suite("What the service has is deleted when there is time", .onOwnThreads)
struct AcknowledgedBatchesTests {
    /// Logs records, and has the service take them in batches of two, one right after the other.
    private func ship(_ numbers: ClosedRange<Int>, by uploader: SteppedUploader) throws {
        for number in numbers {
            try uploader.append("\(number)")
            let batches = uploader.loop.totals.batches
            if number.isMultiple(of: 2) { uploader.run { uploader.loop.totals.batches == batches } }
        }
    }

    private func uploader(_ service: ScriptedDeliveryService = ScriptedDeliveryService()) throws -> SteppedUploader {
        try SteppedUploader(service: service)
    }

    @Test("that is when nothing is left to send, and each record is sent once")
    func whenIdle() throws {
        let uploader = try uploader()
        try ship(1...6, by: uploader)
        #expect(try uploader.storedCount() == 6 && uploader.inDoubtCount() == 0)
        let status = try SpoolStatus.read(path: uploader.spool.path)
        #expect(status.delivered == 6 && status.pending == 0 && status.oldest == nil)
        #expect(try StoredRecords(path: uploader.spool.path).page(after: 0).records.isEmpty)
        uploader.settle()
        #expect(try uploader.storedCount() == 0)
        #expect(uploader.service.sent.map(\.texts) == [["1", "2"], ["3", "4"], ["5", "6"]])
    }

    @Test("that is at once, if nobody logs and the spool has no other record", arguments: [false, true])
    func atOnce(isAlone: Bool) throws {
        let service = ScriptedDeliveryService { _, batch in
            batch.destination.logStream == "other" ? .throttled() : .accepted(.none)
        }
        let uploader = try uploader(service)
        if !isAlone {
            try uploader.append("waits", to: "other")
            uploader.run { uploader.loop.totals.failures == 0 }
        }
        try ship(1...6, by: uploader)
        uploader.spool.lastAppend.store(0, ordering: .relaxed)
        let before = try uploader.storedCount()
        while try uploader.storedCount() == before { try #require(uploader.loop.step() == .advanced) }
        #expect(try uploader.storedCount() == (isAlone ? 0 : 5))
        while uploader.loop.step() == .advanced {}
        #expect(try uploader.storedCount() == (isAlone ? 0 : 1))
    }

    @Test("what another stream has among it stays")
    func among() throws {
        let service = ScriptedDeliveryService { _, batch in
            batch.destination.logStream == "other" ? .throttled() : .accepted(.none)
        }
        let uploader = try uploader(service)
        for number in 1...3 {
            try uploader.append("before \(number)")
            try uploader.append("waits \(number)", to: "other")
            try uploader.append("after \(number)")
            let batches = uploader.loop.totals.batches
            uploader.run { uploader.loop.totals.batches == batches }
        }
        uploader.spool.lastAppend.store(0, ordering: .relaxed)
        uploader.loop.land(until: MonotonicClock.milliseconds() + 60_000)
        #expect(try uploader.storedCount() == 3 && uploader.pendingCount() == 3)
    }

    @Test("the next process deletes it, and sends the rest")
    func afterCrash() throws {
        let uploader = try uploader()
        try ship(1...6, by: uploader)
        for number in 7...8 { try uploader.append("\(number)") }
        try uploader.restart()
        #expect(try uploader.storedCount() == 2)
        uploader.settle()
        #expect(try uploader.storedCount() == 0)
        #expect(uploader.service.sent.map(\.texts) == [["1", "2"], ["3", "4"], ["5", "6"], ["7", "8"]])
    }

    @Test("the next process deletes it before it sends what is in doubt among it")
    func amongDoubt() throws {
        let uploader = try uploader()
        let first = try uploader.append("taken before")
        uploader.clock.advance(1_000)
        let early = try uploader.append("in doubt")
        let time = uploader.clock.now.wall
        uploader.clock.advance(-1_000)
        let last = try uploader.append("taken too")
        let taken = BatchRange(stream: 1, first: first, last: last, latest: uploader.clock.now.wall)
        let inDoubt = BatchRange(stream: 1, first: early, last: last, latest: time)
        for range in [taken, inDoubt] { try uploader.spool.begin(range, in: nil) }
        try uploader.spool.acknowledge(taken, refused: [], delivered: 2, in: nil)
        try uploader.restart()
        uploader.settle()
        #expect(uploader.service.sent.map(\.texts) == [["in doubt"]])
        #expect(try uploader.storedCount() == 0 && uploader.inDoubtCount() == 0)
    }

    @Test("that is while an answer is awaited, but not while they come one after the other")
    func whileAwaited() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService { number, _ in
            if number == 2 { gate.pass() }
            return .accepted(.none)
        }
        let uploader = try uploader(service)
        try ship(1...2, by: uploader)
        for number in 3...4 { try uploader.append("\(number)") }
        while uploader.loop.inFlight == 0 { _ = uploader.loop.step() }
        try #require(gate.waitForArrivals())
        // The second one is on its way, and the first is acknowledged.
        var progress = uploader.loop.step()
        while progress == .advanced { progress = uploader.loop.step() }
        #expect(progress == .waiting(until: uploader.clock.now.monotonic + AcknowledgedBatches.patience))
        #expect(try uploader.storedCount() == 4)
        uploader.clock.advance(AcknowledgedBatches.patience)
        while uploader.loop.step() == .advanced {}
        #expect(try uploader.storedCount() == 2)
        gate.open()
        uploader.settle()
        #expect(try uploader.storedCount() == 0)
    }

    @Test("that is a little later each time that somebody had to wait for it, unless there are many, or a flush waits")
    func whileOthersWait() throws {
        let uploader = try uploader()
        func step() -> UploadLoop.Progress {
            while true {
                let progress = uploader.loop.step()
                guard progress == .advanced else { return progress }
            }
        }
        try ship(1...2 * (AcknowledgedBatches.mostPutOff + 1), by: uploader)
        // A thread that waits for the lock of the spool.
        uploader.spool.lock.waiters.add(1, ordering: .relaxed)
        for left in [AcknowledgedBatches.mostPutOff - 1, AcknowledgedBatches.mostPutOff - 2] {
            #expect(step() == .waiting(until: uploader.clock.now.monotonic + AcknowledgedBatches.respite))
            #expect(try uploader.storedCount() == 2 * left)
            uploader.clock.advance(AcknowledgedBatches.respite)
        }
        _ = try uploader.loop.flush()
        #expect(step() == .waiting(until: nil))
        #expect(try uploader.storedCount() == 0)
        // What comes after the flush is put off as before.
        try ship(1...4, by: uploader)
        #expect(step() == .waiting(until: uploader.clock.now.monotonic + AcknowledgedBatches.respite))
        uploader.spool.lock.waiters.subtract(1, ordering: .relaxed)
        uploader.clock.advance(AcknowledgedBatches.respite)
        #expect(step() == .waiting(until: nil))
        #expect(try uploader.storedCount() == 0)
    }

    @Test("that is when the loop ends")
    func atTheEnd() throws {
        let uploader = try uploader()
        try ship(1...6, by: uploader)
        uploader.loop.land(until: MonotonicClock.milliseconds() + 60_000)
        #expect(try uploader.storedCount() == 0)
    }

    @Test("that is before more is sent where room is short, or there are many")
    func isDue() {
        var acknowledged = AcknowledgedBatches()
        #expect(!acknowledged.isDue(hasAmpleRoom: false) && acknowledged.time(inFlight: 0, flushed: 0) == nil)
        acknowledged.add(BatchRange(stream: 1, first: 1, last: 1, latest: 1), isWhole: true, at: 7)
        #expect(!acknowledged.isDue(hasAmpleRoom: true) && acknowledged.isDue(hasAmpleRoom: false))
        #expect(acknowledged.time(inFlight: 0, flushed: 0) == .min)
        #expect(acknowledged.time(inFlight: 1, flushed: 0) == 7 + AcknowledgedBatches.patience)
        for id in 2...Int64(AcknowledgedBatches.most) {
            #expect(!acknowledged.isDue(hasAmpleRoom: true))
            acknowledged.add(BatchRange(stream: 1, first: id, last: id, latest: 1), isWhole: true, at: 7)
        }
        #expect(acknowledged.isDue(hasAmpleRoom: true))
    }
}
