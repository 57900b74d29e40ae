internal import Synchronization

/// A stage before the spool: a record that is appended here stands in a file, by one write(2), and is moved into the spool
/// with others within milliseconds. Thread-safe.
///
/// What ``append(to:timestamp:message:)`` has taken survives SIGKILL of the process at any instruction: what was
/// written to a file is the kernel's, and whoever opens the spool next moves it (``Spool/takeInJournals()``). Each
/// record is moved once: how far the journal was moved is written in the transaction that moves it. A power loss may
/// take what was appended in the last seconds, as with a spool that is not synced.
///
/// ## Two regions
///
/// The file has two regions, and each is in memory too (``JournalFormat``). One is being filled. When the records are to be
/// moved, the other becomes the one that is filled, and those of the first are committed, at leisure and without its lock
/// being held. So the file never grows, no byte of it is ever read while the process lives, and who appends waits for nobody
/// unless both are full. Then it moves them itself, or waits until another thread has.
///
/// ## When they are moved
///
/// By a thread of its own (``run()``), every five milliseconds while there is something to move. Where nothing came for a
/// while it sleeps until the next record wakes it.
///
/// ## Waiting
///
/// Who appends waits for the others who do, each for the time of a write; and where both regions are full, until the records
/// of one are moved. The first wait is no longer than the commit timeout of the spool; the second is that for a few commits.
///
/// ## In a child process
///
/// It is of no use in a process made by `fork()`: that opens one of its own, see ``ForkGate``.
// @unchecked: what is not atomic is touched with one of the two locks held, as said at each.
package final class Journal: @unchecked Sendable {
    private let spool: LiveSpool
    private let onMove: @Sendable (_ records: Int, _ bytes: Int) -> Void

    private let lock = TimedLock()
    // With the lock held.
    private var file: JournalFile
    private var filling = Region(0)
    private var number: UInt64 = 0
    private var isClosed = false
    private var moverSleeps = false

    private let moving = TimedLock()
    // With `moving` held.
    private var other = Region(1)
    private var lastLook = MonotonicClock.nanoseconds()
    /// Why nothing was moved the last time, and until when that holds, in nanoseconds of ``MonotonicClock``.
    private var failure: (error: SpoolError, until: UInt64)?

    private struct News {
        var isStopped = false
        var hasRecords = false
    }

    private let news = Condition(News())

    /// How long records lie here, in milliseconds: a group is worth its commit, and who looks into the spool sees no delay.
    private static let interval: Int64 = 5
    /// For so many intervals without a record the thread looks again before it sleeps, and somebody must wake it.
    private static let quietIntervals = 8
    /// After a failure nothing is tried again for so long, in nanoseconds.
    private static let pause: UInt64 = 100_000_000

    /// - Parameter onMove: told how many records, and bytes of messages, are in the spool from now on.
    package init(
        spool: LiveSpool,
        onMove: @escaping @Sendable (_ records: Int, _ bytes: Int) -> Void = { _, _ in }
    ) throws(SpoolError) {
        self.spool = spool
        self.onMove = onMove
        file = try JournalFile.make(besideSpool: spool.path)
    }

    deinit {
        filling.deallocate()
        other.deallocate()
    }

    // MARK: Appending

    /// Takes a record. False if it must be appended to the spool itself, for which ``move(ignoresPause:)`` comes first: it
    /// is too long, or the disk does not take it, or it is to wait for room in the spool, or the journal is closed.
    ///
    /// Where both regions are full, it waits until the records of one are moved. If they can not be, it throws, and the
    /// record is nowhere.
    ///
    /// - Parameters:
    ///   - timestamp: milliseconds since 1970-01-01T00:00:00Z.
    ///   - message: UTF-8.
    package func append(
        to stream: LiveStream,
        timestamp: Int64,
        message: UnsafeBufferPointer<UInt8>
    ) throws(SpoolError) -> Bool {
        let names = stream.names
        guard message.count <= JournalFormat.longestMessage, names.count <= JournalFormat.longestNames else {
            return false
        }
        let size = JournalFormat.frameSize(names: names.count, message: message.count)
        try acquire()
        if filling.left < size, !isClosed {
            lock.unlock()
            let moved = Result { () throws(SpoolError) in try move() }
            try acquire()
            if case .failure(let error) = moved, filling.left < size, !(error.kind == .atLimit && spool.waitsForRoom) {
                lock.unlock()
                throw error
            }
        }
        // Others may have filled it again meanwhile: then this one goes to the spool itself, after what is here.
        guard !isClosed, filling.left >= size else {
            lock.unlock()
            return false
        }
        let frame = filling.next(size)
        names.withUnsafeBytes { names in
            JournalFormat.write(
                number + 1,
                timestamp: timestamp,
                names: names,
                groupLength: stream.groupLength,
                message: message,
                salt: file.salt,
                into: frame
            )
        }
        let isWritten = file.write(UnsafeRawBufferPointer(frame), at: filling.nextOffset)
        if isWritten {
            number += 1
            filling.add(stream, size: size)
        }
        let mustWake = isWritten && moverSleeps
        moverSleeps = moverSleeps && !mustWake
        lock.unlock()
        if mustWake { news.change { $0.hasRecords = true } }
        return isWritten
    }

    private func acquire() throws(SpoolError) {
        guard lock.tryLock() || lock.lock(until: spool.deadline) else { throw busy }
    }

    private var busy: SpoolError {
        SpoolError(.busy, path: spool.path, message: "the journal was not to be had within the commit timeout")
    }

    // MARK: Moving

    /// Moves into the spool what was appended before the call.
    ///
    /// - Parameter ignoresPause: also tries where it has just failed.
    /// - Returns: how many records were moved.
    @discardableResult
    package func move(ignoresPause: Bool = false) throws(SpoolError) -> Int {
        guard moving.lock(until: spool.deadline) else { throw busy }
        defer { moving.unlock() }
        if let failure, !ignoresPause, MonotonicClock.nanoseconds() < failure.until { throw failure.error }
        do throws(SpoolError) {
            // What could not be moved before, then what has come since.
            let count = try moveOther()
            lock.lock()
            swap(&filling, &other)
            let last = number
            lock.unlock()
            other.last = last
            let records = try count + moveOther()
            failure = nil
            return records
        } catch {
            failure = (error, MonotonicClock.nanoseconds() &+ Self.pause)
            throw error
        }
    }

    private func moveOther() throws(SpoolError) -> Int {
        let count = other.streams.count
        guard count > 0 else { return 0 }
        let records = other.records
        let progress = AppendProgress.moved(fromJournal: file.name, through: Int64(clamping: other.last))
        // While somebody waited here, nobody could be told that there is no room.
        try spool.append(records, progress: progress, mayBlock: false)
        file.note(moved: other.last)
        let bytes = records.reduce(0) { $0 + $1.message.count }
        other.clear()
        onMove(count, bytes)
        return count
    }

    // MARK: The thread

    /// Moves records for as long as the journal is not stopped.
    package func run() {
        var quiet = 0
        while !news.read({ $0.isStopped }) {
            switch Result(catching: { () throws(SpoolError) in try move() }) {
            case .success(0): quiet += 1
            case .success: quiet = 0
            case .failure: quiet = 0
            }
            renewFileIfGone()
            if quiet >= Self.quietIntervals, fallAsleep() {
                _ = news.wait(until: nil) { news in
                    defer { news.hasRecords = false }
                    return news.hasRecords || news.isStopped ? true : nil
                }
                quiet = 0
            }
            _ = news.wait(until: MonotonicClock.milliseconds() + Self.interval) { $0.isStopped ? true : nil }
        }
    }

    /// False if there is something to move: what has come since the last look, or what another thread could not move.
    func fallAsleep() -> Bool {
        moving.lock()
        defer { moving.unlock() }
        lock.lock()
        defer { lock.unlock() }
        moverSleeps = filling.streams.isEmpty && other.streams.isEmpty
        return moverSleeps
    }

    /// Where its file lies.
    var path: String {
        lock.lock()
        defer { lock.unlock() }
        return file.path
    }

    /// Whether its thread waits for the next record.
    var isAsleep: Bool {
        lock.lock()
        defer { lock.unlock() }
        return moverSleeps
    }

    /// Somebody may have deleted the file: what is written to it since would be lost with the process. So there is a
    /// new one, which has what was not moved.
    ///
    /// - Parameter interval: how often to look, in nanoseconds.
    func renewFileIfGone(interval: UInt64 = 1_000_000_000) {
        moving.lock()
        defer { moving.unlock() }
        let now = MonotonicClock.nanoseconds()
        guard now &- lastLook >= interval else { return }
        lastLook = now
        guard !file.isInPlace, let next = try? JournalFile.make(besideSpool: spool.path, salt: file.salt) else {
            return
        }
        lock.lock()
        let old = file
        // Whoever takes it in must not miss what was moved before.
        next.note(moved: number - UInt64(other.streams.count + filling.streams.count))
        let isReplaced = !isClosed && other.write(to: next) && filling.write(to: next)
        if isReplaced { file = next }
        lock.unlock()
        guard isReplaced else { return next.remove() }
        // It may lie elsewhere now, for somebody to find.
        old.clear()
        try? spool.note(.moved(fromJournal: old.name, through: nil))
    }

    /// Moves what is left, and removes the file; from now on nothing is taken. What the spool does not take stays in
    /// the file, for whoever opens the spool next.
    package func close() {
        news.change { $0.isStopped = true }
        lock.lock()
        isClosed = true
        lock.unlock()
        guard (try? move(ignoresPause: true)) != nil else { return }
        moving.lock()
        defer { moving.unlock() }
        // Whoever closes it twice, or has deleted it.
        guard file.isInPlace else { return }
        file.remove()
        try? spool.note(.moved(fromJournal: file.name, through: nil))
    }
}
