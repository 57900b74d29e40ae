internal import CSQLite

/// Keeps the write-ahead log short and the file small, outside of `log()`.
///
/// Not Sendable: belongs to the thread of the uploader. A failure here is never a failure of a delivery: what could not
/// be done now is done next time.
package final class SpoolMaintenance {
    private let spool: Spool
    private let reader: SpoolReader
    private let batches: BatchReader?
    private let checkpointer: Connection

    /// What was seen since a time, in milliseconds of the monotonic clock.
    private struct Window {
        var start: Int64 = .min / 2
        /// The log became long, and was begun anew.
        var hasReset = false
        var lowestFree: Int64 = 0
    }

    private var window = Window()
    /// Free pages that are to be given back.
    private var surplus: Int64 = 0
    private var isWALToBeTruncated = false

    /// In milliseconds.
    private static let window: Int64 = 30_000
    /// A file of the log above this is long, in bytes.
    private static let longWAL = 4 << 20
    /// While records come and go the log is reset at this length, in pages.
    private let busyThreshold: Int
    /// A log of at most this length is left alone when nothing happens: 16 pages are 64 KiB.
    private static let idleThreshold = 16
    /// So many free pages may stay in the file for the next records, when it is idle: 256 pages are 1 MiB.
    private static let sparePages: Int64 = 256
    /// Pages given back in one transaction.
    private static let vacuumSlice = 256
    /// So few pages in use are written anew in about a millisecond. To give back one free page takes a few microseconds, and
    /// of those there may be hundreds of thousands.
    private static let fewPages: Int64 = 64

    /// - Parameters:
    ///   - reader: the calling thread's own.
    ///   - batches: read meanwhile, by other threads.
    package init(spool: Spool, reader: SpoolReader, batches: BatchReader? = nil) throws(SpoolError) {
        self.spool = spool
        self.reader = reader
        self.batches = batches
        busyThreshold = (spool.limit ?? SpoolLimit(bytes: .max)).busyPages
        checkpointer = try SpoolFile.openAgain(path: spool.path, .readWrite)
        spool.walMonitor.watch(checkpointer)
    }

    /// For between two batches: copies the log into the file and starts it anew, once it is long. Cuts what a flood, or a
    /// reader, has made of its file.
    package func whileBusy() throws(SpoolError) {
        guard spool.walPages >= busyThreshold else { return }
        window.hasReset = true
        let isFarTooLong = spool.walFileSize > 2 * busyThreshold * Int(SpoolLimit.frameSize)
        if isFarTooLong { try truncateWAL() } else { try restartWAL(SQLITE_CHECKPOINT_RESTART) }
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
            try spool.write { writer throws(SpoolError) in
                if try !writer.rewrite(upTo: Self.fewPages) { try writer.vacuum(pages: Self.vacuumSlice) }
            }
        }
        guard isIdle() else { return }
        try truncateWAL()
    }

    /// Begins the log anew, and leaves as much of its file as it takes to send and delete a batch where the disk is full.
    private func truncateWAL() throws(SpoolError) {
        try spool.write { writer throws(SpoolError) in try writer.connection.limitWAL(bytes: Room.spareWAL) }
        defer {
            _ = try? spool.write { writer throws(SpoolError) in
                try writer.connection.limitWAL(bytes: writer.room.usualWAL)
            }
        }
        try restartWAL(SQLITE_CHECKPOINT_RESTART)
    }

    /// For when the disk has no room: the log is copied into the database, and begins anew in the room that it has.
    package func whileFull() throws(SpoolError) {
        try restartWAL(SQLITE_CHECKPOINT_RESTART)
    }

    /// For when there is nothing to do for a moment: what a flood has left behind is given back by and by, though records
    /// keep coming and the spool is never idle. Stops when `isIdle` says no.
    ///
    /// Pages that were free for half a minute are not going to be needed soon. The log is cut when its file is long and the
    /// half minute did not fill it.
    ///
    /// - Parameter now: in milliseconds of the monotonic clock.
    package func whileLogging(at now: Int64, _ isIdle: () -> Bool) throws(SpoolError) {
        try whileBusy()
        let isScarce = try spool.write { writer throws(SpoolError) in try writer.room.isScarce() }
        if isScarce, spool.walPages > Self.idleThreshold { try restartWAL(SQLITE_CHECKPOINT_RESTART) }
        let free = try checkpointer.integer("PRAGMA freelist_count")
        window.lowestFree = min(window.lowestFree, free)
        if now - window.start >= Self.window {
            surplus = max(0, window.lowestFree - Self.sparePages)
            isWALToBeTruncated = !window.hasReset && (surplus > 0 || spool.walFileSize > Self.longWAL)
            window = Window(start: now, lowestFree: free)
        }
        while surplus > 0, isIdle() {
            let pages = min(surplus, Int64(Self.vacuumSlice))
            try spool.write { writer throws(SpoolError) in try writer.vacuum(pages: Int(pages)) }
            spool.lock.giveWay()
            surplus -= pages
            try whileBusy()
        }
        guard isWALToBeTruncated, surplus == 0, isIdle() else { return }
        isWALToBeTruncated = false
        try truncateWAL()
    }

    /// Two steps, so that `log()` neither syncs nor waits for long. First the log is copied while commits go on; a
    /// snapshot keeps them from restarting it, for whoever restarts it must sync. Then, with the lock held, the few pages
    /// that came since are copied, the log is restarted, and a commit that changes nothing syncs its new header. Where a
    /// reader was in the way, all is copied and the log goes on; then that commit leaves a page in it that is not copied, or
    /// the next commit of all, when the reader has gone, would find the log wholly copied and restart it.
    ///
    /// Batches are not deleted meanwhile: hundreds of pages would come in the first step, and be copied and synced in the
    /// second.
    ///
    /// If the disk does not take what was copied, the log stays as it is, and this throws.
    ///
    /// - Returns: false if a reader or a writer of another process was in the way.
    @discardableResult
    func restartWAL(_ mode: Int32) throws(SpoolError) -> Bool {
        var isRestarted = false
        try spool.walMonitor.writeAgain(by: checkpointer)
        try spool.pausingDeletion { () throws(SpoolError) in
            try reader.connection.pinningWAL { unpin throws(SpoolError) in
                spool.walMonitor.checkpoint(by: checkpointer, SQLITE_CHECKPOINT_PASSIVE)
                // Where commits came meanwhile that was left for later: for when the lock is held.
                spool.walMonitor.syncCopy(by: checkpointer)
                guard !spool.walMonitor.hasSyncFailure else { throw .notCopied(spool.path) }
                try pausingReads { () throws(SpoolError) in
                    try spool.write { writer throws(SpoolError) in
                        try unpin()
                        isRestarted = spool.walMonitor.checkpoint(by: checkpointer, mode)
                        try writer.connection.touch()
                    }
                }
            }
        }
        return isRestarted
    }

    /// A batch that is being read would be in the way.
    private func pausingReads(_ body: () throws(SpoolError) -> Void) throws(SpoolError) {
        if let batches { try batches.pause(body) } else { try body() }
    }
}
