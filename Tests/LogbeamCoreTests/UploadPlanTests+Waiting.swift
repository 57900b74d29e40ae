import LogbeamCore
import Testing

/// Records that wait: for their time, or for others.
extension UploadPlanTests {
    @Test("lets early records wait for their time, and holds up nothing for them")
    func early() throws {
        var uploader = SimulatedUploader()
        uploader.append(age: 1_000)
        uploader.append(age: -5 * Self.hour)
        uploader.append(age: 1_000)
        #expect(try uploader.settle() == uploader.now.monotonic + 3 * Self.hour)
        #expect(uploader.sent == [[1, 3]])
        uploader.advance(3 * Self.hour)
        #expect(try uploader.settle() == nil)
        #expect(uploader.sent == [[1, 3], [2]])
    }

    @Test("comes back to an early record though there always is more to send")
    func earlyAmidOthers() throws {
        var uploader = SimulatedUploader(pacing: UploadPlan.Pacing(inFlight: 2))
        uploader.append(age: -2 * Self.hour - 5_000)
        for _ in 1...40 {
            for _ in 1...5 { uploader.append(age: 5_000) }
            let sent = uploader.sent.count
            while true { if case .wait = try uploader.step() { break } }
            // The answer comes when the next batch is on its way, as long as there is a next one.
            if uploader.onTheWay.count > 1 || uploader.sent.count == sent { try uploader.answer(0) }
            uploader.advance(500)
        }
        #expect(uploader.sent.flatMap { $0 }.contains(1))
        #expect(uploader.sent.count > 20)
    }

    @Test("does not turn back for each of many early records by itself")
    func manyEarly() throws {
        var uploader = SimulatedUploader(limits: BatchLimits(age: 1_000))
        for number: Int64 in 1...3_000 { uploader.append(age: -3 * Self.hour - number) }
        try uploader.settle()
        let steps = uploader.steps
        try uploader.settleForGood()
        #expect(uploader.pending.isEmpty)
        #expect(uploader.sent.count <= 6)
        #expect(uploader.steps - steps < 50)
    }

    @Test("is not moved to an upload by quiet records, but takes them along")
    func quiet() throws {
        var uploader = SimulatedUploader()
        uploader.append(quiet: true)
        for _ in 1...20 { uploader.append(age: 5_000, quiet: true) }
        #expect(try uploader.settle() == nil)
        uploader.advance(100_000)
        #expect(try uploader.settle() == nil)
        #expect(uploader.sent.isEmpty)
        uploader.append(age: 1_000)
        #expect(try uploader.settle() == nil)
        #expect(uploader.sent.flatMap { $0 } == Array(1...22))
        #expect(uploader.plan.quiet.isEmpty, "what was sent is not remembered for ever")
    }

    @Test("sends quiet records with a flush, read before or not")
    func flushQuiet() throws {
        var uploader = SimulatedUploader()
        uploader.append(quiet: true)
        try uploader.settle()
        uploader.append(quiet: true)
        uploader.flush()
        #expect(try uploader.settle() == nil)
        #expect(uploader.sent.flatMap { $0 } == [1, 2])
        uploader.append(quiet: true)
        #expect(try uploader.settle() == nil)
        #expect(uploader.pending.map(\.id) == [3])
    }

    @Test("tells the room in the batch that is fullest, and to look at the first record after an idle time")
    func room() throws {
        var uploader = SimulatedUploader()
        #expect(uploader.plan.room(at: uploader.now) == (1, .max))
        uploader.append(1)
        uploader.append(2)
        uploader.append(2, bytes: 100)
        try uploader.settle()
        #expect(uploader.plan.room(at: uploader.now) == (3, 400 - 36 - 126))
    }
}
