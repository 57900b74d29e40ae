internal import CSQLite
internal import Synchronization

/// Knows how long the write-ahead log is, and keeps it from growing for ever when nobody checkpoints it. Whoever in this process
/// copies it, or syncs it, does so by this: so it also knows what of it the disk may not have taken.
///
/// Replaces SQLite's own automatic checkpoint, which would run every 1,000 pages inside of `log()`
/// (https://www.sqlite.org/c3ref/wal_hook.html).
final class WALMonitor: Sendable {
    /// The pages in the log after the last commit of this process. Thread-safe.
    let pages = Atomic<Int>(0)
    /// At which length a commit itself runs a checkpoint: only ever reached when no uploader lives, or when a reader of
    /// another process holds the log open.
    let safetyThreshold: Int
    /// 64 MiB.
    static let usualThreshold = 16_384
    private let nextSafetyCheckpoint: Atomic<Int>
    private let copyFailures: SyncFailures
    private let walFailures: SyncFailures

    /// - Parameters:
    ///   - safetyThreshold: in pages.
    ///   - clock: see ``SyncFailures``.
    init(
        safetyThreshold: Int = usualThreshold,
        clock: @escaping @Sendable () -> UInt64 = MonotonicClock.nanoseconds
    ) {
        copyFailures = SyncFailures(clock: clock)
        walFailures = SyncFailures(clock: clock)
        self.safetyThreshold = safetyThreshold
        nextSafetyCheckpoint = Atomic(safetyThreshold)
    }

    func install(on connection: Connection) {
        watch(connection)
        sqlite3_wal_hook(
            connection.handle,
            { context, handle, name, pages in
                guard let context else { return SQLITE_OK }
                let monitor = Unmanaged<WALMonitor>.fromOpaque(context).takeUnretainedValue()
                monitor.committed(pages: Int(pages), handle: handle, name: name)
                return SQLITE_OK
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
    }

    private func committed(pages length: Int, handle: OpaquePointer?, name: UnsafePointer<CChar>?) {
        pages.store(length, ordering: .relaxed)
        guard length >= safetyThreshold else {
            nextSafetyCheckpoint.store(safetyThreshold, ordering: .relaxed)
            return
        }
        // What the disk may lack is written again before the next commit: see ``Room``.
        guard length >= nextSafetyCheckpoint.load(ordering: .relaxed), !mayHaveSyncFailure else { return }
        // Where a reader keeps the log from being emptied, trying at every commit would help nobody.
        nextSafetyCheckpoint.store(length + safetyThreshold / 4, ordering: .relaxed)
        note(sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, nil, nil))
    }

    /// Takes a connection that is to sync the log, or to copy it. It hears of no sync that failed before it was opened, perhaps
    /// another process's: so nobody knows of what was written before.
    func watch(_ connection: Connection) {
        connection.walMonitor = self
        copyFailures.suspect()
        walFailures.suspect()
    }

    // MARK: Copying

    /// The disk may not have what was written to the log, or copied out of it: a sync, or a copy, has failed.
    var hasSyncFailure: Bool { copyFailures.areThere || walFailures.areThere }

    /// There is one, or nobody knows.
    var mayHaveSyncFailure: Bool { copyFailures.mayBeThere || walFailures.mayBeThere }

    /// Writes again what the disk may lack: for before the log is copied, by who may wait for the disk.
    func writeAgain(by connection: Connection) throws(SpoolError) {
        _ = try syncFailedWAL(by: connection)
        _ = try copyFailures.resolve(at: connection.path) { () throws(SpoolError) in try connection.checkpointAgain() }
    }

    /// Copies the log into the database, as far as that goes (https://www.sqlite.org/c3ref/wal_checkpoint_v2.html), and nothing
    /// while the disk may lack anything: SQLite takes that for written. It would copy out of a log that a power cut may end before
    /// what is copied, and begin that anew over the only good copy of what was.
    ///
    /// - Returns: false if not all was copied.
    @discardableResult
    func checkpoint(by connection: Connection, _ mode: Int32) -> Bool {
        if hasSyncFailure { return false }
        return note(sqlite3_wal_checkpoint_v2(connection.handle, nil, mode, nil, nil))
    }

    /// Has the disk keep what was copied: SQLite does that only where all of the log was.
    func syncCopy(by connection: Connection) {
        do { try connection.syncDatabase() } catch { noteFailure() }
    }

    /// SQLite syncs the log before it copies it, and does not say which sync has failed.
    @discardableResult
    private func note(_ code: Int32) -> Bool {
        if code & 0xFF == SQLITE_IOERR {
            noteFailure()
        }
        return code == SQLITE_OK
    }

    // MARK: The log itself

    /// A sync of the log has failed: the next one alone says nothing of what was written before it.
    func noteWALFailure() { walFailures.note() }

    /// The same of what was copied out of it.
    func noteFailure() {
        copyFailures.note()
        walFailures.note()
    }

    /// Writes the log again and syncs it, if the disk may lack any of it. Returns whether that was so.
    func syncFailedWAL(by connection: Connection) throws(SpoolError) -> Bool {
        try walFailures.resolve(at: connection.path) { () throws(SpoolError) in try connection.syncWALAgain() }
    }

    /// The length of the log in bytes, as far as this process knows.
    var length: Int64 { Int64(pages.load(ordering: .relaxed)) * SpoolLimit.frameSize }

    /// Copies the log into the file, and has the next commit begin it anew; first writes again what the disk may lack, for nobody
    /// else may be there who does, and throws if the disk does not take that. False if a reader is in the way, or another
    /// process that does the same.
    ///
    /// A commit that does this as a rule gives up at once, and need not keep writers of other processes out: where they
    /// write all the time, it never gets to the end of the log.
    func emptyWAL(
        of connection: Connection,
        _ mode: Int32 = SQLITE_CHECKPOINT_RESTART
    ) throws(SpoolError) -> Bool {
        do throws(SpoolError) {
            try writeAgain(by: connection)
        } catch {
            guard error.kind == .busy else { throw error }
            return false
        }
        let deadline = connection.busyPolicy.deadline
        connection.setBusyDeadline(MonotonicClock.nanoseconds() + 10_000_000)
        defer { connection.setBusyDeadline(deadline) }
        guard checkpoint(by: connection, mode) else { return false }
        pages.store(0, ordering: .relaxed)
        return true
    }
}
