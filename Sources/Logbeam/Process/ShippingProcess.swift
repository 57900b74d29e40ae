internal import LogbeamAWS
internal import LogbeamCore
internal import LogbeamSpool
internal import Synchronization

/// What a ``LogShipper`` has in one process: a process made by `fork()` needs all of it anew. Thread-safe.
final class ShippingProcess: Sendable {
    let spool: LiveSpool
    /// Before the spool, where the configuration wants one.
    private let journal: Journal?
    let uploader: Uploader
    let losses = Losses()
    /// By the names as they were given, with placeholders.
    private let streams = Mutex<[Destination: LiveStream]>([:])
    private let moving = SharedRun<Bool>(name: "logbeam-move")
    private let closing = SharedRun<Void>(name: "logbeam-move")
    private let counting = SharedRun<Result<SpoolStatus, SpoolError>>(name: "logbeam-status")
    private let forkNumber = ForkGate.number

    /// - Parameters:
    ///   - path: that of the spool, from the root on.
    ///   - makeService: makes what delivers; `nil` leaves the uploading to others.
    init(
        _ configuration: LogShipper.Configuration,
        spool path: String,
        _ makeService: (UploadContext) throws -> (any DeliveryService)?
    ) throws {
        let mailbox = Mailbox()
        let tell: @Sendable (String) -> Void = { StandardError.write(line: "logbeam: \($0)") }
        do throws(SpoolError) {
            spool = try LiveSpool(
                path: path,
                options: Spool.Options(
                    powerLossSafe: configuration.durability == .powerLoss,
                    commitTimeout: configuration.commitTimeout,
                    limit: SpoolLimit(configuration)
                ),
                report: tell,
                onReplacement: { spool in
                    // Without an uploader somebody else must move what is pending.
                    guard mailbox.isStopped else { return mailbox.wakeUp() }
                    try? BackgroundThread.start(name: "logbeam-move") { Self.moveRetired(of: spool) }
                }
            )
        } catch {
            throw error.namingSetting
        }
        uploader = Uploader(
            spool: spool,
            mailbox: mailbox,
            service: try makeService(UploadContext(mailbox: mailbox, spool: spool.path)),
            limits: BatchLimits(configuration),
            pacing: UploadPlan.Pacing(configuration),
            // A client of one's own can not be asked.
            reconcileDelay: configuration.logsClient == nil ? configuration.reconcileAfter?.milliseconds : nil,
            lapse: configuration.leaseLapse,
            requestTimeout: configuration.requestTimeout,
            losses: losses,
            // It may tell what a client of one's own says.
            tell: { tell($0.onOneLine(limit: 2_000)) }
        )
        // A record that waits for the disk gains nothing by it.
        journal =
            configuration.usesJournal && configuration.durability != .powerLoss
            ? try Journal(spool: spool) { records, bytes in
                mailbox.appended(records: records, bytes: bytes + records * BatchLimits.eventOverhead)
            } : nil
        do {
            if let journal { try BackgroundThread.start(name: "logbeam-journal") { journal.run() } }
            try uploader.start()
        } catch {
            journal?.close()
            throw error
        }
    }

    /// Stops the threads, and waits for the uploader's until a deadline in milliseconds of the monotonic clock.
    func stop(waitingUntil deadline: Int64) {
        closeJournal()
        uploader.stop(waitingUntil: deadline)
    }

    /// Writes down what was lost, for when a record was committed: the uploader does, as long as there is one.
    func noteLosses() {
        if losses.areUnwritten, uploader.mailbox.isStopped { losses.noteInPassing(in: spool) }
    }

    /// Says to people that not everything was sent at an end at which that was tried.
    func tellOfRemainder() {
        StandardError.write(line: "logbeam: \(spool.path): ended before everything was sent; the rest stays there")
    }

    // MARK: The journal

    /// True if the journal has taken a record. False if it is to be appended to the spool itself: then what was logged
    /// before is there, if the spool takes it. Throws if the journal is full, and the spool does not take what is in
    /// it.
    func stage(
        _ stream: LiveStream,
        timestamp: Int64,
        message: UnsafeBufferPointer<UInt8>,
        isSynced: Bool
    ) throws(SpoolError) -> Bool {
        guard let journal else { return false }
        if !isSynced, try journal.append(to: stream, timestamp: timestamp, message: message) { return true }
        moveJournal(ignoresPause: isSynced)
        return false
    }

    /// Moves into the spool what was logged before. What the spool does not take now is safe where it is.
    ///
    /// - Parameter ignoresPause: also tries where it has just failed.
    /// - Returns: whether all of it is in the spool now.
    @discardableResult
    func moveJournal(ignoresPause: Bool = false) -> Bool {
        guard let journal else { return true }
        do throws(SpoolError) {
            try journal.move(ignoresPause: ignoresPause)
            return true
        } catch {
            return false
        }
    }

    /// From now on records are appended to the spool itself.
    func closeJournal() {
        journal?.close()
    }

    /// False in a child of the process that made it: nothing of it may be used there, for threads that do not exist there
    /// may hold its locks.
    var isOurs: Bool { forkNumber == ForkGate.number }

    /// The stream with a name, which is made known to the spool; always the same for the same name.
    ///
    /// - Parameter resolve: replaces the placeholders, where the stream is not known yet.
    func stream(_ name: Destination, _ resolve: () throws -> Destination) throws -> LiveStream {
        if let known = streams.withLock({ $0[name] }) { return known }
        let stream = LiveStream(try resolve())
        try spool.prepare(stream)
        return streams.withLock { streams in
            // Another thread may have been faster, and a second later is another date.
            let first = streams[name] ?? stream
            streams[name] = first
            return first
        }
    }

    private static func moveRetired(of spool: LiveSpool) {
        // Threads that append to the old file are through with it after the commit timeout.
        for _ in 0..<600 where !spool.moveRetired(holdsLease: false, waitsForUploader: false) {
            MonotonicClock.sleep(nanoseconds: 100_000_000)
        }
    }

    // MARK: For callers on Swift's cooperative pool

    // Each of these may wait for the commit timeout several times, or read for long.

    /// ``moveJournal(ignoresPause:)``.
    func moveJournalAwayFromPool() async -> Bool {
        guard journal != nil else { return true }
        return await moving.answer { self.moveJournal(ignoresPause: true) }
    }

    func closeJournalAwayFromPool() async {
        guard journal != nil else { return }
        await closing.answer { self.closeJournal() }
    }

    func statusAwayFromPool() async throws(SpoolError) -> SpoolStatus {
        try await counting.answer { [path = spool.path] in
            do throws(SpoolError) {
                return .success(try SpoolStatus.read(path: path))
            } catch {
                return .failure(error)
            }
        }.get()
    }
}

/// The ``ShippingProcess`` of whatever process asks. Thread-safe.
final class ShippingProcesses: Sendable {
    private let latest: Atomic<Unmanaged<ShippingProcess>>
    /// One more than ``ForkGate/number`` of the process in which a thread makes a new one; a value from before a fork is
    /// that of a thread which does not exist here.
    private let maker = Atomic<Int>(0)
    private let make: @Sendable () throws -> ShippingProcess

    /// Makes the first one at once.
    init(_ make: @escaping @Sendable () throws -> ShippingProcess) throws {
        self.make = make
        latest = Atomic(Unmanaged.passRetained(try make()))
    }

    deinit {
        // What was inherited stays as it is for ever.
        if let ours { Unmanaged.passUnretained(ours).release() }
    }

    /// That of this process; `nil` if it was made by `fork()` and has not asked for one yet.
    var ours: ShippingProcess? {
        let found = latest.load(ordering: .acquiring).takeUnretainedValue()
        return found.isOurs ? found : nil
    }

    /// That of this process, which is made if need be.
    func current() throws -> ShippingProcess {
        if let ours { return ours }
        let mark = ForkGate.number + 1
        var found = maker.load(ordering: .relaxed)
        while true {
            if found != mark {
                let (exchanged, original) = maker.compareExchange(
                    expected: found,
                    desired: mark,
                    ordering: .acquiringAndReleasing
                )
                if exchanged { break }
                found = original
                continue
            }
            MonotonicClock.sleep(nanoseconds: 100_000)
            if let ours { return ours }
            found = maker.load(ordering: .relaxed)
        }
        defer { maker.store(0, ordering: .releasing) }
        if let ours { return ours }
        let new = try make()
        latest.store(Unmanaged.passRetained(new), ordering: .releasing)
        return new
    }
}

extension SpoolError {
    /// With what chooses another path, where a service that chose none may have got one that can not be written.
    fileprivate var namingSetting: SpoolError {
        guard kind == .unwritable else { return self }
        var error = self
        error.message += " (another path is chosen by the setting 'spool' or by LOGBEAM_SPOOL)"
        return error
    }
}
