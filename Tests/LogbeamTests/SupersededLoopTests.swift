import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("An upload loop that was superseded", .onOwnThreads)
struct SupersededLoopTests {
    private let uploader: SteppedUploader
    private let service: ScriptedDeliveryService

    /// - Parameter outcomes: what comes of the first batches; the others are accepted.
    private init(_ outcomes: [DeliveryOutcome]) throws {
        service = ScriptedDeliveryService(outcomes)
        uploader = try SteppedUploader(service: service, pacing: UploadPlan.Pacing(inFlight: 2))
    }

    init() throws { try self.init([]) }

    /// The new epoch alone, as it stands in the spool before the old holder has looked at anything else.
    private func raiseEpoch() throws {
        let sql = "UPDATE counters SET value = value + 1 WHERE name = 'lease_epoch'"
        let process = try ChildProcess("/usr/bin/sqlite3", ["-cmd", ".timeout 60000", uploader.spool.path, sql])
        process.closeInput()
        #expect(try process.wait().exitCode == 0)
    }

    private func expectSuperseded() throws {
        #expect(uploader.loop.isSuperseded)
        let (sent, pending, inDoubt) = (service.sent.count, try uploader.pendingCount(), try uploader.inDoubtCount())
        try uploader.append("later")
        for _ in 0..<5 {
            uploader.clock.advance(3_600_000)
            #expect(uploader.loop.step() == .waiting(until: nil))
        }
        uploader.loop.land(until: MonotonicClock.milliseconds() + 60_000)
        #expect(service.sent.count == sent)
        #expect(try uploader.pendingCount() == pending + 1 && uploader.inDoubtCount() == inDoubt)
    }

    @Test("notices it without having anything to write, and does nothing more")
    func idle() throws {
        #expect(uploader.settle() == .max)
        let lease = try uploader.takeOver()
        #expect(uploader.loop.step() == .waiting(until: nil))
        try expectSuperseded()
        withExtendedLifetime(lease) {}
    }

    @Test("does not begin another batch")
    func newBatch() throws {
        try uploader.append("one")
        try raiseEpoch()
        uploader.settle()
        #expect(service.sent.isEmpty)
        try expectSuperseded()
    }

    @Test("does not send again what waits for another try", arguments: [DeliveryOutcome.lost, .throttled()])
    func anotherTry(outcome: DeliveryOutcome) throws {
        let test = try Self([outcome])
        try test.uploader.append("one")
        #expect(test.uploader.settle() > 0)
        #expect(test.service.sent.count == 1)
        try test.raiseEpoch()
        test.uploader.clock.advance(60_000)
        test.uploader.settle()
        #expect(test.service.sent.count == 1)
        try test.expectSuperseded()
    }

    @Test(
        "does not draw the consequence of an answer that comes too late",
        arguments: [.accepted(.none), .accepted(RefusedEvents(tooOldEnd: 1)), .invalid, .throttled(), .denied]
            as [DeliveryOutcome]
    )
    func lateAnswer(outcome: DeliveryOutcome) throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate) { _, _ in outcome }
        let uploader = try SteppedUploader(service: service)
        try uploader.append("one")
        try stepUntil(uploader) { !service.sent.isEmpty }
        let lease = try uploader.takeOver()
        gate.open()
        uploader.loop.waitForAnswer(until: .max)
        for _ in 0..<5 { _ = uploader.loop.step() }
        uploader.loop.land(until: MonotonicClock.milliseconds() + 60_000)
        #expect(uploader.loop.isSuperseded)
        let status = try SpoolStatus.read(path: uploader.spool.path)
        #expect((status.pending, status.inDoubt, status.rejected, status.delivered) == (1, 1, 0, 0))
        #expect(status.streams.map(\.lastError) == [nil])
        #expect(service.sent.count == 1)
        withExtendedLifetime(lease) {}
    }

    @Test("lands nothing when it is stopped: an answer that it gets then is its successor's to have")
    func landing() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate) { _, _ in .accepted(.none) }
        let uploader = try SteppedUploader(service: service)
        try uploader.append("one")
        try stepUntil(uploader) { !service.sent.isEmpty }
        let lease = try uploader.takeOver()
        gate.open()
        uploader.loop.land(until: MonotonicClock.milliseconds() + 60_000)
        #expect(try uploader.pendingCount() == 1 && uploader.inDoubtCount() == 1)
        withExtendedLifetime(lease) {}
    }

    @Test(
        "lands what comes home though its lease is gone with the directory, as long as nobody has taken over in its file"
    )
    func directoryGone() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate) { _, _ in .accepted(.none) }
        let uploader = try SteppedUploader(service: service)
        try uploader.append("one")
        try stepUntil(uploader) { !service.sent.isEmpty }
        // The directory has another spool by now, whose uploads are another's.
        for suffix in ["", "-wal", "-shm", "-uploader"] {
            try FileManager.default.removeItem(atPath: uploader.spool.path + suffix)
        }
        let other = try Spool(path: uploader.spool.path)
        let lease = try UploadLease.acquire(other)
        #expect(uploader.loop.step() == .waiting(until: nil) && uploader.loop.isSuperseded)
        gate.open()
        uploader.loop.land(until: MonotonicClock.milliseconds() + 60_000)
        #expect(uploader.loop.inFlight == 0)
        #expect(try !uploader.loop.hasRecords())
        withExtendedLifetime(lease) {}
    }

    @Test("does not post once it has made what a batch is meant for, if it was superseded meanwhile")
    func betweenTwoPosts() throws {
        let missing = DeliveryOutcome.destinationMissing(
            DeliveryFailure(code: "ResourceNotFoundException", message: "", mayHaveArrived: false)
        )
        let gate = Gate()
        let service = HeldCreation(ScriptedDeliveryService([missing]), gate: gate)
        let uploader = try SteppedUploader(service: service.scripted, through: service)
        try uploader.append("one")
        try stepUntil(uploader) { uploader.loop.inFlight > 0 }
        #expect(gate.waitForArrivals())
        let lease = try uploader.takeOver()
        gate.open()
        uploader.loop.waitForAnswer(until: .max)
        #expect(service.scripted.created.count == 1)
        #expect(service.scripted.sent.count == 1)
        withExtendedLifetime(lease) {}
    }

    @Test("leaves to its successor exactly the batches that were on their way, and they go out as they were")
    func successor() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate) { _, _ in .accepted(.none) }
        let uploader = try SteppedUploader(service: service, pacing: UploadPlan.Pacing(inFlight: 2))
        for stream in ["a", "b"] { try uploader.append("in doubt", to: stream) }
        try stepUntil(uploader) { service.sent.count == 2 }
        try uploader.append("not sent", to: "a")
        // From now on the answers come too late.
        _ = try uploader.takeOver()
        gate.open()
        try uploader.restart()
        uploader.settle()
        #expect(
            service.sent.prefix(4).map { $0.texts + [$0.destination.logStream] }.sorted { $0[1] < $1[1] } == [
                ["in doubt", "a"], ["in doubt", "a"], ["in doubt", "b"], ["in doubt", "b"],
            ]
        )
        #expect(service.sent.dropFirst(4).map(\.texts) == [["not sent"]])
        #expect(try uploader.pendingCount() == 0 && uploader.inDoubtCount() == 0)
    }

    @Test("is only taken for one that hangs while it takes no steps: requests that hang do not matter")
    func hanging() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate) { _, _ in .accepted(.none) }
        let uploader = try SteppedUploader(service: service, lapse: .seconds(1))
        try uploader.append("one")
        // By a clock that goes a second from look to look, though none has gone by.
        let clock = Monitor<Int64>(0)
        var seeker = LeaseSeeker(spool: uploader.spool, lapse: .seconds(1)) { clock.withLock { $0 } }
        for _ in 0..<3 {
            for look in 0..<4 {
                let lease = try seeker.seek()
                #expect(lease == nil, "look \(look)")
                clock.withLock { $0 += 1_000 }
            }
            // So long as it takes for the next sign of life.
            let before = try contentsOfNote(uploader)
            try stepUntil(uploader) { try contentsOfNote(uploader) != before }
        }
        #expect(service.sent.count == 1 && uploader.loop.inFlight == 1)
        // The loop itself stops.
        var lease: UploadLease?
        for _ in 0..<5 {
            lease = try seeker.seek()
            clock.withLock { $0 += 1_000 }
        }
        #expect(lease != nil)
        #expect(uploader.loop.step() == .waiting(until: nil) && uploader.loop.isSuperseded)
        gate.open()
    }

    private func stepUntil(_ uploader: SteppedUploader, _ condition: () throws -> Bool) throws {
        let deadline = ContinuousClock.now + patience
        while try !condition() {
            if ContinuousClock.now > deadline { throw WaitError(what: "what the steps are to lead to") }
            _ = uploader.loop.step()
        }
    }

    private func contentsOfNote(_ uploader: SteppedUploader) throws -> String {
        try String(contentsOfFile: uploader.spool.path + "-uploader", encoding: .utf8)
    }
}

/// Holds the creation of a stream until a gate is opened.
private final class HeldCreation: DeliveryService {
    let scripted: ScriptedDeliveryService
    private let gate: Gate

    init(_ scripted: ScriptedDeliveryService, gate: Gate) { (self.scripted, self.gate) = (scripted, gate) }

    func send(_ batch: EventBatch) -> DeliveryOutcome { scripted.send(batch) }
    func cancel() { scripted.cancel() }
    func create(_ destination: Destination) -> DeliveryOutcome {
        gate.pass()
        return scripted.create(destination)
    }
}
