internal import CSQLite

/// Keeps the write-ahead log short and the file small, outside of `log()`.
///
/// Not Sendable: belongs to the thread of the uploader. A failure here is never a failure of a delivery: what could not
/// be done now is done next time.
package final class SpoolMaintenance {
    private let spool: Spool
    private let reader: SpoolReader
    private let checkpointer: Connection

    /// While records come and go the log is reset at this length: 4,096 pages are 16 MiB. A longer log makes every commit
    /// slower (the kernel writes it back), a shorter one is synced too often.
    private static let busyThreshold = 4_096
    /// A log of at most this length is left alone when nothing happens: 16 pages are 64 KiB.
    private static let idleThreshold = 16
    /// Free pages that stay in the file for the next records, when it is idle: 256 pages are 1 MiB.
    private static let sparePages: Int64 = 256
    /// Pages given back in one transaction.
    private static let vacuumSlice = 256

    package init(spool: Spool, reader: SpoolReader) throws(SpoolError) {
        self.spool = spool
        self.reader = reader
        checkpointer = try Connection(path: spool.path, mode: .readWrite)
        // A connection that has read nothing knows no log yet: SQLite would report success for its checkpoints, and do
        // nothing.
        _ = try checkpointer.integer("PRAGMA schema_version")
    }

    /// For between two batches: copies the log into the file and starts it anew, once it is long.
    package func whileBusy() throws(SpoolError) {
        guard spool.walPages >= Self.busyThreshold else { return }
        try resetLog(SQLITE_CHECKPOINT_RESTART)
    }

    /// For when nothing is left to do: gives free pages back and empties the log. Stops when `isIdle` says no.
    package func whileIdle(_ isIdle: () -> Bool) throws(SpoolError) {
        guard spool.walPages > Self.idleThreshold else { return }
        var last = Int64.max
        while isIdle() {
            let free = try checkpointer.integer("PRAGMA freelist_count")
            // A file that came out of `.recover` may not be made for incremental vacuum: nothing becomes of it then.
            guard free > Self.sparePages, free < last else { break }
            last = free
            try spool.write { writer throws(SpoolError) in try writer.vacuum(pages: Self.vacuumSlice) }
        }
        guard isIdle() else { return }
        try resetLog(SQLITE_CHECKPOINT_TRUNCATE)
    }

    /// Two steps, so that `log()` neither syncs nor waits for long. First the log is copied while commits go on; a
    /// snapshot keeps them from restarting it, for whoever restarts it must sync. Then, with the lock held, the few pages
    /// that came since are copied, the log is restarted, and a commit that changes nothing syncs its new header.
    func resetLog(_ mode: Int32) throws(SpoolError) {
        try reader.pinningLog { unpin throws(SpoolError) in
            checkpoint(SQLITE_CHECKPOINT_PASSIVE)
            try spool.write { writer throws(SpoolError) in
                try unpin()
                guard checkpoint(mode) else { return }
                try writer.touch()
            }
        }
    }

    /// False if a reader or a writer of another process was in the way.
    @discardableResult
    private func checkpoint(_ mode: Int32) -> Bool {
        sqlite3_wal_checkpoint_v2(checkpointer.handle, nil, mode, nil, nil) == SQLITE_OK
    }
}
