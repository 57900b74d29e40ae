internal import CSQLite

/// What is done to SQLite's files without SQLite: syncs, and writing once more what the disk may not have taken.
///
/// When a sync fails, the kernel calls the pages written all the same, so that the next sync succeeds and they are not on the
/// disk (https://lwn.net/Articles/752063/). What they hold is still to be read: from the kernel's cache, and pages of the
/// database from the log. So they are written from there, and synced, before anything is built on them.
///
/// Nobody begins the log anew while it is written again; who commits goes on behind. For the disk they need not wait: who
/// begins the log anew after that has synced what was written.
///
/// Whoever has opened a file hears of a failure by the next sync of their own (fsync(2), "will be reported to all file
/// descriptors"): so one comes before, which says nothing of what is written again.
extension Connection {
    /// Of the log, as far as it is committed.
    func syncWALAgain() throws(SpoolError) {
        let log = try file(SQLITE_FCNTL_JOURNAL_POINTER)
        try? syncWAL()
        try keepingWAL { () throws(SpoolError) in
            let count = Int64(try walIndex(WALLayout.Index.committedFrames))
            // The header, and then whole frames: no part looks like the head of one, which ``CommitShortcuts`` holds back.
            try readWAL(log, frames: count) { offset, part throws(SpoolError) in
                try take(log.methods.xWrite(log.file, part.baseAddress, Int32(part.count), offset))
            }
        }
        try syncWAL()
    }

    /// Of the database, the pages that were copied from the log.
    func checkpointAgain() throws(SpoolError) {
        let database = try file(SQLITE_FCNTL_FILE_POINTER)
        try? syncDatabase()
        try keepingWAL { () throws(SpoolError) in
            let flags = SQLITE_SHM_EXCLUSIVE
            // Nobody else copies meanwhile: a page that is newer than this knows would become old again.
            try take(database.methods.xShmLock(database.file, WALLayout.checkpointLock, 1, SQLITE_SHM_LOCK | flags))
            defer {
                _ = database.methods.xShmLock(database.file, WALLayout.checkpointLock, 1, SQLITE_SHM_UNLOCK | flags)
            }
            try copyPages(to: database, from: try file(SQLITE_FCNTL_JOURNAL_POINTER))
        }
        try syncDatabase()
    }

    private func copyPages(to database: File, from log: File) throws(SpoolError) {
        let frameSize = Int(try frameSize())
        // A later frame may be of a page that somebody reads from the database as it is.
        let count = Int64(try walIndex(WALLayout.Index.copiedFrames))
        let pages = try walIndex(WALLayout.Index.pages)
        var newest: [UInt32: Int64] = [:]
        try readWAL(log, frames: count) { offset, part throws(SpoolError) in
            guard offset > 0 else { return }
            for start in stride(from: 0, to: part.count, by: frameSize) {
                let page = UInt32(bigEndian: part.loadUnaligned(fromByteOffset: start, as: UInt32.self))
                if page > 0, page <= pages { newest[page] = offset + Int64(start + WALLayout.frameHeaderSize) }
            }
        }
        try withBuffer(of: frameSize - WALLayout.frameHeaderSize) { page throws(SpoolError) in
            for (number, offset) in newest {
                let (size, place) = (Int32(page.count), Int64(number - 1) * Int64(page.count))
                try take(log.methods.xRead(log.file, page.baseAddress, size, offset))
                try take(database.methods.xWrite(database.file, page.baseAddress, size, place))
            }
        }
    }

    /// Throws ``SpoolError/Kind/damaged`` if the log, as far as it is committed, is not what was written to it. Who has it open
    /// does not notice that: SQLite goes by the checksums when it opens a log that nobody has open.
    func verifyWAL() throws(SpoolError) {
        let log = try file(SQLITE_FCNTL_JOURNAL_POINTER)
        try keepingWAL { () throws(SpoolError) in
            try readWAL(log, frames: Int64(try walIndex(WALLayout.Index.committedFrames))) { _, _ in }
        }
    }

    /// Reads the header of the log, and then its first frames, several at a time, each part before `body` has it. Throws
    /// ``SpoolError/Kind/damaged`` where that is not what was written: pages of the cache that the disk did not take may be gone
    /// from there, and what is read is from before.
    private func readWAL(
        _ log: File,
        frames count: Int64,
        _ body: (_ offset: Int64, _ part: UnsafeMutableRawBufferPointer) throws(SpoolError) -> Void
    ) throws(SpoolError) {
        guard count > 0 else { return }
        try checkLogIsOurs(log)
        let frameSize = Int(try frameSize())
        let end = Int64(WALLayout.headerSize) + count * Int64(frameSize)
        try withBuffer(of: 16 * frameSize) { buffer throws(SpoolError) in
            func read(_ size: Int, at offset: Int64) throws(SpoolError) -> UnsafeMutableRawBufferPointer {
                try take(log.methods.xRead(log.file, buffer.baseAddress, Int32(size), offset))
                return UnsafeMutableRawBufferPointer(rebasing: buffer[..<size])
            }
            let header = try read(WALLayout.headerSize, at: 0)
            guard var sums = WALFrameSums(header: UnsafeRawBufferPointer(header)) else { throw walDamaged }
            try body(0, header)
            var offset = Int64(WALLayout.headerSize)
            while offset < end {
                let part = try read(Int(min(Int64(buffer.count), end - offset)), at: offset)
                for start in stride(from: 0, to: part.count, by: frameSize) {
                    let frame = UnsafeRawBufferPointer(rebasing: part[start..<start + frameSize])
                    guard sums.isNext(frame) else { throw walDamaged }
                }
                try body(offset, part)
                offset += Int64(part.count)
            }
        }
    }

    private var walDamaged: SpoolError {
        SpoolError(.damaged, path: path, message: "its write-ahead log is not what was written to it")
    }

    /// Runs `body` while nobody begins the log anew: who does takes the locks of all marks of readers, and one is held here.
    /// A reader need not have one, if all of the log is copied (https://www.sqlite.org/walformat.html#wal_locks,
    /// WAL_READ_LOCK(0)). Others hold it for microseconds; who logs has their own time.
    private func keepingWAL(_ body: () throws(SpoolError) -> Void) throws(SpoolError) {
        // One that this connection reads with would be let go.
        assert(sqlite3_txn_state(handle, nil) == SQLITE_TXN_NONE)
        let deadline = busyPolicy.deadline
        let latest = MonotonicClock.nanoseconds() + 1_000_000_000
        setBusyDeadline(deadline == 0 ? latest : min(deadline, latest))
        defer { setBusyDeadline(deadline) }
        // Also reads the index, and makes it anew where a process has died over it.
        try waitForWriter()
        let database = try file(SQLITE_FCNTL_FILE_POINTER)
        var attempt = 0
        while true {
            let flags = SQLITE_SHM_LOCK | SQLITE_SHM_SHARED
            let code = database.methods.xShmLock(database.file, WALLayout.firstReaderLock, 1, flags)
            guard code == SQLITE_BUSY, busyPolicy.wait(attempt: attempt) else {
                try take(code)
                break
            }
            attempt += 1
        }
        defer {
            let flags = SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED
            _ = database.methods.xShmLock(database.file, WALLayout.firstReaderLock, 1, flags)
        }
        try body()
    }

    /// Waits for the transaction that is being written. What it has written before a sync failed may be lost as well, and is
    /// not to be seen in the log before it is committed: so who writes again first takes note of the failure, then waits for
    /// it, and then looks how far the log goes.
    private func waitForWriter() throws(SpoolError) {
        try execute("BEGIN IMMEDIATE")
        // One that was killed may have left a length that is none. The writer's own connection has seen to that by now, see
        // ``CommitShortcuts``; others do it here.
        if let database = try? file(SQLITE_FCNTL_FILE_POINTER) {
            _ = WALRestart.finish(database.file, database.methods)
        }
        try execute("ROLLBACK")
    }

    /// Ends what a writer has left that was killed as it began the log anew: see ``WALRestart``. Does nothing, and takes no
    /// lock, where there is no such thing.
    func finishRestart() throws(SpoolError) {
        guard try walIndex(WALLayout.Index.copiedFrames) > walIndex(WALLayout.Index.committedFrames) else { return }
        try waitForWriter()
    }

    /// Whether nobody else has the spool open, in this process or another: SQLite asks as well when it closes one (`walClose`
    /// in wal.c).
    var isLast: Bool {
        var lock: Int32 = 0
        guard sqlite3_file_control(handle, nil, SQLITE_FCNTL_LOCKSTATE, &lock) == SQLITE_OK, lock == SQLITE_LOCK_SHARED,
            let database = try? file(SQLITE_FCNTL_FILE_POINTER)
        else { return false }
        let code = database.methods.xLock(database.file, SQLITE_LOCK_EXCLUSIVE)
        _ = database.methods.xUnlock(database.file, SQLITE_LOCK_SHARED)
        return code == SQLITE_OK
    }

    /// Whether another file, or none, is where this one was opened.
    func hasMoved() throws(SpoolError) -> Bool {
        var hasMoved: Int32 = 0
        try check(sqlite3_file_control(handle, nil, SQLITE_FCNTL_HAS_MOVED, &hasMoved))
        return hasMoved != 0
    }

    // MARK: The files

    /// Has the disk keep what was written to the log, by whatever connection: `fdatasync` without a lock. The first one is of
    /// the directory too, for the log may be new there.
    func syncWAL() throws(SpoolError) { try sync(try file(SQLITE_FCNTL_JOURNAL_POINTER)) }

    /// The same of the file of the database.
    func syncDatabase() throws(SpoolError) { try sync(try file(SQLITE_FCNTL_FILE_POINTER)) }

    private func sync(_ file: File) throws(SpoolError) {
        let code = file.methods.xSync(file.file, SQLITE_SYNC_NORMAL)
        guard code == SQLITE_OK else {
            let message = "the disk did not take what was written"
            throw SpoolError(SpoolError.Kind(resultCode: code), path: path, message: message, code: code)
        }
    }

    /// SQLite's own: a file descriptor more would end the locks of the process when it is closed (fcntl(2)).
    private typealias File = (file: UnsafeMutablePointer<sqlite3_file>, methods: sqlite3_io_methods)

    private func file(_ operation: Int32) throws(SpoolError) -> File {
        var file: UnsafeMutablePointer<sqlite3_file>?
        try check(sqlite3_file_control(handle, nil, operation, &file))
        guard let file, let methods = file.pointee.pMethods else { throw failure(SQLITE_INTERNAL) }
        return (file, methods.pointee)
    }

    /// Throws if another log lies in the place of that which belongs to the database, and was opened with it. Its writers take
    /// another lock, and what they commit meanwhile would be overwritten.
    private func checkLogIsOurs(_ log: File) throws(SpoolError) {
        var salts: UInt64 = 0
        let code = log.methods.xRead(log.file, &salts, 8, Int64(WALLayout.saltOffset))
        let ours = UInt64(try walIndex(WALLayout.Index.salts)) | UInt64(try walIndex(WALLayout.Index.salts + 4)) << 32
        guard code == SQLITE_OK, salts == ours else {
            throw SpoolError(.busy, path: path, message: "another log lies in the place of its own")
        }
    }

    private func frameSize() throws(SpoolError) -> Int64 {
        try integer("PRAGMA page_size") + Int64(WALLayout.frameHeaderSize)
    }

    /// A number that stands in the index of the log.
    private func walIndex(_ offset: Int) throws(SpoolError) -> UInt32 {
        let database = try file(SQLITE_FCNTL_FILE_POINTER)
        var memory: UnsafeMutableRawPointer?
        try take(database.methods.xShmMap(database.file, 0, WALLayout.Index.regionSize, 0, &memory))
        guard let memory else { throw failure(SQLITE_INTERNAL) }
        return memory.load(fromByteOffset: offset, as: UInt32.self)
    }

    private func take(_ code: Int32) throws(SpoolError) {
        guard code == SQLITE_OK else { throw .notWrittenAgain(path, code: code) }
    }

    private func withBuffer(
        of size: Int,
        _ body: (UnsafeMutableRawBufferPointer) throws(SpoolError) -> Void
    ) throws(SpoolError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        try body(buffer)
    }
}
