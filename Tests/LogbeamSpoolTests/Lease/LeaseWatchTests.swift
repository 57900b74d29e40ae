import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Whoever watches the holder of a lease")
struct LeaseWatchTests {
    /// A look: after so many milliseconds, at a beat; and whether the holder has lapsed.
    struct Look {
        var after: Int64
        var beat: UInt64
        var hasLapsed: Bool

        init(_ after: Int64, _ beat: UInt64, _ hasLapsed: Bool = false) {
            (self.after, self.beat, self.hasLapsed) = (after, beat, hasLapsed)
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var lapse: Int64 = 4_000
        var interval: Int64 = 400
        var looks: [Look]
    }

    private static func sighting(_ beat: UInt64, epoch: Int64 = 1, interval: Int64 = 400) -> LeaseSighting {
        let beat = LeaseNote.Beat(epoch: epoch, number: beat, interval: interval)
        return LeaseSighting(
            file: FileIdentity(stat()),
            note: LeaseNote(processID: 7, host: "host", beat: beat)
        )
    }

    static let cases = [
        Case(
            testDescription: "never loses patience with one that beats",
            looks: [Look(0, 1)] + (2...100).map { Look(1_000, $0) }
        ),
        Case(
            testDescription: "loses it when the lapse is over, and not before",
            looks: [Look(0, 1), Look(1_000, 1), Look(1_000, 1), Look(1_000, 1), Look(999, 1), Look(1, 1, true)]
        ),
        Case(
            testDescription: "begins anew with each beat",
            looks: [Look(0, 1)] + Array(repeating: Look(999, 1), count: 4) + [Look(999, 2)]
                + Array(repeating: Look(999, 2), count: 4) + [Look(4, 2, true)]
        ),
        Case(
            testDescription: "takes a beat that goes back for one: what counts is that it changes",
            looks: [Look(0, 9)] + Array(repeating: Look(1_000, 9), count: 3) + [Look(1_000, 3), Look(1_000, 3)]
        ),
        Case(
            testDescription: "does not take its own sleep for the holder's",
            looks: [Look(0, 1), Look(600_000, 1), Look(0, 1), Look(999, 1), Look(600_000, 2)]
        ),
        Case(
            testDescription: "gives who slept with it three quarters of the lapse to beat, if it was well before",
            looks: [Look(0, 1), Look(999, 1), Look(86_400_000, 1), Look(999, 1), Look(500, 2)]
        ),
        Case(
            testDescription: "loses patience after four looks, however late each of them is",
            looks: [Look(0, 1), Look(5_000, 1), Look(5_000, 1), Look(5_000, 1), Look(5_000, 1, true)]
        ),
        Case(
            testDescription: "waits for four beats of one that beats seldom",
            interval: 2_000,
            looks: [Look(0, 1)] + Array(repeating: Look(1_000, 1), count: 7) + [Look(1_000, 1, true)]
        ),
        Case(
            testDescription: "is not confused by a clock that stands still or goes back",
            looks: [Look(0, 1), Look(0, 1), Look(-50, 1), Look(1_000, 1), Look(-1_000, 1), Look(1_000, 1)]
        ),
    ]

    @Test(arguments: cases)
    func watches(_ test: Case) {
        var watch = LeaseWatch(lapse: test.lapse)
        var now: Int64 = 1_000_000
        for (index, look) in test.looks.enumerated() {
            now += look.after
            let hasLapsed = watch.look(Self.sighting(look.beat, interval: test.interval), at: now)
            #expect(hasLapsed == look.hasLapsed, "look \(index)")
        }
    }

    /// What the last of many looks at the same, once a second, and then of some at another says.
    private static func lapses(
        after first: LeaseSighting = sighting(1),
        _ looks: Int,
        then second: LeaseSighting,
        _ more: Int,
        forgetting: Bool = false
    ) -> Bool {
        var watch = LeaseWatch(lapse: 4_000)
        var hasLapsed = false
        for time in 0..<looks + more {
            if forgetting, time == looks { watch.forget() }
            hasLapsed = watch.look(time < looks ? first : second, at: Int64(time) * 1_000)
        }
        return hasLapsed
    }

    @Test("begins anew with another holder, another file, and when it is told to")
    func newHolder() {
        #expect(!Self.lapses(3, then: Self.sighting(1), 1))
        #expect(Self.lapses(4, then: Self.sighting(1), 1))
        var others = [Self.sighting(1, epoch: 2), Self.sighting(1), Self.sighting(1)]
        var other = stat()
        other.st_ino = 2
        others[1].file = FileIdentity(other)
        others[2].note.processID = 8
        for other in others {
            for more in 1...4 { #expect(!Self.lapses(4, then: other, more)) }
            #expect(Self.lapses(4, then: other, 5))
        }
        #expect(!Self.lapses(4, then: Self.sighting(1), 4, forgetting: true))
        #expect(Self.lapses(4, then: Self.sighting(1), 5, forgetting: true))
    }

    @Test("never supersedes one of an earlier version, which would not know it")
    func withoutBeats() {
        var old = Self.sighting(1)
        old.note.beat = nil
        #expect(!Self.lapses(after: old, 100, then: old, 100))
    }

    @Test("looks again within a second, and four times within the lapse")
    func pauses() {
        for (lapse, longest) in [(1_000, 250), (2_000, 500), (4_000, 1_000), (30_000, 1_000)] as [(Int64, Int64)] {
            #expect(LeaseWatch.pause(lapse: lapse, chance: 0) == longest)
            #expect((longest / 2...longest / 2 + 1).contains(LeaseWatch.pause(lapse: lapse, chance: 0.9999)))
        }
    }

    /// A hundred who stand by, started at the same moment, and a holder that stops.
    @Test("is not of one mind with the others: looks spread out, and so do those who learn of a lapse")
    func spread() {
        var random = SeededGenerator(seed: 1)
        let count = 100
        var watches = Array(repeating: LeaseWatch(lapse: 30_000), count: count)
        var looks = Array(repeating: Int64(0), count: count)
        var crowds: [Int64: Int] = [:]
        var lapses: [Int64] = []
        while let next = looks.indices.filter({ looks[$0] < .max }).min(by: { looks[$0] < looks[$1] }) {
            let now = looks[next]
            if now >= 10_000 { crowds[now / 10, default: 0] += 1 }
            guard watches[next].look(Self.sighting(1), at: now) else {
                looks[next] += LeaseWatch.pause(lapse: 30_000, chance: .random(in: 0..<1, using: &random))
                continue
            }
            lapses.append(now)
            looks[next] = .max
        }
        // 133 looks a second by a hundred are one or two in 10 ms. All at once they would be a hundred.
        #expect(crowds.values.max() ?? 0 < 10)
        #expect(lapses.allSatisfy { (30_000...31_000).contains($0) })
        // The first has a hundredth of a second, on the average, to put its file in place before the next learns of it.
        #expect(Set(lapses.map { $0 / 10 }).count > 50)
    }
}

@Suite("The note in a lease file")
struct LeaseNoteTests {
    private static let beat = LeaseNote.Beat(epoch: 3, number: 12, interval: 3_000)

    static let readings: [(text: String, processID: Int32, host: String, beat: LeaseNote.Beat?)] = [
        ("42 host 3 12 3000\n", 42, "host", beat),
        ("42 host 3 12 3000 and more\n", 42, "host", beat),
        // A shorter note over a longer one.
        ("42 host 3 12 3000\n0\n", 42, "host", beat),
        ("42 host 3 12 99999999999\n", 42, "host", LeaseNote.Beat(epoch: 3, number: 12, interval: 360_000)),
        ("42 host 3 12 -5\n", 42, "host", LeaseNote.Beat(epoch: 3, number: 12, interval: 0)),
        // Of a holder that was stopped before it could say anything.
        ("", 0, "unknown", LeaseNote.Beat(epoch: 0, number: 0, interval: 0)),
        ("42 host\n", 42, "host", nil),
        ("42 host 3 -12 3000\n", 42, "host", nil),
        ("\0\0\0\0", 0, "unknown", nil),
        ("9999999999 host x y z", 0, "host", nil),
    ]

    @Test(arguments: readings)
    func reads(text: String, processID: Int32, host: String, beat: LeaseNote.Beat?) {
        #expect(LeaseNote(Array(text.utf8)) == LeaseNote(processID: processID, host: host, beat: beat))
    }

    @Test func writes() {
        let note = LeaseNote(processID: 42, host: "a host", beat: Self.beat)
        #expect(note.text == "42 a-host 3 12 3000\n")
        #expect(LeaseNote(Array(note.text.utf8)) == LeaseNote(processID: 42, host: "a-host", beat: Self.beat))
    }
}
