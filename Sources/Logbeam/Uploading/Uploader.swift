internal import LogbeamCore
internal import LogbeamSpool

/// Ships what is in the spool, on a thread of its own, for as long as the process holds the upload lease.
///
/// Where another process holds it, this one stands by: it takes over within a second of the other's end, and after a lapse
/// from one that shows no sign of life. What is superseded itself stands by like the others. Thread-safe.
final class Uploader: Sendable {
    private let spool: Spool
    private let service: any DeliveryService
    private let limits: BatchLimits
    private let pacing: UploadPlan.Pacing
    private let reconcileDelay: Int64?
    private let lapse: Duration
    private let losses: Losses
    /// A random number from 0 up to 1, by which those who stand by spread.
    private let chance: @Sendable () -> Double
    let mailbox = Mailbox()
    private let end = Promise<Void>()

    /// For how long answers are awaited at the end; the requests are broken off, so they come at once. In milliseconds.
    private static let landing: Int64 = 1_000
    /// How often to look for records of other processes, in milliseconds.
    private static let pollInterval: Int64 = 1_000

    init(
        spool: Spool,
        service: any DeliveryService,
        limits: BatchLimits,
        pacing: UploadPlan.Pacing,
        reconcileDelay: Int64?,
        lapse: Duration,
        losses: Losses,
        chance: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
    ) {
        self.spool = spool
        self.service = service
        self.limits = limits
        self.pacing = pacing
        self.reconcileDelay = reconcileDelay
        self.lapse = lapse
        self.losses = losses
        self.chance = chance
    }

    /// Starts the thread.
    func start() throws {
        try BackgroundThread.start(name: "logbeam-upload") { [self] in
            while !mailbox.isStopped {
                standBy()
            }
            losses.note(in: spool, isLast: true)
            mailbox.endFlushes()
            end.fulfill(())
        }
    }

    /// True if everything that was pending at the time of the call was sent within the timeout.
    func flush(timeout: Duration) async -> Bool {
        let isSent = requestFlush()
        let timer = Task {
            try await Task.sleep(for: timeout)
            isSent.fulfill(false)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await isSent.value()
        } onCancel: {
            isSent.fulfill(false)
        }
    }

    /// Asks for a flush without waiting; the promise says when everything is sent that is pending now.
    func requestFlush() -> Promise<Bool> {
        let isSent = Promise<Bool>()
        mailbox.flush { isSent.fulfill($0) }
        return isSent
    }

    /// Asks the thread to end and waits for it, without blocking the calling task's thread.
    func stop() async {
        mailbox.stop()
        service.cancel()
        await end.value()
    }

    /// Asks the thread to end, breaks off a request that is under way, and waits for the end until the deadline, in
    /// milliseconds of the monotonic clock. What is not acknowledged stays in the spool.
    func stop(waitingUntil deadline: Int64) {
        mailbox.stop()
        service.cancel()
        _ = end.wait(until: deadline)
    }

    /// Waits until this process gets the lease, and uploads until it loses it.
    private func standBy() {
        var seeker = LeaseSeeker(spool: spool, lapse: lapse)
        // Opened by the first flush: those who only wait read nothing of the spool.
        var opened: SpoolReader?
        func reader() throws(SpoolError) -> SpoolReader {
            if let opened { return opened }
            let reader = try SpoolReader(path: spool.path)
            opened = reader
            return reader
        }
        while !mailbox.isStopped {
            let mark = mailbox.mark
            // Where the spool can not be written at the moment, nothing is lost by trying again.
            if let lease = try? seeker.seek(), let loop = try? makeLoop(lease) { return upload(loop) }
            mailbox.updateFlushes(
                target: {
                    do throws(SpoolError) {
                        let id = try reader().lastID() ?? 0
                        // The process that uploads looks for this as often as we look for what becomes of it.
                        try spool.requestFlush(through: id)
                        return id
                    } catch {
                        return nil
                    }
                },
                isDone: { id in (try? reader().hasRecords(through: id)) == false }
            )
            losses.note(in: spool)
            mailbox.wait(
                until: MonotonicClock.milliseconds() + seeker.pause(chance: chance()),
                since: mark,
                room: (records: .max, bytes: .max)
            )
        }
    }

    private func makeLoop(_ lease: UploadLease) throws -> UploadLoop {
        try UploadLoop(
            lease: lease,
            service: service,
            limits: limits,
            pacing: pacing,
            reconcileDelay: reconcileDelay,
            onAnswer: { [mailbox] in mailbox.wakeUp() }
        )
    }

    private func upload(_ loop: UploadLoop) {
        var mark = mailbox.mark
        while !mailbox.isStopped, !loop.isSuperseded {
            // Before any step: a step may read what the one before it has caused to be logged.
            loop.hush(mailbox.takeQuiet())
            mailbox.updateFlushes(
                target: { try? loop.flush() },
                isDone: { id in (try? loop.hasRecords(through: id)) == false }
            )
            guard case .waiting(let until) = loop.step(), !loop.isSuperseded else { continue }
            losses.note(in: spool)
            // Waiting would not help: a person must mend it first.
            if loop.isDenied { mailbox.endFlushes() }
            if until == nil, loop.inFlight == 0 {
                loop.tidy(whileIdle: { !mailbox.hasNews })
            } else {
                loop.tidyWhileLogging { !mailbox.hasNews }
            }
            let poll = MonotonicClock.milliseconds() + min(Self.pollInterval, max(50, limits.age), loop.longestRest)
            mailbox.wait(until: min(until ?? poll, poll), since: mark, room: loop.room)
            mark = mailbox.mark
            loop.wake()
        }
        loop.land(until: MonotonicClock.milliseconds() + Self.landing)
        mailbox.renewFlushes()
    }
}
