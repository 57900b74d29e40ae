import Foundation
import Logbeam
import LogbeamCore
import LogbeamTestSupport

@testable import LogbeamSpool

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
    /// The lease that the loop has.
    private(set) var lease: UploadLease
    /// Lives as long as a thread of the loop may call the service.
    private weak var relay: Relay?
    private let makeLoop: (UploadLease) throws -> (UploadLoop, Relay)

    /// - Parameters:
    ///   - relayed: what the loop calls instead of the service itself.
    ///   - chance: what the jitter makes of a delay: 1 is all of it.
    init(
        service: ScriptedDeliveryService,
        through relayed: (any DeliveryService)? = nil,
        lapse: Duration = UploadLease.defaultLapse,
        commitTimeout: Duration = .seconds(5),
        limits: BatchLimits = BatchLimits(age: 0),
        pacing: UploadPlan.Pacing = UploadPlan.Pacing(inFlight: 1),
        reconcileDelay: Int64? = nil,
        chance: Double = 1
    ) throws {
        // In memory, where there is such a place: nothing here depends on a disk.
        let memory = "/dev/shm"
        let directory = try TemporaryDirectory(in: FileManager.default.fileExists(atPath: memory) ? memory : nil)
        var options = Spool.Options(commitTimeout: commitTimeout)
        // However small that place is.
        options.freeSpace = { _ in .max }
        options.quietTime = .seconds(60)
        let spool = try Spool(path: directory.file("spool.db"), options: options)
        let clock = ManualClock(wall: WallClock.milliseconds())
        makeLoop = { lease in
            let relay = Relay(service: relayed ?? service)
            let loop = try UploadLoop(
                lease: lease,
                service: relay,
                limits: limits,
                pacing: pacing,
                reconcileDelay: reconcileDelay,
                now: { clock.now },
                chance: { chance }
            )
            return (loop, relay)
        }
        guard let lease = try UploadLease.acquire(spool, lapse: lapse) else { throw WaitError(what: "the lease") }
        self.lease = lease
        (loop, relay) = try makeLoop(lease)
        (self.directory, self.spool, self.service, self.clock) = (directory, spool, service, clock)
    }

    /// Another loop takes over, as in the next process, when no call of the old one is in progress any more.
    func restart() throws {
        weak let old = relay
        // Ends the old loop's threads; nobody settles what they still bring.
        lease = try takeOver()
        loop = try makeLoop(lease).0
        let deadline = ContinuousClock.now + patience
        while old != nil {
            if ContinuousClock.now > deadline { throw WaitError(what: "an end of the calls of the old loop") }
            usleep(50)
        }
        lease = try takeOver()
        (loop, relay) = try makeLoop(lease)
    }

    /// Another process takes the lease from the loop, and does nothing by it.
    func takeOver() throws -> UploadLease {
        guard let lease = try UploadLease.takeOver(spool) else { throw WaitError(what: "the lease") }
        return lease
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
        if loop.isSuperseded { return .max }
        guard loop.inFlight > 0 else { return until.map { $0 - clock.now.monotonic } ?? .max }
        loop.waitForAnswer(until: .max)
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

    /// The records that are pending, and those that the service has and are still to be deleted.
    func storedCount() throws -> Int64 {
        try StoredRecords(path: spool.path).facts(pendingThrough: .max).pending
    }
    func pendingCount() throws -> Int { try SpoolStatus.read(path: spool.path).pending }
    func inDoubtCount() throws -> Int { try SpoolStatus.read(path: spool.path).inDoubt }
}

private final class Relay: DeliveryService {
    private let service: any DeliveryService

    init(service: any DeliveryService) { self.service = service }

    func send(_ batch: EventBatch) -> DeliveryOutcome { service.send(batch) }
    func create(_ destination: Destination) -> DeliveryOutcome { service.create(destination) }
    func lookUp(_ batch: EventBatch) -> LookUpOutcome { service.lookUp(batch) }
    func cancel() { service.cancel() }
    var warning: String? { service.warning }
    var clockOffset: Int64? { service.clockOffset }
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
