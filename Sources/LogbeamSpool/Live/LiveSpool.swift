internal import LogbeamCore
internal import Synchronization

/// The spool of a process that goes on logging whatever becomes of its file. Thread-safe.
///
/// A ``Spool`` is one file. This is the one that is in use now: where that is deleted, replaced, cut off or damaged, or its
/// directory is out of reach, a new file takes its place (``replace(_:because:)``), and threads that log do not notice.
///
/// ## Noticing
///
/// Where SQLite fails, the file is looked at before the error is passed on. A file that was deleted, or another process's
/// new one in its place, makes nothing fail: so about once a second one thread that logs, or the uploader's, compares what
/// the path leads to with what is open. That is three calls of stat(2); inotify would tell sooner, but not of a mount or a
/// `chroot`, and must itself be read by somebody.
///
/// ## What log() pays
///
/// A read of the clock, two loads, and an addition and a subtraction on the count of those who are in the file, which must
/// all have left before what is pending in it is moved. A file that was let go leaves this count behind for ever, so that
/// a thread which comes late finds it, and not something else in its place.
///
/// ## In a child process
///
/// It is of no use in a process made by `fork()`: that opens one of its own, see ``ForkGate``.
package final class LiveSpool: Sendable {
    /// Where the file lies: absolute and without symbolic links.
    package let path: String
    let options: Spool.Options
    let report: @Sendable (String) -> Void
    private let onReplacement: @Sendable (LiveSpool) -> Void
    private let latest: Atomic<Unmanaged<Generation>>
    /// When to look again whether the file is where it was, in nanoseconds of ``MonotonicClock``.
    private let nextLook: Atomic<UInt64>
    /// When to look again for journals of dead processes, in nanoseconds of ``MonotonicClock``.
    private let nextJournals = Atomic<UInt64>(0)
    private let mendingLock = TimedLock()
    // With the mending lock held.
    let repairs = Repairs()
    let anyRetired = Atomic<Bool>(false)
    let isMovingRetired = Atomic<Bool>(false)

    /// In nanoseconds.
    private let lookInterval: UInt64

    /// Opens a spool, or makes one. What lies in its place and is a damaged spool is set aside.
    ///
    /// - Parameters:
    ///   - lookInterval: how often to look whether the file is where it was.
    ///   - report: called with a line for people when the file was replaced, or could not be.
    ///   - onReplacement: called after the file was replaced, on whatever thread:
    ///     ``moveRetired(holdsLease:waitsForUploader:while:)`` has work.
    package init(
        path: String,
        options: Spool.Options = Spool.Options(),
        lookInterval: Duration = .seconds(1),
        report: @escaping @Sendable (String) -> Void,
        onReplacement: @escaping @Sendable (LiveSpool) -> Void = { _ in }
    ) throws(SpoolError) {
        // `log()` may be the one who opens the next file.
        self.options = options.opening(within: options.commitTimeout)
        self.report = report
        self.onReplacement = onReplacement
        self.lookInterval = lookInterval.nanoseconds
        let path = SpoolSafety.resolved(path)
        let first = try ForkGate.pass { () throws(SpoolError) in
            if let told = Quarantine.copyDamagedWAL(of: path) { report(told) }
            return try Self.open(path, options, replacesForeign: false, report)
        }
        self.path = try first.spool.path
        repairs.generations = [first]
        latest = Atomic(Unmanaged.passUnretained(first))
        nextLook = Atomic(MonotonicClock.nanoseconds() + lookInterval.nanoseconds)
    }

    /// The file in use.
    package var current: Generation {
        latest.load(ordering: .acquiring).takeUnretainedValue()
    }

    // MARK: Appending

    /// Commits one record, as ``Spool/append(stream:timestamp:message:mayBlock:)`` does.
    ///
    /// - Parameter isSynced: waits until the disk has it too.
    /// - Returns: its id, and why the disk may lack it, where that was waited for.
    @discardableResult
    package func append(
        to stream: LiveStream,
        timestamp: Int64,
        message: UnsafeBufferPointer<UInt8>,
        mayBlock: Bool = true,
        isSynced: Bool = false
    ) throws(SpoolError) -> (id: Int64, syncFailure: SpoolError?) {
        let appended: (id: Int64, syncFailure: SpoolError?) = try use { generation throws(SpoolError) in
            let id = try generation.spool.append(
                stream: stream.id(in: generation),
                timestamp: timestamp,
                message: message,
                mayBlock: mayBlock
            )
            return (id, isSynced ? syncFailure(in: generation) : nil)
        }
        if let failure = appended.syncFailure { _ = mend(current, after: failure) }
        return appended
    }

    /// Commits records of several streams at once, and how far they were taken: all of that or nothing.
    ///
    /// - Returns: why the disk may lack them, where `isSynced` has that waited for.
    @discardableResult
    package func append(
        _ records: [LiveRecord],
        progress: AppendProgress? = nil,
        mayBlock: Bool = true,
        isSynced: Bool = false
    ) throws(SpoolError) -> SpoolError? {
        let failure: SpoolError? = try use { generation throws(SpoolError) in
            var known: [NewRecord] = []
            known.reserveCapacity(records.count)
            for record in records {
                let stream = try record.stream.id(in: generation)
                known.append(NewRecord(stream: stream, timestamp: record.timestamp, message: record.message))
            }
            try generation.spool.append(known, progress: progress, mayBlock: mayBlock)
            return isSynced ? syncFailure(in: generation) : nil
        }
        if let failure { _ = mend(current, after: failure) }
        return failure
    }

    /// Has the disk keep what was committed to a file, which the caller is in: so it is the same one.
    private func syncFailure(in generation: Generation) -> SpoolError? {
        do throws(SpoolError) {
            try generation.spool.sync()
            return nil
        } catch {
            return error
        }
    }

    /// From now on a call waits for no room, and for another process that locks the file in use no longer than so: who has
    /// been told to end has many records left, and little time.
    package func hasten(waitingFor timeout: Duration) {
        try? current.spool.hasten(waitingFor: timeout)
    }

    /// Commits how far records were taken, where there are none to go with it.
    func note(_ progress: AppendProgress) throws(SpoolError) {
        try use { generation throws(SpoolError) in try generation.spool.note(progress) }
    }

    /// Moves into the file that is in use what stands in the journals of dead processes, if it is time to look for
    /// such. What it does not take now stays for the next time.
    package func takeInJournals() {
        let now = MonotonicClock.nanoseconds()
        let due = nextJournals.load(ordering: .relaxed)
        guard now >= due,
            nextJournals.compareExchange(expected: due, desired: now + lookInterval, ordering: .relaxed).exchanged
        else { return }
        try? use { generation throws(SpoolError) in
            if let failure = try generation.spool.takeInJournals().failure { throw failure }
        }
    }

    /// Makes a stream known to the file that is in use.
    package func prepare(_ stream: LiveStream) throws(SpoolError) {
        try use { generation throws(SpoolError) in _ = try stream.id(in: generation) }
    }

    /// Notes that records of a stream never reached the spool. The id of the stream in `gap` is not looked at.
    package func noteGap(_ gap: Gap, of stream: LiveStream) throws(SpoolError) {
        try use { generation throws(SpoolError) in
            var gap = gap
            gap.stream = try stream.id(in: generation)
            try generation.spool.noteGap(gap)
        }
    }

    /// Notes gaps of several streams: all of them or none. The ids of the streams in them are not looked at.
    func noteGaps(_ gaps: [(destination: Destination, gap: Gap)]) throws(SpoolError) {
        try use { generation throws(SpoolError) in try generation.spool.noteGaps(gaps) }
    }

    /// Tells streams of what is missing in them, where they have not been told yet.
    ///
    /// - Parameter choose: picks from all gaps those that are to be told now. The ids of streams are those of the file.
    package func tellGaps(_ choose: ([Gap]) -> [Gap]) throws(SpoolError) {
        try use { generation throws(SpoolError) in
            let gaps = try generation.spool.untoldGaps()
            guard !gaps.isEmpty else { return }
            for gap in choose(gaps) { _ = try generation.spool.tellGap(gap) }
        }
    }

    /// Whether a record for which there is no room waits for it.
    package var waitsForRoom: Bool {
        if case .block = options.limit?.whenFull { true } else { false }
    }

    /// Runs `body` in the file that is in use; where it fails and the file was mended, once more in its successor.
    private func use<Result>(_ body: (Generation) throws(SpoolError) -> Result) throws(SpoolError) -> Result {
        look()
        let generation = enter()
        do throws(SpoolError) {
            defer { leave(generation) }
            return try body(generation)
        } catch {
            guard mend(generation, after: error) else { throw error }
        }
        let next = enter()
        defer { leave(next) }
        return try body(next)
    }

    private func enter() -> Generation {
        while true {
            let generation = current
            generation.users.add(1, ordering: .sequentiallyConsistent)
            // Once it is not current any more, whoever waits for its users to go need not see this one.
            if latest.load(ordering: .sequentiallyConsistent).toOpaque()
                == Unmanaged.passUnretained(generation).toOpaque()
            {
                return generation
            }
            leave(generation)
        }
    }

    private func leave(_ generation: Generation) {
        generation.users.subtract(1, ordering: .releasing)
    }

    // MARK: Noticing

    /// Looks whether the file is where it was, if it is time to, and mends what is amiss.
    ///
    /// - Parameters:
    ///   - isThorough: may take time that grows with the file.
    ///   - isLast: looks now, for nothing is logged any more.
    package func look(isThorough: Bool = false, isLast: Bool = false) {
        let now = MonotonicClock.nanoseconds()
        let due = nextLook.load(ordering: .relaxed)
        guard isLast || now >= due,
            nextLook.compareExchange(expected: due, desired: now + lookInterval, ordering: .relaxed).exchanged || isLast
        else { return }
        let generation = current
        guard let trouble = FileTrouble.look(at: path, generation, isThorough: isThorough) else {
            let generation = enter()
            defer { leave(generation) }
            try? generation.spool.finishRestart()
            return
        }
        _ = mend(generation) { replace(generation, because: trouble) }
    }

    /// To be called when an operation has failed. True if it is worth trying again: another file is in use now.
    ///
    /// - Parameter isThorough: may take time that grows with the file.
    package func mend(_ generation: Generation, after error: SpoolError, isThorough: Bool = false) -> Bool {
        switch error.kind {
        // These say nothing about the file; but it may have been replaced since.
        case .busy, .full, .quotaExceeded, .atLimit, .walHeld, .superseded: return current !== generation
        default: break
        }
        return mend(generation) { replace(generation, after: error, isThorough: isThorough) }
    }

    /// Runs `body` with the mending lock held, unless another thread has replaced the file already. Returns whether it is
    /// replaced.
    func mend(_ generation: Generation, _ body: () -> Bool) -> Bool {
        let isReplacedHere: Bool? = ForkGate.pass {
            guard mendingLock.lock(until: deadline) else { return false }
            defer { mendingLock.unlock() }
            return current === generation ? body() : nil
        }
        if isReplacedHere == true { onReplacement(self) }
        return isReplacedHere ?? true
    }

    /// Until when whatever is begun now may wait.
    var deadline: UInt64 { MonotonicClock.nanoseconds() &+ options.commitTimeout.nanoseconds }

    /// With the mending lock held: puts a file in the place of another.
    func install(_ generation: Generation) {
        let previous = current
        repairs.generations.append(generation)
        latest.store(Unmanaged.passUnretained(generation), ordering: .sequentiallyConsistent)
        // Only now: whoever has waited there must find that there is another file.
        _ = try? previous.spool.endWaitsForRoom()
    }

    /// Runs `body` with the mending lock held; `nil` if it was not to be had.
    func withRepairs<Result>(_ body: (Repairs) -> Result) -> Result? {
        guard mendingLock.lock(until: deadline) else { return nil }
        defer { mendingLock.unlock() }
        return body(repairs)
    }
}
