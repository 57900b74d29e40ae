internal import CSQLite
internal import Synchronization

/// Knows how long the write-ahead log is, and keeps it from growing for ever when nobody checkpoints it.
///
/// Replaces SQLite's own automatic checkpoint, which would run every 1,000 pages inside of `log()`
/// (https://www.sqlite.org/c3ref/wal_hook.html).
final class WALMonitor: Sendable {
    /// The pages in the log after the last commit of this process. Thread-safe.
    let pages = Atomic<Int>(0)
    /// At which length a commit itself runs a checkpoint: only ever reached when no uploader lives, or when a reader of
    /// another process holds the log open.
    private let safetyThreshold: Int
    private let nextSafetyCheckpoint: Atomic<Int>
    private let copyIsInDoubt = Atomic<Bool>(false)

    /// - Parameter safetyThreshold: by default 16,384 pages, which are 64 MiB.
    init(safetyThreshold: Int = 16_384) {
        self.safetyThreshold = safetyThreshold
        nextSafetyCheckpoint = Atomic(safetyThreshold)
    }

    /// The monitor must outlive the connection.
    func install(on connection: Connection) {
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
        guard length >= nextSafetyCheckpoint.load(ordering: .relaxed) else { return }
        // Where a reader keeps the log from being emptied, trying at every commit would help nobody.
        nextSafetyCheckpoint.store(length + safetyThreshold / 4, ordering: .relaxed)
        guard !isCopyInDoubt else { return }
        note(sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, nil, nil))
    }

    // MARK: Copying

    /// The disk may not have what was copied out of the log. Set when a copy, or its sync, has failed.
    var isCopyInDoubt: Bool { copyIsInDoubt.load(ordering: .acquiring) }

    /// Copies the log into the database, as far as that goes (https://www.sqlite.org/c3ref/wal_checkpoint_v2.html).
    ///
    /// What is in doubt is copied again first. SQLite takes it for copied, would begin the log anew when the rest is, and so
    /// overwrite the only good copy.
    ///
    /// - Parameter isPinned: the log can not begin anew meanwhile: see ``Connection/pinningLog(_:)``. Without that, nothing is
    ///   copied while anything is in doubt.
    /// - Returns: false if not all was copied.
    @discardableResult
    func copyLog(by connection: Connection, _ mode: Int32, isPinned: Bool = false) -> Bool {
        if isCopyInDoubt {
            guard isPinned, (try? connection.copyLogAgain()) != nil else { return false }
            copyIsInDoubt.store(false, ordering: .releasing)
        }
        return note(sqlite3_wal_checkpoint_v2(connection.handle, nil, mode, nil, nil))
    }

    /// Has the disk keep what was copied: SQLite does that only where all of the log was.
    func syncCopy(by connection: Connection) {
        note(logbeam_sqlite_sync_database(connection.handle))
    }

    @discardableResult
    private func note(_ code: Int32) -> Bool {
        if code & 0xFF == SQLITE_IOERR { copyIsInDoubt.store(true, ordering: .releasing) }
        return code == SQLITE_OK
    }

    /// The length of the log in bytes, as far as this process knows.
    var length: Int64 { Int64(pages.load(ordering: .relaxed)) * SpoolLimit.frameSize }

    /// Copies the log into the file, and has the next commit begin it anew. False if a reader is in the way, or another
    /// process that does the same.
    ///
    /// A commit that does this as a rule gives up at once, and need not keep writers of other processes out: where they
    /// write all the time, it never gets to the end of the log.
    func emptyLog(of connection: Connection) -> Bool {
        let deadline = connection.busyPolicy.deadline
        connection.setBusyDeadline(MonotonicClock.nanoseconds() + 10_000_000)
        defer { connection.setBusyDeadline(deadline) }
        guard copyLog(by: connection, SQLITE_CHECKPOINT_RESTART) else { return false }
        pages.store(0, ordering: .relaxed)
        return true
    }
}
