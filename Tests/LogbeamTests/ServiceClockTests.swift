import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

/// The clock of this machine is wrong, and the service says what is too new by its own.
@Suite("Where the clocks differ")
struct ServiceClockTests {
    private static let hour: Int64 = 3_600_000

    @Test("what the service calls too new because our clock is ahead waits until it takes it, and arrives once")
    func waits() throws {
        let service = ScriptedDeliveryService([.accepted(RefusedEvents(tooNewStart: 1))])
        service.setClock(ahead: -3 * Self.hour)
        let uploader = try SteppedUploader(service: service)
        // In one batch with what it takes at once.
        let stream = try uploader.spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        let past = Array("past".utf8)
        _ = try past.withUnsafeBufferPointer {
            try uploader.spool.append(stream: stream, timestamp: uploader.clock.now.wall - 2 * Self.hour, message: $0)
        }
        try uploader.append("one")
        try uploader.append("two")
        uploader.settle()
        let status = try SpoolStatus.read(path: uploader.spool.path)
        #expect((status.pending, status.delivered, status.rejected, status.inDoubt) == (2, 1, 0, 0))
        #expect(status.streams.first?.lastError?.contains("the clock of this machine is ahead") == true)
        // Logged meanwhile: the plan goes by the service's clock now.
        try uploader.append("three")
        uploader.settle()
        #expect(service.sent.map(\.texts) == [["past", "one", "two"]])
        let start = uploader.clock.now.wall
        try uploader.run { try uploader.pendingCount() > 0 }
        #expect(Set(service.sent.dropFirst().flatMap(\.texts)) == ["one", "two", "three"])
        #expect(uploader.clock.now.wall - start >= Self.hour)
        let end = try SpoolStatus.read(path: uploader.spool.path)
        #expect((end.pending, end.delivered, end.rejected, end.inDoubt) == (0, 4, 0, 0))
    }

    @Test("what is logged once our clock is set right is sent at once, and what was logged before when it is taken")
    func setRight() throws {
        let service = ScriptedDeliveryService([.accepted(RefusedEvents(tooNewStart: 0))])
        service.setClock(ahead: -8 * Self.hour)
        let uploader = try SteppedUploader(service: service)
        try uploader.append("ahead")
        uploader.settle()
        #expect(try uploader.pendingCount() == 1)
        // Nothing was sent since, so nobody knows how far the service's clock is from this one.
        uploader.clock.now.wall -= 8 * Self.hour
        try uploader.append("right")
        uploader.settle()
        #expect(service.sent.map(\.texts) == [["ahead"], ["right"]])
        service.setClock(ahead: 0)
        let start = uploader.clock.now.wall
        try uploader.run { try uploader.pendingCount() > 0 }
        #expect(service.sent.map(\.texts) == [["ahead"], ["right"], ["ahead"]])
        let waited = uploader.clock.now.wall - start
        #expect((6 * Self.hour...6 * Self.hour + 60_000).contains(waited), "\(waited)")
        #expect(try SpoolStatus.read(path: uploader.spool.path).rejected == 0)
    }

    @Test("what was logged by a clock that was ahead waits, though that was set right before it was sent")
    func setRightBefore() throws {
        let service = ScriptedDeliveryService([
            .transient(DeliveryFailure(code: "ServiceUnavailable", message: "")),
            .accepted(RefusedEvents(tooNewStart: 0)),
        ])
        service.setClock(ahead: nil)
        let uploader = try SteppedUploader(service: service)
        try uploader.append("ahead")
        uploader.settle()
        #expect(service.sent.count == 1)
        uploader.clock.now.wall -= 8 * Self.hour
        service.setClock(ahead: 0)
        try uploader.run { try uploader.pendingCount() > 0 }
        #expect(service.sent.map(\.texts) == [["ahead"], ["ahead"], ["ahead"]])
        let end = try SpoolStatus.read(path: uploader.spool.path)
        #expect((end.pending, end.delivered, end.rejected, end.inDoubt) == (0, 1, 0, 0))
    }

    @Test("what waits is kept though all else is deleted at once")
    func amongSpent() throws {
        let service = ScriptedDeliveryService([.accepted(.none), .accepted(RefusedEvents(tooNewStart: 1))])
        service.setClock(ahead: -3 * Self.hour)
        let uploader = try SteppedUploader(service: service)
        func ship(_ ages: [Int64]) throws {
            let stream = try uploader.spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
            for age in ages {
                let time = uploader.clock.now.wall - age * Self.hour
                _ = try Array("\(age)".utf8).withUnsafeBufferPointer {
                    try uploader.spool.append(stream: stream, timestamp: time, message: $0)
                }
            }
            uploader.loop.wake()
            let batches = uploader.loop.totals.batches
            uploader.run { uploader.loop.totals.batches == batches }
        }
        try ship([4, 3])
        try ship([2, 0])
        uploader.spool.lastAppend.store(0, ordering: .relaxed)
        #expect(try uploader.storedCount() == 4)
        uploader.loop.land(until: MonotonicClock.milliseconds() + 60_000)
        #expect(service.sent.map(\.texts) == [["4", "3"], ["2", "0"]])
        #expect(try uploader.storedCount() == 1 && uploader.pendingCount() == 1)
    }

    @Test("what waits is kept though the process dies right after the answer")
    func crash() throws {
        let test = try Spool(path: try TemporaryDirectory().file("spool.db"))
        let stream = try test.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        let ids = try [1_000, 2_000, 3_000].map { (time: Int64) in
            try Array("\(time)".utf8).withUnsafeBufferPointer {
                try test.append(stream: stream, timestamp: time, message: $0)
            }
        }
        var range = BatchRange(stream: stream, first: ids[0], last: ids[2], latest: 3_000)
        try test.begin(range, in: nil)
        // As far as the first transaction of an acknowledgement.
        range.latest = 1_999
        try test.write { writer throws(SpoolError) in try writer.acknowledge(range, refused: [], delivered: 1, in: nil)
        }
        let left = try #require(try SpoolReader(path: test.path).deliveries().first)
        #expect(left.acknowledged)
        try test.finish(left.range, in: nil)
        #expect(try SQLiteShell.query("SELECT message FROM records ORDER BY id", in: test.path) == ["2000", "3000"])
    }

    @Test("what somebody gave a time that far ahead is refused, where our clock is right")
    func refused() throws {
        let service = ScriptedDeliveryService([.accepted(RefusedEvents(tooNewStart: 1))])
        let uploader = try SteppedUploader(service: service)
        try uploader.append("one")
        try uploader.append("two")
        uploader.settle()
        let status = try SpoolStatus.read(path: uploader.spool.path)
        #expect((status.delivered, status.rejected) == (1, 1))
    }

    @Test("what a dead drain into a file had on its way waits for its time, where the service is the next to get it")
    func drainedToFile() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService())
        let stream = try uploader.spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        let now = uploader.clock.now.wall
        let ids = try [now, now + 3 * Self.hour].map { time in
            try Array("\(time - now)".utf8).withUnsafeBufferPointer {
                try uploader.spool.append(stream: stream, timestamp: time, message: $0)
            }
        }
        try uploader.lease.begin(BatchRange(stream: stream, first: ids[0], last: ids[1], latest: now + 3 * Self.hour))
        try uploader.restart()
        uploader.settle()
        #expect(uploader.service.sent.map(\.texts) == [["0"]])
        #expect(try uploader.pendingCount() == 1 && uploader.inDoubtCount() == 0)
    }
}
