import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

/// Random histories: streams, records, answers, deaths, clocks, against a spool and a service that are arrays.
@Suite("UploadPlan keeps its promises in random histories")
struct UploadPlanSimulationTests {
    /// Seeds that failed once. When the test below names a seed, put it here.
    @Test("in those that once went wrong", arguments: [0, 4_252, 8_715, 10_359, 68_442, 83_816] as [UInt64])
    func pinned(seed: UInt64) throws {
        _ = try History(seed: seed).run()
    }

    /// `SIMULATION_SEEDS` asks for more than the 2,000 of an ordinary run.
    @Test("in 2,000 of them, or more on demand")
    func many() {
        let count = ProcessInfo.processInfo.environment["SIMULATION_SEEDS"].flatMap(UInt64.init) ?? 2_000
        var (failures, sparse, whole) = (0, 0, 0)
        for seed in 1...max(1, count) {
            do {
                let batches = try History(seed: seed).run()
                sparse += batches.sparse
                whole += batches.whole
            } catch {
                failures += 1
                // The first few are enough to read.
                if failures <= 3 { Issue.record(error, "seed \(seed)") }
            }
        }
        #expect(failures == 0)
        #expect(sparse > count / 10 && whole > count)
    }
}

/// One random history.
private struct History {
    private var random: SeededGenerator
    private var uploader: SimulatedUploader
    private let streams: Int64
    private let hasFarTimes: Bool
    private let hasClockJumps: Bool
    /// The service goes by a clock of its own, and ours may be hours ahead of it, or behind.
    private let hasServiceClock: Bool
    private let isSmall: Bool
    private let dice: Dice

    /// What the answers of the service depend on; shared with the closure that gives them.
    private final class Dice {
        var random: SeededGenerator
        var hasTrouble = true
        var poison: Set<Int64> = []

        init(random: SeededGenerator) { self.random = random }

        func answer(_ ids: [Int64]) -> SimulatedUploader.Answer {
            let luck = hasTrouble ? Int.random(in: 0..<100, using: &random) : 0
            if luck >= 97 { return .death(arrived: Bool.random(using: &random)) }
            if luck >= 70 { return .failed(after: Int64.random(in: 1...3_000, using: &random)) }
            return poison.isDisjoint(with: ids) ? .accepted : .invalid
        }
    }

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        let limits = BatchLimits(
            count: Int.random(in: 1...6, using: &random),
            bytes: Int.random(in: 60...400, using: &random),
            messageBytes: 200,
            age: Int64.random(in: 0...2_000, using: &random)
        )
        let pacing = UploadPlan.Pacing(
            inFlight: Int.random(in: 1...4, using: &random),
            interval: Bool.random(using: &random) ? 0 : Int64.random(in: 1...500, using: &random),
            putsPerSecond: Bool.random(using: &random) ? nil : Int.random(in: 1...20, using: &random)
        )
        uploader = SimulatedUploader(limits: limits, pacing: pacing)
        uploader.pageSize = Int.random(in: 1...20, using: &random)
        let few = Int64.random(in: 1...4, using: &random)
        // Where there are many, their batches are sparse.
        streams = seed % 7 == 3 ? 30 : few
        let (hasFarTimes, hasClockJumps) = (
            Int.random(in: 0..<3, using: &random) == 0, Int.random(in: 0..<3, using: &random) == 0
        )
        hasServiceClock = seed % 5 == 2
        self.hasFarTimes = hasFarTimes && !hasServiceClock
        self.hasClockJumps = hasClockJumps || hasServiceClock
        isSmall = seed.isMultiple(of: 3)
        let dice = Dice(random: SeededGenerator(seed: seed &+ 1_000_000))
        self.dice = dice
        uploader.answer = { _, ids in dice.answer(ids) }
        if hasServiceClock { (uploader.clockError, uploader.now.serviceOffset) = (hours(), nil) }
    }

    /// Returns how many batches were sparse, and how many whole.
    func run() throws -> (sparse: Int, whole: Int) {
        var history = self
        try history.live()
        try history.end()
        return (history.uploader.sparse.count, history.uploader.whole)
    }

    private mutating func live() throws {
        for _ in 0..<Int.random(in: 5...40, using: &random) {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<50: for _ in 0..<Int.random(in: 1...8, using: &random) { append() }
            case 50..<80: uploader.advance(Int64.random(in: 0...1_500, using: &random))
            case 80..<85: uploader.flush()
            case 85..<88: uploader.restart()
            case 88..<94 where hasServiceClock: uploader.setClock(by: hours() - (uploader.clockError ?? 0))
            case 88..<94 where hasClockJumps: uploader.setClock(by: farTime())
            case 94..<100 where isSmall: uploader.drop(Int.random(in: 1...10, using: &random))
            default: break
            }
            // Whatever comes next may come between any two steps.
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                if case .wait = try uploader.step(), uploader.onTheWay.isEmpty { break }
                if isSmall, Int.random(in: 0..<8, using: &random) == 0 {
                    uploader.drop(Int.random(in: 1...3, using: &random))
                }
                // Answers come when they like, and in any order.
                if !uploader.onTheWay.isEmpty, Bool.random(using: &random) {
                    try uploader.answer(Int.random(in: 0..<uploader.onTheWay.count, using: &random))
                }
            }
        }
    }

    /// Trouble ends, and everything that can be sent is sent.
    private mutating func end() throws {
        dice.hasTrouble = false
        if let error = uploader.clockError { uploader.setClock(by: -error) }
        uploader.flush()
        let start = uploader.now.wall
        let latest = uploader.pending.map(\.timestamp).max() ?? 0
        try uploader.settleForGood()
        guard uploader.pending.isEmpty else { throw uploader.broken("left behind: \(uploader.pending)") }
        if hasServiceClock {
            // The clock is right now: nothing waits longer than for its own time, and to be looked at.
            let end = max(start, latest - BatchLimits.maximumAhead) + 300_000
            let delay = uploader.lastArrival - end
            guard delay <= 0 else { throw uploader.broken("the last record arrives \(delay) ms late") }
            let isGood = uploader.rejected.allSatisfy { $0.reason == .tooLarge || $0.reason == .invalid }
            guard isGood else { throw uploader.broken("rejected by a wrong clock: \(uploader.rejected)") }
        }
        let rejected = Set(uploader.rejected.map(\.id))
        guard rejected.count == uploader.rejected.count else { throw uploader.broken("something is rejected twice") }
        for id in stride(from: 1, through: uploader.lastID, by: 1) {
            let arrivals = uploader.arrivals[id] ?? 0
            let isDoubtful = uploader.inDoubt.contains(id)
            let expected = rejected.contains(id) || uploader.dropped.contains(id) ? 0 : 1
            guard arrivals == expected || isDoubtful && arrivals >= expected else {
                throw uploader.broken("record \(id) arrived \(arrivals) times")
            }
            guard rejected.contains(id) || uploader.dropped.contains(id) || !dice.poison.contains(id) else {
                throw uploader.broken("poison arrived")
            }
        }
        try checkOrder()
    }

    private mutating func append() {
        let isFar = hasFarTimes && Int.random(in: 0..<4, using: &random) == 0
        let bytes = Int.random(in: 0..<20, using: &random) == 0 ? 201 : Int.random(in: 0...200, using: &random)
        let id = uploader.append(
            Int64.random(in: 1...streams, using: &random),
            age: isFar ? farTime() : Int64.random(in: -5...2_000, using: &random),
            bytes: bytes,
            quiet: Int.random(in: 0..<10, using: &random) == 0
        )
        if Int.random(in: 0..<40, using: &random) == 0 { dice.poison.insert(id) }
    }

    /// Up to 12 hours behind or ahead.
    private mutating func hours() -> Int64 { Int64.random(in: -12...12, using: &random) * 3_600_000 }

    /// Up to 15 days back and 3 hours ahead or the other way round, with a liking for the service's limits.
    private mutating func farTime() -> Int64 {
        let near = Int64.random(in: -3_000...3_000, using: &random)
        let limits = [BatchLimits.maximumAge, BatchLimits.maximumSpan, -BatchLimits.maximumAhead, 0]
        return limits[Int.random(in: 0..<limits.count, using: &random)] + near
    }

    /// Within a stream, records leave in the order of their ids, but for those that had to wait for their time.
    private func checkOrder() throws {
        guard !hasFarTimes, !hasClockJumps else { return }
        var last: [Int64: Int64] = [:]
        var seen: Set<Int64> = []
        for batch in uploader.sent {
            let fresh = batch.filter { seen.insert($0).inserted }
            guard let first = fresh.first, let stream = uploader.streamOf[first] else { continue }
            guard first > last[stream] ?? 0 else { throw uploader.broken("\(batch) comes late") }
            last[stream] = fresh.last
        }
    }
}
