import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite struct UploadLoopTests {
    @Test("Is denied only when nothing is on its way and nothing else is left to send")
    func denied() throws {
        let directory = try TemporaryDirectory()
        let spool = try Spool(path: directory.file("spool.db"))
        for name in ["refused", "healthy"] {
            let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: name))
            try Array("x".utf8).withUnsafeBufferPointer {
                _ = try spool.append(stream: stream, timestamp: WallClock.milliseconds(), message: $0)
            }
        }
        let gate = Gate()
        let service = ScriptedDeliveryService { _, batch in
            if batch.destination.logStream == "healthy" {
                gate.pass()
                return .accepted(.none)
            }
            return .denied(DeliveryFailure(code: "AccessDeniedException", message: ""))
        }
        let loop = try UploadLoop(
            lease: #require(try UploadLease.acquire(spool)),
            service: service,
            limits: BatchLimits(),
            pacing: UploadPlan.Pacing(inFlight: 1)
        )
        _ = try loop.flush()
        func turn(until isOver: () -> Bool) throws {
            let deadline = ContinuousClock.now + patience
            while !isOver() {
                if ContinuousClock.now > deadline { throw WaitError(what: "an answer") }
                if case .waiting = loop.step() { loop.waitForAnswer(until: MonotonicClock.milliseconds() + 10) }
            }
        }
        // One at a time, the oldest first: the second goes out when the first has been refused.
        try turn { service.sent.count == 2 }
        #expect(loop.troubles.count == 1)
        #expect(!loop.isDenied, "the healthy stream is on its way")
        gate.open()
        try turn { loop.inFlight == 0 }
        #expect(loop.isDenied)
    }
}
