import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("What does not get through is tried again, at the right time")
struct OutageTests {
    @Test(
        "waits up to twice as long after each failure, until the delay has reached its cap",
        arguments: [
            (DeliveryOutcome.lost, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]),
            (.throttled(), [200, 400, 800]),
            (.denied, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]),
        ]
    )
    func backoff(outcome: DeliveryOutcome, delays: [Int64]) throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService { _, _ in outcome })
        try uploader.append("one")
        for (number, delay) in delays.enumerated() {
            #expect(uploader.settle() == delay)
            #expect(uploader.service.sent.count == number + 1)
            uploader.clock.advance(delay - 1)
            #expect(uploader.settle() == 1)
            #expect(uploader.service.sent.count == number + 1, "not a millisecond sooner")
            uploader.clock.advance(1)
        }
        #expect(try uploader.pendingCount() == 1)
    }

    @Test("waits for a random part of the delay, so that many who failed together do not come back together")
    func jitter() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService { _, _ in .lost }, chance: 0.25)
        try uploader.append("one")
        #expect(uploader.settle() == 50)
        uploader.clock.advance(50)
        #expect(uploader.settle() == 100)
    }

    @Test("waits as long as the service asks, though a flush is asked for, but never longer than five minutes")
    func retryAfter() throws {
        let service = ScriptedDeliveryService([
            .throttled(retryAfter: .seconds(7)), .throttled(retryAfter: .seconds(86_400)),
        ])
        let uploader = try SteppedUploader(service: service)
        try uploader.append("one")
        #expect(uploader.settle() == 7_000)
        _ = try uploader.loop.flush()
        #expect(uploader.settle() == 7_000)
        uploader.clock.advance(7_000)
        #expect(uploader.settle() == 300_000)
        uploader.clock.advance(300_000)
        uploader.settle()
        #expect(service.sent.count == 3)
        #expect(try uploader.pendingCount() == 0)
    }

    @Test("tries again at once when a flush is asked for, where only we ourselves chose to wait")
    func flush() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService([.lost]))
        try uploader.append("one")
        #expect(uploader.settle() == 200)
        _ = try uploader.loop.flush()
        uploader.settle()
        #expect(try uploader.pendingCount() == 0)
    }

    @Test("counts batches that failed side by side as one failure")
    func sideBySide() throws {
        let gate = Gate()
        let uploader = try SteppedUploader(
            service: ScriptedDeliveryService([.lost, .lost, .lost], gate: gate),
            limits: BatchLimits(bytes: 100, age: 0),
            pacing: UploadPlan.Pacing(inFlight: 3)
        )
        for text in ["one", "two", "three"] { try uploader.append(text + String(repeating: " ", count: 60)) }
        while uploader.loop.inFlight < 3 { _ = uploader.loop.step() }
        gate.open()
        #expect(uploader.settle() == 200)
        uploader.clock.advance(200)
        try uploader.run { try uploader.pendingCount() > 0 }
        #expect(uploader.service.sent.count == 6)
    }

    @Test("starts again where it stopped: a process that starts during an outage goes on with the waiting")
    func restart() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService { _, _ in .throttled() })
        try uploader.append("one")
        uploader.run { uploader.service.sent.count < 5 }
        uploader.settle()
        for _ in 1...100 {
            try uploader.restart()
            uploader.settle()
        }
        #expect(uploader.service.sent.count == 5, "a hundred starts, and no request")
        uploader.run { uploader.service.sent.count < 6 }
        #expect(uploader.settle() == 6_400, "and the sixth failure is the sixth")
    }

    @Test("goes on with the waiting in the next process though somebody had asked for a flush before the outage")
    func restartAfterFlush() throws {
        let isDown = Monitor(false)
        let service = ScriptedDeliveryService { _, _ in isDown.withLock { $0 } ? .throttled() : .accepted(.none) }
        let uploader = try SteppedUploader(service: service)
        try uploader.spool.requestFlush(through: try uploader.append("before"))
        uploader.run { service.sent.isEmpty }
        uploader.settle()
        isDown.withLock { $0 = true }
        try uploader.append("one")
        uploader.run { service.sent.count < 6 }
        uploader.settle()
        for _ in 1...10 {
            try uploader.restart()
            uploader.loop.wake()
            uploader.settle()
        }
        #expect(service.sent.count == 6, "ten starts, and no request")
    }

    @Test("waits no longer in the next process because the clock was set back meanwhile")
    func restartWithOtherTime() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService { _, _ in .throttled() })
        try uploader.append("one")
        uploader.run { uploader.service.sent.count < 3 }
        #expect(uploader.settle() == 800)
        uploader.clock.now.wall -= 3_600_000
        try uploader.restart()
        #expect(uploader.settle() == 800)
    }

    @Test("asks with at most ten requests a second whether the service is back, however many streams there are")
    func manyStreams() throws {
        let isDown = Monitor(true)
        let service = ScriptedDeliveryService { _, _ in isDown.withLock { $0 } ? .throttled() : .accepted(.none) }
        let uploader = try SteppedUploader(service: service, pacing: UploadPlan.Pacing(inFlight: 4), chance: 0.5)
        for number in 1...300 { try uploader.append("one", to: "stream \(number)") }
        // Each stream has its first try.
        uploader.run { service.sent.count < 300 }
        let start = uploader.clock.now.monotonic
        uploader.run { uploader.clock.now.monotonic < start + 60_000 }
        #expect((500...601).contains(service.sent.count - 300), "\(service.sent.count - 300) retries in a minute")

        isDown.withLock { $0 = false }
        let end = uploader.clock.now.monotonic
        try uploader.run { try uploader.pendingCount() > 0 }
        #expect(uploader.clock.now.monotonic - end <= 30_000, "then nobody waits for longer than the backoff")
    }

    @Test("holds up no healthy stream, however many others fail")
    func healthyStream() throws {
        let service = ScriptedDeliveryService { _, batch in
            batch.destination.logStream == "healthy" ? .accepted(.none) : .denied
        }
        let uploader = try SteppedUploader(service: service, chance: 0.01)
        for number in 1...100 { try uploader.append("one", to: "stream \(number)") }
        uploader.run { service.sent.count < 150 }
        for _ in 1...20 {
            let before = service.sent.count
            try uploader.append("one", to: "healthy")
            uploader.run { !service.sent.dropFirst(before).contains { $0.destination.logStream == "healthy" } }
            #expect(service.sent.count - before <= 2, "behind what was on its way at most")
        }
    }

    @Test("lets failing streams take turns, so that one whose trouble has ended is not kept behind the others")
    func turns() throws {
        let isMended = Monitor(false)
        let service = ScriptedDeliveryService { _, batch in
            batch.destination.logStream == "mended" && isMended.withLock { $0 } ? .accepted(.none) : .denied
        }
        // Without a delay each of them could always be tried again.
        let uploader = try SteppedUploader(service: service, chance: 0)
        for number in 1...19 { try uploader.append("one", to: "stream \(number)") }
        try uploader.append("one", to: "mended")
        uploader.run { service.sent.count < 50 }
        isMended.withLock { $0 = true }
        try uploader.run { try uploader.pendingCount() == 20 && service.sent.count < 1_000 }
        #expect(service.sent.count <= 50 + 21)
    }

    // MARK: What may have arrived

    @Test("knows that a batch is not in doubt which the service turned down")
    func notInDoubt() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService([.throttled()]), reconcileDelay: 5_000)
        try uploader.append("one")
        #expect(uploader.settle() == 200)
        #expect(try uploader.inDoubtCount() == 0)
        uploader.clock.advance(200)
        uploader.settle()
        #expect(try uploader.pendingCount() == 0)
        #expect(uploader.service.lookedUp.isEmpty)
    }

    @Test("does not forget a doubt because the next answer is a refusal")
    func doubtRemains() throws {
        let uploader = try SteppedUploader(
            service: ScriptedDeliveryService([.lost, .throttled(), .denied]),
            reconcileDelay: 0
        )
        try uploader.append("one")
        for _ in 1...3 {
            uploader.clock.advance(uploader.settle())
            #expect(try uploader.inDoubtCount() == 1)
        }
        uploader.settle()
        #expect(try uploader.pendingCount() == 0)
        #expect(uploader.service.lookedUp.count == 3)
    }

    @Test("lets other streams go on while a batch in doubt waits to be looked for")
    func lookUpHoldsUpNobody() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService([.lost]), reconcileDelay: 60_000)
        try uploader.append("one", to: "doubtful")
        #expect(uploader.settle() == 200)
        uploader.clock.advance(200)
        try uploader.append("two", to: "other")
        #expect(uploader.settle() == 59_800)
        #expect(uploader.service.sent.map(\.texts) == [["one"], ["two"]])
        uploader.clock.advance(59_800)
        uploader.settle()
        #expect(uploader.service.sent.map(\.texts) == [["one"], ["two"], ["one"]])
        #expect(uploader.service.lookedUp.map(\.texts) == [["one"]])
    }

    @Test("looks for a batch so long after its answer failed to come, and not so long after it was sent")
    func lookUpTime() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService([.lost], gate: gate)
        let uploader = try SteppedUploader(service: service, reconcileDelay: 10_000)
        try uploader.append("one")
        while uploader.loop.inFlight == 0 { _ = uploader.loop.step() }
        // The service may have taken it at the last moment.
        uploader.clock.advance(9_000)
        gate.open()
        uploader.clock.advance(uploader.settle())
        #expect(uploader.settle() == 9_800)
        uploader.clock.advance(9_800)
        uploader.settle()
        #expect(service.lookedUp.count == 1)
    }

    @Test("looks again for what was found of a batch when its halves are sent")
    func halvesAreLookedFor() throws {
        // The first attempt arrived in part; a guilty record makes the service turn down the rest.
        let service = ScriptedDeliveryService(
            search: { batch in .found(Set(batch.texts.indices.filter { batch.texts[$0] == "1" })) },
            script: { number, batch in
                if number == 1 { return .lost }
                return batch.texts.contains("4") ? .invalid : .accepted(.none)
            }
        )
        let uploader = try SteppedUploader(service: service, reconcileDelay: 0)
        for number in 1...6 { try uploader.append("\(number)") }
        try uploader.run { try uploader.pendingCount() > 0 }
        #expect(service.sent.dropFirst().flatMap(\.texts).contains("1") == false)
        #expect(service.lookedUp.count >= 3)
        let status = try SpoolStatus.read(path: uploader.spool.path)
        #expect(status.rejected == 1)
        #expect(status.delivered == 5)
    }

    @Test("counts as delivered what was found to have arrived, though the last record of the batch is refused")
    func foundBesideAGuiltyOne() throws {
        let service = ScriptedDeliveryService(
            search: { batch in .found(Set(batch.texts.indices.filter { batch.texts[$0] != "guilty" })) },
            script: { number, _ in number == 1 ? .lost : .invalid }
        )
        let uploader = try SteppedUploader(service: service, reconcileDelay: 0)
        for text in ["one", "two", "guilty"] { try uploader.append(text) }
        try uploader.run { try uploader.pendingCount() > 0 }
        #expect(service.sent.map(\.texts) == [["one", "two", "guilty"], ["guilty"]])
        let status = try SpoolStatus.read(path: uploader.spool.path)
        #expect((status.delivered, status.rejected) == (2, 1))
        #expect((uploader.loop.totals.records, uploader.loop.totals.rejected) == (2, 1))
    }

    @Test("halves an invalid batch by the order of commits, though the times are in another")
    func halvesWithOtherTimes() throws {
        let service = ScriptedDeliveryService { _, batch in
            batch.texts.contains("guilty") ? .invalid : .accepted(.none)
        }
        let uploader = try SteppedUploader(service: service)
        for text in ["1", "2", "guilty", "4", "5", "6", "7"] {
            try uploader.append(text)
            // Each is logged before those that were committed before it.
            uploader.clock.now.wall -= 1_000
        }
        uploader.clock.now.wall += 60_000
        try uploader.run { try uploader.pendingCount() > 0 && service.sent.count < 100 }
        let accepted = service.sent.filter { !$0.texts.contains("guilty") }.flatMap(\.texts)
        #expect(accepted.sorted() == ["1", "2", "4", "5", "6", "7"])
        #expect(try SpoolStatus.read(path: uploader.spool.path).rejected == 1)
    }

    @Test("settles what was answered before it ends")
    func landing() throws {
        let gate = Gate()
        let uploader = try SteppedUploader(service: ScriptedDeliveryService(gate: gate))
        try uploader.append("one")
        while uploader.loop.inFlight == 0 { _ = uploader.loop.step() }
        #expect(gate.waitForArrivals())
        gate.open()
        uploader.loop.land(until: MonotonicClock.milliseconds() + 60_000)
        #expect(try uploader.pendingCount() == 0)
        #expect(try uploader.inDoubtCount() == 0)
    }
}
