import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport

/// What `log()` and shipping cost beside others that are pending.
struct PendingFigures: Codable {
    /// A committed `log()`.
    var logP50Microseconds: Double
    /// Reading, deleting and upkeep, of all threads, until every record is deleted; no request, which is the same for any
    /// backlog.
    var shipCPUMicrosecondsPerRecord: Double
    var shippedRecordsPerSecond: Double

    /// Figure by figure.
    func combined(with other: PendingFigures, by combine: (Double, Double) -> Double) -> PendingFigures {
        PendingFigures(
            logP50Microseconds: combine(logP50Microseconds, other.logP50Microseconds),
            shipCPUMicrosecondsPerRecord: combine(shipCPUMicrosecondsPerRecord, other.shipCPUMicrosecondsPerRecord),
            shippedRecordsPerSecond: combine(shippedRecordsPerSecond, other.shippedRecordsPerSecond)
        )
    }

    /// The median of each figure by itself.
    static func median(of rounds: [PendingFigures]) -> PendingFigures {
        PendingFigures(
            logP50Microseconds: rounds.map(\.logP50Microseconds).median,
            shipCPUMicrosecondsPerRecord: rounds.map(\.shipCPUMicrosecondsPerRecord).median,
            shippedRecordsPerSecond: rounds.map(\.shippedRecordsPerSecond).median
        )
    }
}

/// A short backlog beside a long one, in rounds that take turns: each logs some records and ships as many.
struct FlatComparison: Codable {
    var few: Int
    var many: Int
    var besideFew: PendingFigures
    var besideMany: PendingFigures
    /// `besideMany` by `besideFew`, the median of the ratios of the rounds.
    var ratio: PendingFigures
}

struct FlatBench {
    /// More than a batch, or the shorter backlog would be shipped in smaller ones.
    static let few = 10_000
    /// Several batches, so that what is waited for once a round, before rows are deleted, counts for little.
    private static let recordsPerRound = 60_000

    var commitBench: CommitBench
    var drainBench: DrainBench
    var many: Int
    var rounds: Int

    func run() async throws -> FlatComparison {
        var commitBench = commitBench
        commitBench.recordsPerRound = Self.recordsPerRound
        let sides = try [Self.few, many].map { try Side($0, drainBench) }
        defer { for side in sides { side.removeFiles() } }
        var figures: [[PendingFigures]] = [[], []]
        // The first round fills caches and is thrown away.
        for round in 0...rounds {
            // Always in this order, so that each comes after the other: twice in turn, the second time would be a faster one.
            for index in sides.indices {
                let commits = try commitBench.measure(sides[index].committer, threads: 1)
                let shipped = try sides[index].ship(Self.recordsPerRound)
                guard round > 0 else { continue }
                figures[index].append(
                    PendingFigures(
                        logP50Microseconds: commits.p50Microseconds,
                        shipCPUMicrosecondsPerRecord: shipped.cpuSeconds * 1e6 / Double(shipped.records),
                        shippedRecordsPerSecond: Double(shipped.records) / shipped.seconds
                    )
                )
            }
        }
        for side in sides { await side.committer.end() }
        return FlatComparison(
            few: Self.few,
            many: many,
            besideFew: .median(of: figures[0]),
            besideMany: .median(of: figures[1]),
            ratio: .median(of: zip(figures[0], figures[1]).map { $1.combined(with: $0, by: /) })
        )
    }

    private struct Side {
        let committer: LoggingCommitter
        private let service = RationedTaker()
        private let reader: SpoolReader

        init(_ pending: Int, _ drainBench: DrainBench) throws {
            let path = drainBench.directory.file("flat-\(pending).db")
            _ = try drainBench.fill(path, records: pending)
            committer = try LoggingCommitter(path: path, lines: drainBench.lines, service: service) {
                // Full batches alone, of one size, one after the other; and room for all.
                $0.bufferDuration = .seconds(3600)
                $0.maximumInFlight = 1
                $0.maxSpoolSize = 1 << 34
            }
            reader = try SpoolReader(path: path)
            try service.waitUntilHeld()
        }

        /// Lets so many more be shipped, in whole batches, and waits until they are deleted. Rows are deleted when no answer
        /// has come for a while: when the next batch is held, most of them are still there.
        func ship(_ records: Int) throws -> (records: Int, seconds: Double, cpuSeconds: Double) {
            let (begin, cpu) = (MonotonicClock.nanoseconds(), CPUClock.process.nanoseconds)
            let taken = try service.take(records)
            while try reader.deliveries().contains(where: \.acknowledged) {
                MonotonicClock.sleep(nanoseconds: 1_000_000)
            }
            return (taken, secondsSince(begin), Double(CPUClock.process.nanoseconds - cpu) / 1e9)
        }

        func removeFiles() { DrainBench.removeSpool(committer.path) }
    }
}

/// A service that takes as many records as it was told to, and holds the next batch until it is told again.
private final class RationedTaker: DeliveryService {
    private struct State {
        /// Records that it may still take.
        var ration = 0
        var taken = 0
        /// The records of the batch that waits.
        var waiting: Int?
        var isCancelled = false
    }

    private let state = Monitor(State())

    func send(_ batch: EventBatch) -> DeliveryOutcome {
        state.withLock { $0.waiting = batch.count }
        let isTaken: Bool? = state.wait(within: .seconds(600)) {
            if $0.isCancelled { return false }
            guard batch.count <= $0.ration else { return nil }
            $0.ration -= batch.count
            $0.taken += batch.count
            $0.waiting = nil
            return true
        }
        let failure = DeliveryFailure(code: DeliveryFailure.cancelled, message: "")
        return isTaken == true ? .accepted(.none) : .transient(failure)
    }

    func create(_ destination: Destination) -> DeliveryOutcome { .accepted(.none) }
    func cancel() { state.withLock { $0.isCancelled = true } }

    /// Waits until a batch is held: then all that were taken are acknowledged, where one is on its way at a time.
    ///
    /// - Returns: how many records were taken so far.
    @discardableResult
    func waitUntilHeld() throws -> Int {
        let taken: Int? = state.wait(within: .seconds(600)) { state in
            guard let count = state.waiting, count > state.ration else { return nil }
            return state.taken
        }
        guard let taken else { throw BenchError("the uploader does not send") }
        return taken
    }

    /// Takes so many more, in whole batches, and waits until it has. Returns how many it took.
    func take(_ records: Int) throws -> Int {
        let before: Int = state.withLock {
            $0.ration += records
            return $0.taken
        }
        return try waitUntilHeld() - before
    }
}
