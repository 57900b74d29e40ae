import LogbeamSpool
import Testing

@testable import Logbeam

@Suite("A stream is told of a gap")
struct GapPacingTests {
    private var pacing = GapPacing()

    private func gap(_ records: Int, stream: Int64 = 1, reason: String = "spool full") -> Gap {
        Gap(stream: stream, reason: reason, records: records, first: 1, last: 2)
    }

    @Test("when it has not grown for a second")
    mutating func pause() {
        #expect(pacing.due([gap(1)], at: 10_000) == [])
        #expect(pacing.due([gap(5)], at: 10_900) == [])
        #expect(pacing.due([gap(5)], at: 11_800) == [])
        #expect(pacing.due([gap(5)], at: 11_900) == [gap(5)])
        // It could not be told, for want of room say.
        #expect(pacing.due([gap(5)], at: 11_950) == [gap(5)])
    }

    @Test("once a minute while it grows: sixty events tell of a flood of an hour")
    mutating func flood() {
        var untold = 0
        var told: [Int] = []
        for time in stride(from: Int64(0), to: 3_600_000, by: 200) {
            untold += 1_000
            let due = pacing.due([gap(untold)], at: time)
            if let due = due.first {
                told.append(due.records)
                untold = 0
            }
        }
        #expect((58...60).contains(told.count))
        #expect(told.reduce(0, +) + untold == 18_000_000)
    }

    @Test("each for itself, and anew when it was told")
    mutating func several() {
        #expect(pacing.due([gap(1), gap(1, stream: 2)], at: 0) == [])
        #expect(pacing.due([gap(2), gap(1, stream: 2), gap(7, reason: "disk full")], at: 1_000) == [gap(1, stream: 2)])
        #expect(pacing.due([gap(2), gap(7, reason: "disk full")], at: 2_000) == [gap(2), gap(7, reason: "disk full")])
        #expect(pacing.due([], at: 2_100) == [])
        #expect(pacing.due([gap(2)], at: 2_200) == [])
        #expect(pacing.due([gap(1)], at: 3_100) == [])
        #expect(pacing.due([gap(1)], at: 4_100) == [gap(1)])
    }
}
