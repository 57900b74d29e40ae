package import LogbeamCore
package import LogbeamSpool
internal import Synchronization

/// Ships what is in the spool, on a thread of its own, for as long as the process holds the upload lease.
///
/// Where another process holds it, this one stands by: it takes over within a second of the other's end, and after a lapse
/// from one that shows no sign of life. What is superseded itself stands by like the others.
///
/// When the spool gets another file, it lets what is on its way come home, moves what is pending, and goes on in the
/// new one.
///
/// Without a service it stands by for ever: it looks after the file and tells of gaps, and leaves the lease to others.
/// Thread-safe.
package final class Uploader: Sendable {
    private let spool: LiveSpool
    private let service: (any DeliveryService)?
    private let limits: BatchLimits
    private let pacing: UploadPlan.Pacing
    private let reconcileDelay: Int64?
    private let lapse: Duration
    /// How long a request may take with all that comes with it, in milliseconds.
    private let longestRequest: Int64
    private let losses: Losses
    private let tell: @Sendable (String) -> Void
    /// A random number from 0 up to 1, by which those who stand by spread.
    private let chance: @Sendable () -> Double
    let mailbox: Mailbox
    private let end = Promise<Void>()
    private let state = Mutex(Report(lastTurn: MonotonicClock.milliseconds()))
    private let news = Mutex(TroubleNews())

    /// For how long answers are awaited at the end; the requests are broken off, so they come at once. In milliseconds.
    private static let answerGraceAtStop: Int64 = 1_000
    /// What comes on top of the time that a request may take: its batch is read before.
    private static let requestMargin: Int64 = 5_000
    /// How often to look for records of other processes, in milliseconds.
    private static let pollInterval: Int64 = 1_000

    /// Encryption takes more of the processor than all that is done with the spool. So where there is not enough of it, the
    /// threads that send give way to those that log, and to the one that looks after the spool: by as much as nice(1) does
    /// where it is not told. That is a tenth of a core beside one busy thread of the application.
    static let senderNiceness: Int32 = 10

    /// - Parameters:
    ///   - requestTimeout: how long a request may take. So long its answer is waited for before it is tried again to move
    ///     what is pending in an older file.
    ///   - tell: takes a line for a person: when the system has no threads to send with, when there begins to be a trouble
    ///     with the delivery, and when all is well again.
    package init(
        spool: LiveSpool,
        mailbox: Mailbox,
        service: (any DeliveryService)?,
        limits: BatchLimits,
        pacing: UploadPlan.Pacing = UploadPlan.Pacing(),
        reconcileDelay: Int64? = nil,
        lapse: Duration = UploadLease.defaultLapse,
        requestTimeout: Duration = .seconds(30),
        losses: Losses,
        tell: @escaping @Sendable (String) -> Void = { _ in },
        chance: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
    ) {
        self.spool = spool
        self.mailbox = mailbox
        self.service = service
        self.limits = limits
        self.pacing = pacing
        self.reconcileDelay = reconcileDelay
        self.lapse = lapse
        longestRequest = requestTimeout.milliseconds + Self.requestMargin
        self.losses = losses
        self.tell = tell
        self.chance = chance
    }

    /// Starts the thread.
    func start() throws {
        try BackgroundThread.start(name: "logbeam-upload") { [self] in run() }
    }

    /// Does all that the thread does, on the calling one, until it is stopped.
    package func run() {
        var movePacing = MovePacing(patience: longestRequest)
        while !mailbox.isStopped {
            standBy(&movePacing)
        }
        // A file that was deleted with nothing in it needs no successor any more.
        if countNameless().records > 0 { spool.look(isLast: true) }
        losses.note(in: spool, isLast: true)
        spool.moveRetired(holdsLease: false, waitsForUploader: false)
        tellNameless()
        mailbox.endFlushes()
        end.fulfill(())
    }

    /// True if everything that was pending at the time of the call was sent within the timeout.
    func flush(timeout: Duration) async -> Bool {
        let isSent = Promise<Bool>()
        let number = mailbox.flush { isSent.fulfill($0) }
        let timer = Task {
            // The clock has no numbers for the longest durations of all.
            try await Task.sleep(for: min(timeout, .seconds(100 * 365 * 86_400)))
            isSent.fulfill(false)
        }
        defer {
            timer.cancel()
            mailbox.forgetFlush(number)
        }
        return await withTaskCancellationHandler {
            await isSent.value()
        } onCancel: {
            isSent.fulfill(false)
        }
    }

    /// Asks for a flush without waiting; the promise says when everything is sent that is pending now.
    @discardableResult
    package func requestFlush() -> Promise<Bool> {
        let isSent = Promise<Bool>()
        mailbox.flush { isSent.fulfill($0) }
        return isSent
    }

    /// Asks the thread to end and waits for it, without blocking the calling task's thread.
    func stop() async {
        mailbox.stop()
        service?.cancel()
        await end.value()
    }

    /// Asks the thread to end, breaks off a request that is under way, and waits for the end until the deadline, in
    /// milliseconds of the monotonic clock. What is not acknowledged stays in the spool.
    package func stop(waitingUntil deadline: Int64) {
        mailbox.stop()
        service?.cancel()
        _ = end.wait(until: deadline)
    }

    /// Waits until this process gets the lease, and uploads until it loses it, or the spool gets another file.
    private func standBy(_ movePacing: inout MovePacing) {
        spool.look(isThorough: true)
        let generation = spool.current
        guard let file = try? generation.spool else { return }
        var seeker = LeaseSeeker(spool: file, lapse: lapse)
        // Opened by the first flush: those who only wait read nothing of the spool.
        var opened: SpoolReader?
        func reader() throws(SpoolError) -> SpoolReader {
            if let opened { return opened }
            let reader = try SpoolReader(path: spool.path)
            opened = reader
            return reader
        }
        var hasTold = false
        while !mailbox.isStopped {
            let mark = mailbox.mark
            // Whoever uploads was not told of these.
            _ = mailbox.takeQuiet()
            spool.look(isThorough: true)
            guard spool.current === generation else { return mailbox.renewFlushes() }
            var spoolError: SpoolError?
            do {
                // A fork that came in between would leave the child a lock.
                if let service, let lease = try ForkGate.pass({ try seeker.seek() }) {
                    return try upload(lease, generation, to: service, &movePacing)
                }
            } catch {
                // Where the spool can not be read or written at the moment, or the system has no thread left, nothing is
                // lost by trying again.
                let known = error as? SpoolError
                if let known { _ = spool.mend(generation, after: known, isThorough: true) }
                if error is ThreadError, !hasTold {
                    tell("nothing is shipped from \(spool.path) for now: \(error)")
                    hasTold = true
                }
                spoolError = known ?? SpoolError(.other, path: spool.path, message: "\(error)")
            }
            state.withLock { $0 = Report(lastTurn: MonotonicClock.milliseconds(), after: $0, spoolError) }
            spool.moveRetired(holdsLease: false)
            ForkGate.pass {
                mailbox.updateFlushes(
                    target: {
                        do throws(SpoolError) {
                            let id = try reader().lastID() ?? 0
                            // The process that uploads looks for this as often as we look for what becomes of it.
                            try file.requestFlush(through: id)
                            return id
                        } catch {
                            return nil
                        }
                    },
                    isDone: { id in (try? reader().hasRecords(through: id)) == false }
                )
            }
            losses.note(in: spool)
            spool.takeInJournals()
            mailbox.wait(
                until: MonotonicClock.milliseconds() + seeker.pause(chance: chance()),
                since: mark,
                room: (records: .max, bytes: .max)
            )
        }
    }

    /// Uploads with a lease, from the file of the spool that it is for.
    private func upload(
        _ lease: UploadLease,
        _ generation: Generation,
        to service: any DeliveryService,
        _ movePacing: inout MovePacing
    ) throws {
        moveOld(lease, &movePacing)
        let loop = try ForkGate.pass { try makeLoop(lease, service) }
        upload(loop, generation, movePacing)
        mailbox.renewFlushes()
        moveOld(lease, &movePacing)
    }

    /// Moves what is pending in files that are in use no more, which may take long: others see that this process lives.
    /// Does nothing more once it has lost the lease, for then they may upload. Where it has failed, it is tried when it
    /// is time, and at the end.
    private func moveOld(_ lease: UploadLease, _ movePacing: inout MovePacing) {
        let file = ObjectIdentifier(spool.current)
        guard mailbox.isStopped || movePacing.isDue(at: MonotonicClock.milliseconds(), into: file) else { return }
        let isDone = spool.moveRetired(holdsLease: true) { showLife(lease) }
        // Whoever lost the lease has not tried.
        if isDone || lease.isInPlace { movePacing.note(isDone: isDone, at: MonotonicClock.milliseconds(), into: file) }
    }

    /// Shows that the thread goes on. False if the lease is lost.
    private func showLife(_ lease: UploadLease) -> Bool {
        state.withLock { $0.lastTurn = MonotonicClock.milliseconds() }
        return lease.beat()
    }

    private func makeLoop(_ lease: UploadLease, _ service: any DeliveryService) throws -> UploadLoop {
        try UploadLoop(
            lease: lease,
            service: service,
            limits: limits,
            pacing: pacing,
            reconcileDelay: reconcileDelay,
            senderNiceness: Self.senderNiceness,
            onAnswer: { [mailbox] in mailbox.wakeUp() }
        )
    }

    /// Uploads until it is stopped, is superseded, or the spool has another file, or is to get what is in an older one.
    private func upload(_ loop: UploadLoop, _ generation: Generation, _ movePacing: MovePacing) {
        let before = report.totals
        var mark = mailbox.mark
        while !mailbox.isStopped, !loop.isSuperseded {
            spool.look(isThorough: true)
            if let error = loop.spoolError { _ = spool.mend(generation, after: error, isThorough: true) }
            // What could not be moved before it began is tried again before another loop does.
            let now = MonotonicClock.milliseconds()
            let isTimeToMove =
                spool.hasRetired
                && movePacing.endsLoop(at: now, into: ObjectIdentifier(generation), inFlight: loop.inFlight)
            guard spool.current === generation, !isTimeToMove else { break }
            // What the step before this one has read is looked at by this one. A fork need not wait for it.
            mailbox.waitForQuiet(until: now + min(Self.pollInterval, loop.longestRest))
            let step = ForkGate.pass {
                loop.addQuiet(mailbox.takeQuiet())
                mailbox.updateFlushes(
                    target: { try? loop.flush() },
                    isDone: { id in (try? loop.hasRecords(through: id)) == false }
                )
                return loop.step()
            }
            let troubles = state.withLock { state in
                state.note(loop, step, before: before, at: MonotonicClock.milliseconds())
                return state.troubles
            }
            guard case .waiting(let until) = step, !loop.isSuperseded else { continue }
            // Before those who flush hear of it, after which the process may end. A loop that has neither failed nor sent
            // anything yet knows nothing of what another one told.
            if !troubles.isEmpty || loop.totals.batches > 0 { tellNews(of: troubles) }
            losses.note(in: spool)
            spool.takeInJournals()
            // Waiting would not help: a person must mend it first.
            if loop.isDenied { mailbox.endFlushes() }
            if until == nil, loop.inFlight == 0 {
                let isEmpty = ForkGate.pass { (try? loop.hasRecords()) == false }
                state.withLock { $0.isEmpty = isEmpty }
                ForkGate.pass { loop.tidy(whileIdle: { !mailbox.hasNews && !ForkGate.isAwaited }) }
            } else {
                ForkGate.pass { loop.tidyWhileLogging { !mailbox.hasNews && !ForkGate.isAwaited } }
            }
            let poll = MonotonicClock.milliseconds() + min(Self.pollInterval, max(50, limits.age), loop.longestRest)
            mailbox.wait(until: min(until ?? poll, poll), since: mark, room: loop.room)
            mark = mailbox.mark
            ForkGate.pass { loop.wake() }
        }
        land(loop, generation)
        state.withLock { state in
            state.note(loop, .advanced, before: before, at: MonotonicClock.milliseconds())
            state.holdsLease = nil
        }
    }

    private func tellNews(of troubles: [UploadLoop.Trouble]) {
        let path = spool.path
        for line in news.withLock({ $0.lines(troubles.map { $0.news(of: path) }, of: path) }) { tell(line) }
    }

    private func tellNameless() {
        let (count, error) = countNameless()
        guard count > 0 || error != nil else { return }
        let unread = error.map { ", and there may be more (\($0))" } ?? ""
        tell(
            "\(count) records are lost with this process: the file of the spool \(spool.path) that they stand in has no name "
                + "any more\(unread)"
        )
    }

    /// How many records are pending where nobody will find them, as far as that can be read.
    private func countNameless() -> (records: Int, error: SpoolError?) {
        var count = 0
        do throws(SpoolError) {
            try spool.forEachNameless { _ in count += 1 }
            return (count, nil)
        } catch {
            return (count, error)
        }
    }

    /// Lets what is on its way come home, as long as that may take where nothing has happened that allows less.
    private func land(_ loop: UploadLoop, _ generation: Generation) {
        let start = MonotonicClock.milliseconds()
        var (now, deadline) = (start, start)
        repeat {
            let isInUse = spool.current === generation && loop.lease.isInPlace
            deadline =
                start + (mailbox.isStopped ? Self.answerGraceAtStop : isInUse ? longestRequest : LiveSpool.answerGrace)
            loop.land(until: min(deadline, now + min(Self.pollInterval, loop.longestRest)))
            _ = showLife(loop.lease)
            now = MonotonicClock.milliseconds()
        } while loop.inFlight > 0 && loop.unwritten == nil && !loop.isSuperseded && now < deadline
    }

    /// What it has done, and how it stands.
    package var report: Report { state.withLock { $0 } }
}
