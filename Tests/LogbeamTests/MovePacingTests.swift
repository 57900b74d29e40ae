import Testing

@testable import Logbeam

@Suite("What is in an old file is tried again to be moved")
struct MovePacingTests {
    // Any two will do.
    private let file = ObjectIdentifier(Int.self)
    private let otherFile = ObjectIdentifier(String.self)

    @Test("after a time that doubles up to half a minute")
    func doubles() {
        var pacing = MovePacing(patience: 10_000)
        #expect(pacing.isDue(at: 5, into: file))
        var now: Int64 = 5
        for delay: Int64 in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            pacing.note(isDone: false, at: now, into: file)
            #expect(!pacing.isDue(at: now + delay - 1, into: file))
            #expect(pacing.isDue(at: now + delay, into: file))
            now += delay + 7
        }
    }

    @Test("at once where there is another file since, or it was done, and after a second if that fails")
    func startsOver() {
        var pacing = MovePacing(patience: 10_000)
        for _ in 0..<5 { pacing.note(isDone: false, at: 100, into: file) }
        #expect(!pacing.isDue(at: 1_100, into: file))
        #expect(pacing.isDue(at: 101, into: otherFile))
        pacing.note(isDone: false, at: 101, into: otherFile)
        #expect(!pacing.isDue(at: 1_100, into: otherFile))
        #expect(pacing.isDue(at: 1_101, into: otherFile))
        for _ in 0..<5 { pacing.note(isDone: false, at: 200, into: otherFile) }
        pacing.note(isDone: true, at: 300, into: otherFile)
        #expect(pacing.isDue(at: 301, into: otherFile))
        pacing.note(isDone: false, at: 400, into: otherFile)
        #expect(pacing.isDue(at: 1_400, into: otherFile))
    }

    @Test("when nothing is on its way, and when that was waited for in vain")
    func quietMoment() {
        var pacing = MovePacing(patience: 10_000)
        pacing.note(isDone: false, at: 100, into: file)
        #expect(!pacing.endsLoop(at: 1_099, into: file, inFlight: 0))
        #expect(pacing.endsLoop(at: 1_100, into: file, inFlight: 0))
        #expect(!pacing.endsLoop(at: 1_100, into: file, inFlight: 1))
        #expect(!pacing.endsLoop(at: 11_099, into: file, inFlight: 1))
        #expect(pacing.endsLoop(at: 11_100, into: file, inFlight: 1))
    }
}
