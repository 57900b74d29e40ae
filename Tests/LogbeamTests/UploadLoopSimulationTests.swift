import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

/// Random histories of the upload loop on a real spool: answers, deaths between any two steps, several batches in flight.
@Suite("The upload loop and the spool keep their promises in random histories")
struct UploadLoopSimulationTests {
    /// `SPOOL_SIMULATION_SEEDS` asks for more than the 200 of an ordinary run.
    @Test("in 200 of them, or more on demand")
    func many() async throws {
        let count =
            ProcessInfo.processInfo.environment["SPOOL_SIMULATION_SEEDS"].flatMap(UInt64.init) ?? 200
        try await onOwnThread {
            for seed in 1...max(1, count) {
                do {
                    try History(seed: seed).run()
                } catch {
                    Issue.record(error, "seed \(seed)")
                    return
                }
            }
        }
    }
}

/// One random history.
private final class History {
    private struct Broken: Error, CustomStringConvertible {
        var description: String
    }

    private var random: SeededGenerator
    private let service: UnreliableService
    private let uploader: SteppedUploader
    private let reconciles: Bool
    private var logged: Set<String> = []
    /// The spool is small, and drops its oldest records now and then.
    private let isSmall: Bool
    /// What was on its way when a process died.
    private var orphaned: Set<String> = []

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        reconciles = Bool.random(using: &random)
        isSmall = seed.isMultiple(of: 3)
        service = UnreliableService(seed: seed)
        uploader = try SteppedUploader(
            service: service.scripted,
            limits: BatchLimits(
                count: Int.random(in: 1...6, using: &random),
                bytes: Int.random(in: 60...400, using: &random),
                messageBytes: 200,
                age: Int64.random(in: 0...2_000, using: &random)
            ),
            pacing: UploadPlan.Pacing(inFlight: Int.random(in: 1...3, using: &random)),
            reconcileDelay: reconciles ? Int64.random(in: 0...500, using: &random) : nil,
            chance: Double.random(in: 0...1, using: &random)
        )
    }

    func run() throws {
        for _ in 0..<Int.random(in: 5...25, using: &random) {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5: for _ in 0..<Int.random(in: 1...6, using: &random) { try append() }
            case 5..<8: uploader.clock.advance(Int64.random(in: 0...1_500, using: &random))
            case 8: _ = try uploader.loop.flush()
            default: try die()
            }
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                // As where nobody has logged for a while: then all that is acknowledged is deleted at once.
                if Bool.random(using: &random) { uploader.spool.lastAppend.store(0, ordering: .relaxed) }
                _ = uploader.step()
                if isSmall, Int.random(in: 0..<10, using: &random) == 0 { try uploader.spool.dropSlice() }
            }
        }
        service.endTrouble()
        _ = try uploader.loop.flush()
        // A batch that was dropped while it waited is still noted.
        try uploader.run { try uploader.storedCount() > 0 || uploader.inDoubtCount() > 0 }
        try check()
    }

    private func append() throws {
        let isPoison = Int.random(in: 0..<30, using: &random) == 0
        let text = "\(isPoison ? "poison" : "record") \(logged.count)"
        try uploader.append(text, to: "stream \(Int.random(in: 1...3, using: &random))")
        logged.insert(text)
    }

    /// The process dies: nobody settles the answers of what is on its way. Another takes over.
    private func die() throws {
        let reader = try SpoolReader(path: uploader.spool.path)
        for delivery in try reader.deliveries() where !delivery.acknowledged {
            orphaned.formUnion(try reader.batch(delivery.range, for: SpoolFixture.destination).texts)
        }
        try uploader.restart()
    }

    private func check() throws {
        let arrivals = service.arrivals
        let status = try SpoolStatus.read(path: uploader.spool.path)
        let poison = logged.filter { $0.hasPrefix("poison") }
        // Which they are nobody wrote down, but no record is both dropped and delivered, or neither.
        var missing = status.dropped
        for text in logged {
            let count = arrivals[text, default: 0]
            let expected = text.hasPrefix("poison") ? 0 : 1
            if count == 0, expected == 1, missing > 0 {
                missing -= 1
                continue
            }
            let isDoubtful = !reconciles && (orphaned.contains(text) || service.doubtful.contains(text))
            guard count == expected || isDoubtful && count > expected else {
                throw Broken(description: "\(text) arrived \(count) times, reconciled: \(reconciles)")
            }
        }
        guard status.pending == 0, status.inDoubt == 0 else { throw Broken(description: "left behind: \(status)") }
        guard status.rejected <= poison.count, isSmall || status.rejected == poison.count else {
            throw Broken(description: "rejected: \(status.rejected)")
        }
        guard status.delivered + status.rejected + status.dropped == logged.count else {
            throw Broken(description: "\(status.delivered) counted of \(logged.count - poison.count)")
        }
    }
}

extension Spool {
    /// As a spool that is full does it.
    fileprivate func dropSlice() throws {
        try write { writer throws(SpoolError) in _ = try writer.dropOldestSlice() }
    }
}

/// Accepts, refuses, and loses answers, as the seed will have it; knows what arrived.
private final class UnreliableService: Sendable {
    private struct State {
        var hasTrouble = true
        var attempts: [Int64: UInt64] = [:]
        var arrivals: [String: Int] = [:]
        var doubtful: Set<String> = []
    }

    private let seed: UInt64
    private let state = Monitor(State())

    init(seed: UInt64) { self.seed = seed }

    var arrivals: [String: Int] { state.withLock { $0.arrivals } }
    /// What may have arrived though the answer did not say so.
    var doubtful: Set<String> { state.withLock { $0.doubtful } }

    func endTrouble() { state.withLock { $0.hasTrouble = false } }

    var scripted: ScriptedDeliveryService {
        ScriptedDeliveryService(
            search: { [self] batch in
                .found(
                    state.withLock { state in Set(batch.texts.indices.filter { state.arrivals[batch.texts[$0]] != nil })
                    }
                )
            },
            script: { [self] _, batch in state.withLock { answer(batch, &$0) } }
        )
    }

    /// Depends on the batch and on how often it came, and not on the order of threads.
    private func answer(_ batch: EventBatch, _ state: inout State) -> DeliveryOutcome {
        let first = batch.events.first?.id ?? 0
        let attempt = state.attempts[first, default: 0]
        state.attempts[first] = attempt + 1
        // Ids hold the time of day; the text does not.
        let key = batch.texts.first.flatMap { UInt64($0.split(separator: " ")[1]) } ?? 0
        var random = SeededGenerator(seed: seed &* 1_000_003 &+ key &* 997 &+ attempt)
        let luck = state.hasTrouble ? Int.random(in: 0..<100, using: &random) : 0
        switch luck {
        case 90...: return .throttled()
        case 85..<90: return .denied
        case 80..<85: return .lost
        case _ where batch.texts.contains { $0.hasPrefix("poison") }: return .invalid
        case 70..<80:
            state.doubtful.formUnion(batch.texts)
            take(batch, &state)
            return .lost
        default:
            take(batch, &state)
            return .accepted(.none)
        }
    }

    private func take(_ batch: EventBatch, _ state: inout State) {
        for text in batch.texts { state.arrivals[text, default: 0] += 1 }
    }
}
