import Logbeam
import LogbeamAWS
import LogbeamCloudWatch
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

/// The whole way from a spool to an endpoint, over real sockets, by one clock that moves only where the loop waits or the
/// test says so. Two streams: one for which things go wrong, and a healthy one.
///
/// Not Sendable, and it blocks: belongs to a thread of its own.
final class Delivery {
    static let troubled = Destination(logGroup: "group", logStream: "stream")
    static let healthy = Destination(logGroup: "other-group", logStream: "healthy")

    let endpoint: LocalEndpoint
    let directory: TemporaryDirectory
    let clock: ManualClock
    private let spool: Spool
    private let loop: UploadLoop
    private let time: Monitor<Int64>
    private let faults = Monitor<[Fault]>([])
    /// What was logged to each stream.
    private var logged: [Destination: [String]] = [:]
    /// How the troubled stream failed, one time after the other.
    private(set) var failures: [Failure] = []
    private var failureCount = 0

    /// What a spool and its loop say of a stream that does not get through.
    struct Failure: Equatable, Sendable {
        /// What `last_error` begins with.
        var code: String
        /// A person must mend it.
        var isDenied = false
        /// The batch may have arrived.
        var isInDoubt = false
    }

    /// What became of the records of the troubled stream.
    struct Consequence: Equatable, Sendable {
        var puts: Int
        var failures: [Failure] = []
        /// How many events came that had come before.
        var duplicates = 0
        /// Reason and message of each, in the order of the records.
        var rejected: [String] = []
    }

    /// - Parameters:
    ///   - skew: How far the clock of the endpoint is ahead, in milliseconds.
    ///   - environment: Where the service looks for credentials; the known key by default.
    ///   - url: Where the service sends to; the endpoint by default.
    ///   - reconcileDelay: How long after a batch in doubt was sent it is looked for, in milliseconds; not at all by
    ///     default.
    ///   - patience: How long the service waits for an answer that a fault withholds.
    init(
        accessKeys: [AccessKey] = [.any],
        autoCreate: Bool = true,
        skew: Int64 = 0,
        environment: [String: String] = AccessKey.any.environment,
        url: String? = nil,
        reconcileDelay: Int64? = nil,
        patience: Duration? = nil
    ) throws {
        directory = try TemporaryDirectory()
        let time = Monitor(WallClock.milliseconds())
        let clock = ManualClock(wall: time.withLock { $0 })
        (self.time, self.clock) = (time, clock)
        endpoint = try LocalEndpoint(
            accessKeys: accessKeys,
            autoCreate: autoCreate,
            clock: { time.withLock { $0 } + skew }
        )
        var configuration = CloudWatchLogsService.Configuration(
            environment: ProcessEnvironment(
                environment.merging([
                    "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": url ?? endpoint.url,
                    "AWS_EC2_METADATA_DISABLED": "true",
                ]) { $1 }
            )
        )
        var service: any DeliveryService = CloudWatchLogsService(configuration) { time.withLock { $0 } / 1000 }
        if let patience {
            configuration.requestTimeout = patience
            let impatient = CloudWatchLogsService(configuration) { time.withLock { $0 } / 1000 }
            service = ServiceWithPatience(patient: service, impatient: impatient, faults: faults)
        }
        spool = try Spool(path: directory.file("spool.db"))
        guard let lease = try UploadLease.acquire(spool) else { throw WaitError(what: "the lease") }
        loop = try UploadLoop(
            lease: lease,
            service: service,
            limits: BatchLimits(age: 0),
            reconcileDelay: reconcileDelay,
            now: { clock.now },
            chance: { 1 }
        )
        endpoint.setScript { [faults] info in
            guard info.operation == .putLogEvents, info.destination == Self.troubled else { return nil }
            return faults.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }

    /// Lets the next batches of the troubled stream meet a fault each.
    func fail(_ faults: [Fault]) {
        self.faults.withLock { $0 += faults }
    }

    /// Commits records of this moment, or of one that lies so many milliseconds before or behind it.
    func log(_ messages: [String], to destination: Destination = troubled, at offset: Int64 = 0) throws {
        let stream = try spool.streamID(for: destination)
        for var message in messages {
            _ = try message.withUTF8 {
                try spool.append(stream: stream, timestamp: clock.now.wall + offset, message: $0)
            }
        }
        logged[destination, default: []] += messages
        loop.wake()
    }

    func advance(_ milliseconds: Int64) {
        clock.advance(milliseconds)
        time.withLock { $0 += milliseconds }
    }

    /// Steps until there is nothing to do. Returns for how many milliseconds, `nil` for ever.
    @discardableResult
    func settle() throws -> Int64? {
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            let progress = loop.step()
            try noteFailure()
            guard case .waiting(let until) = progress else { continue }
            guard loop.inFlight > 0 else { return until.map { $0 - clock.now.monotonic } }
            loop.waitForAnswer(until: MonotonicClock.milliseconds() + 1_000)
        }
        throw WaitError(what: "a rest of the loop")
    }

    /// Lets time go by from wait to wait until the spool is empty, the troubled stream has failed so often, or nothing
    /// happens by itself any more.
    func deliver(untilFailures limit: Int = 100) throws {
        for _ in 0..<1_000 {
            guard let wait = try settle(), failures.count < limit else { return }
            advance(wait)
        }
        throw WaitError(what: "an end of the waits of the loop")
    }

    private func noteFailure() throws {
        let trouble = loop.troubles.values.first { $0.destination == Self.troubled }
        defer { failureCount = trouble?.count ?? 0 }
        guard let trouble, trouble.count != failureCount else { return }
        let stream = try #require(try status.streams.first { $0.destination == Self.troubled })
        let code = try #require(stream.lastError?.prefix { $0 != ":" })
        failures.append(Failure(code: String(code), isDenied: trouble.isDenied, isInDoubt: stream.inDoubt > 0))
    }

    var status: SpoolStatus {
        get throws { try SpoolStatus.read(path: spool.path) }
    }

    /// The calls for the troubled stream and its group, in order.
    var calls: [LogsOperation] {
        endpoint.records.requests.compactMap { $0.destination == Self.healthy ? nil : $0.operation }
    }

    var consequence: Consequence {
        get throws {
            let arrived = endpoint.messages(in: Self.troubled)
            return Consequence(
                puts: calls.count { $0 == .putLogEvents },
                failures: failures,
                duplicates: arrived.count - Set(arrived).count,
                rejected: try status.rejected == 0
                    ? [] : SQLiteShell.query("SELECT reason, message FROM rejected ORDER BY id", in: spool.path)
            )
        }
    }

    /// Expects what holds whatever went wrong: every record has arrived or is in `rejected`, and none in both;
    /// those of the healthy stream have arrived once, and without the clock having moved; the spool is empty, and nothing is
    /// left of the trouble in it.
    func expectEverythingSettled(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let rejected = Set(try consequence.rejected.map { String($0.drop { $0 != "|" }.dropFirst()) })
        let arrived = Set(endpoint.messages(in: Self.troubled))
        #expect(arrived.isDisjoint(with: rejected), sourceLocation: sourceLocation)
        #expect(arrived.union(rejected) == Set(logged[Self.troubled, default: []]), sourceLocation: sourceLocation)
        let healthy = endpoint.records.events(in: Self.healthy)
        #expect(healthy.map(\.message) == logged[Self.healthy, default: []], sourceLocation: sourceLocation)
        #expect(healthy.allSatisfy { $0.ingestionTime == $0.timestamp }, sourceLocation: sourceLocation)
        let status = try status
        #expect(status.pending == 0, sourceLocation: sourceLocation)
        #expect(status.inDoubt == 0, sourceLocation: sourceLocation)
        #expect(status.rejected == rejected.count, sourceLocation: sourceLocation)
        let count = logged.values.reduce(0) { $0 + $1.count }
        #expect(status.delivered == count - rejected.count, sourceLocation: sourceLocation)
        #expect(status.streams.allSatisfy { $0.lastError == nil }, sourceLocation: sourceLocation)
    }
}

/// Waits only for a moment for answers that a fault withholds, so that the tests need not wait for long, and for others
/// as long as they take, so that no test depends on the speed of the machine.
private final class ServiceWithPatience: DeliveryService {
    private let patient: any DeliveryService
    private let impatient: any DeliveryService
    private let faults: Monitor<[Fault]>

    init(patient: any DeliveryService, impatient: any DeliveryService, faults: Monitor<[Fault]>) {
        (self.patient, self.impatient, self.faults) = (patient, impatient, faults)
    }

    func send(_ batch: EventBatch) -> DeliveryOutcome {
        let count = faults.withLock { $0.count }
        guard batch.destination == Delivery.troubled, count > 0 else { return patient.send(batch) }
        var outcome = impatient.send(batch)
        // The machine was so busy that nothing had gone out.
        while outcome.failure?.mayHaveArrived == false { outcome = impatient.send(batch) }
        // The request has gone out; the endpoint may be slow to see it.
        _ = faults.wait(within: patience) { $0.count < count ? true : nil }
        return outcome
    }

    func create(_ destination: Destination) -> DeliveryOutcome { patient.create(destination) }
    func lookUp(_ batch: EventBatch) -> LookUpOutcome { patient.lookUp(batch) }
    func cancel() {
        patient.cancel()
        impatient.cancel()
    }
}
