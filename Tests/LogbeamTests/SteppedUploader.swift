import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport

/// An upload loop on a real spool, in the hands of a test: it steps when the test says so, by a clock that the test moves.
///
/// Answers come on other threads, but the loop waits for them wherever it has nothing else to do, so that every run is the
/// same.
final class SteppedUploader {
    let directory: TemporaryDirectory
    let spool: Spool
    let service: ScriptedDeliveryService
    let clock: ManualClock
    private(set) var loop: UploadLoop
    private let limits: BatchLimits
    private let pacing: UploadPlan.Pacing
    private let reconcileDelay: Int64?
    private let chance: Double

    /// - Parameter chance: what the jitter makes of a delay: 1 is all of it.
    init(
        service: ScriptedDeliveryService,
        limits: BatchLimits = BatchLimits(age: 0),
        pacing: UploadPlan.Pacing = UploadPlan.Pacing(),
        reconcileDelay: Int64? = nil,
        chance: Double = 1
    ) throws {
        directory = try TemporaryDirectory()
        spool = try Spool(path: directory.file("spool.db"))
        clock = ManualClock(wall: WallClock.milliseconds())
        self.service = service
        self.limits = limits
        self.pacing = pacing
        self.reconcileDelay = reconcileDelay
        self.chance = chance
        loop = try Self.loop(spool, service, limits, pacing, reconcileDelay, clock, chance)
    }

    private static func loop(
        _ spool: Spool,
        _ service: ScriptedDeliveryService,
        _ limits: BatchLimits,
        _ pacing: UploadPlan.Pacing,
        _ reconcileDelay: Int64?,
        _ clock: ManualClock,
        _ chance: Double
    ) throws -> UploadLoop {
        try UploadLoop(
            spool: spool,
            service: service,
            limits: limits,
            pacing: pacing,
            reconcileDelay: reconcileDelay,
            now: { clock.now },
            chance: { chance }
        )
    }

    /// Another loop takes over, as in the next process.
    func restart() throws {
        loop = try Self.loop(spool, service, limits, pacing, reconcileDelay, clock, chance)
    }

    /// Commits a record of this moment.
    @discardableResult
    func append(_ text: String, to stream: String = "stream") throws -> Int64 {
        let id = try spool.streamID(for: Destination(logGroup: "group", logStream: stream))
        let message = Array(text.utf8)
        let record = try message.withUnsafeBufferPointer {
            try spool.append(stream: id, timestamp: clock.now.wall, message: $0)
        }
        loop.wake()
        return record
    }

    /// Takes one step; waits for an answer where there is nothing else to do. Returns how long it is to wait then, in
    /// milliseconds; `nil` if there is more to do, `.max` if nothing happens by itself.
    func step() -> Int64? {
        guard case .waiting(let until) = loop.step() else { return nil }
        guard loop.inFlight > 0 else { return until.map { $0 - clock.now.monotonic } ?? .max }
        loop.waitForAnswer(until: MonotonicClock.milliseconds() + 60_000)
        return nil
    }

    /// Steps until there is nothing to do; returns for how many milliseconds, `.max` for ever.
    @discardableResult
    func settle() -> Int64 {
        while true {
            if let wait = step() { return wait }
        }
    }

    /// Steps, letting time go by from wait to wait, as long as a condition holds.
    func run(while condition: () throws -> Bool) rethrows {
        while try condition() {
            guard let wait = step() else { continue }
            if wait == .max { return }
            clock.advance(wait)
        }
    }

    func pendingCount() throws -> Int { try SpoolStatus.read(path: spool.path).pending }
    func inDoubtCount() throws -> Int { try SpoolStatus.read(path: spool.path).inDoubt }
}

extension DeliveryOutcome {
    /// A refusal that says that nothing was taken.
    static func throttled(retryAfter: Duration? = nil) -> DeliveryOutcome {
        .transient(
            DeliveryFailure(
                code: "ThrottlingException",
                message: "",
                retryAfter: retryAfter,
                mayHaveArrived: false
            )
        )
    }

    /// The request went out, and nobody knows what became of it.
    static let lost = DeliveryOutcome.transient(DeliveryFailure(code: "Timeout", message: ""))
    static let denied = DeliveryOutcome.denied(
        DeliveryFailure(code: "AccessDeniedException", message: "", mayHaveArrived: false)
    )
    static let invalid = DeliveryOutcome.invalid(
        DeliveryFailure(code: "InvalidParameterException", message: "", mayHaveArrived: false)
    )
}
