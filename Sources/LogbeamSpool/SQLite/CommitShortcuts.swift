internal import CSQLite

/// Spares the commits of a connection three of the eight system calls that SQLite makes for each, which are half of its
/// time: a frame goes to the log by one write and not by two, and the mark of what a reader sees is raised at every
/// sixteenth commit and not at each.
///
/// SQLite calls an open file through the table of methods at its head (https://www.sqlite.org/c3ref/file.html). Here the
/// log and the database get tables of their own: copies of what they had, with two methods replaced. So all else is as
/// before, whatever VFS the file is of. What SQLite is told is always true, or what another process might have caused.
///
/// Used under the lock of the connection, as that is.
enum CommitShortcuts {
    /// Does nothing where the connection has no log yet: that is opened with the first read.
    static func install(on connection: Connection) {
        replaceMethods(of: connection, SQLITE_FCNTL_JOURNAL_POINTER, state: WALWrites()) { methods in
            methods.xWrite = { WALWrites.write($0, $1, $2, $3) }
            methods.xSync = { WALWrites.sync($0, $1) }
            methods.xClose = { Replaced<WALWrites>.close($0) }
        }
        replaceMethods(of: connection, SQLITE_FCNTL_FILE_POINTER, state: ReadMarks()) { methods in
            methods.xShmLock = { ReadMarks.lock($0, $1, $2, $3) }
            methods.xClose = { Replaced<ReadMarks>.close($0) }
        }
    }

    private static func replaceMethods<State>(
        of connection: Connection,
        _ operation: Int32,
        state: State,
        _ replace: (inout sqlite3_io_methods) -> Void
    ) {
        var file: UnsafeMutablePointer<sqlite3_file>?
        guard sqlite3_file_control(connection.handle, nil, operation, &file) == SQLITE_OK,
            let file, let original = file.pointee.pMethods
        else { return }
        let replaced = UnsafeMutablePointer<Replaced<State>>.allocate(capacity: 1)
        replaced.initialize(to: Replaced(methods: original.pointee, original: original, state: state))
        replace(&replaced.pointee.methods)
        file.pointee.pMethods = UnsafePointer(
            UnsafeRawPointer(replaced).assumingMemoryBound(to: sqlite3_io_methods.self)
        )
    }
}

private typealias File = UnsafeMutablePointer<sqlite3_file>

/// What the head of a file points to.
private struct Replaced<State> {
    // At the beginning: SQLite knows nothing of the rest.
    var methods: sqlite3_io_methods
    let original: UnsafePointer<sqlite3_io_methods>
    var state: State

    static func of(_ file: File) -> UnsafeMutablePointer<Self> {
        UnsafeMutableRawPointer(mutating: file.pointee.pMethods).assumingMemoryBound(to: Self.self)
    }

    static func close(_ file: File?) -> Int32 {
        guard let file else { return SQLITE_MISUSE }
        let replaced = of(file)
        defer {
            replaced.deinitialize(count: 1)
            replaced.deallocate()
        }
        return replaced.pointee.original.pointee.xClose(file)
    }
}

/// Writes the head of a frame together with its page.
///
/// SQLite writes both in turn, and nothing in between (`walWriteOneFrame` in wal.c). It also writes heads alone, where a
/// transaction that did not fit into its cache has written a page anew (`walRewriteChecksums`): those lie before the end of
/// what was written last, and go to the file at once.
private struct WALWrites {
    private static let headSize = WALLayout.frameHeaderSize
    private static let longestPage = 65_536

    private let frame = FrameBuffer(size: headSize + longestPage)
    /// Where the last head goes, or went.
    private var headOffset: Int64 = -1
    private var isHeld = false
    /// Where the last frame that was written ends.
    private var end: Int64 = 0

    static func write(_ file: File?, _ bytes: UnsafeRawPointer?, _ count: Int32, _ offset: Int64) -> Int32 {
        guard let file, let bytes else { return SQLITE_MISUSE }
        let replaced = Replaced<WALWrites>.of(file)
        let write = replaced.pointee.original.pointee.xWrite!
        return replaced.pointee.state.write(bytes, Int(count), offset) { write(file, $0, $1, $2) }
    }

    static func sync(_ file: File?, _ flags: Int32) -> Int32 {
        guard let file else { return SQLITE_MISUSE }
        let replaced = Replaced<WALWrites>.of(file)
        let write = replaced.pointee.original.pointee.xWrite!
        let code = replaced.pointee.state.writeHead { write(file, $0, $1, $2) }
        return code == SQLITE_OK ? replaced.pointee.original.pointee.xSync(file, flags) : code
    }

    private mutating func write(
        _ bytes: UnsafeRawPointer,
        _ count: Int,
        _ offset: Int64,
        _ write: (UnsafeRawPointer, Int32, Int64) -> Int32
    ) -> Int32 {
        if count == Self.headSize, !isHeld {
            headOffset = offset
            guard offset >= end else { return write(bytes, Int32(count), offset) }
            frame.bytes.copyMemory(from: bytes, byteCount: count)
            isHeld = true
            return SQLITE_OK
        }
        guard offset == headOffset + Int64(Self.headSize), count <= Self.longestPage else {
            let code = writeHead(write)
            return code == SQLITE_OK ? write(bytes, Int32(count), offset) : code
        }
        end = offset + Int64(count)
        guard isHeld else { return write(bytes, Int32(count), offset) }
        isHeld = false
        (frame.bytes + Self.headSize).copyMemory(from: bytes, byteCount: count)
        return write(frame.bytes, Int32(Self.headSize + count), headOffset)
    }

    /// Writes a head after which something else comes than its page.
    private mutating func writeHead(_ write: (UnsafeRawPointer, Int32, Int64) -> Int32) -> Int32 {
        guard isHeld else { return SQLITE_OK }
        isHeld = false
        return write(frame.bytes, Int32(Self.headSize), headOffset)
    }

    private final class FrameBuffer {
        let bytes: UnsafeMutableRawPointer
        init(size: Int) { bytes = .allocate(byteCount: size, alignment: 16) }
        deinit { bytes.deallocate() }
    }
}

/// Says at fifteen of sixteen commits that the mark of what a reader sees is in use, and so can not be raised.
///
/// Before each transaction SQLite raises one of four marks to the end of the log, and takes a lock for that; where all of
/// them are in use it reads with the highest that there is (`walTryBeginRead` in wal.c;
/// https://www.sqlite.org/walformat.html#wal_locks). The transaction sees the same. A checkpoint that runs at the same
/// moment stops at the mark, which is at most sixteen transactions of this connection old; marks that are not in use it raises
/// itself.
///
/// Here also passes who is to write: see ``WALRestart``.
private struct ReadMarks {
    private static let mostRefusals = 15

    private var refusals = 0
    /// Whether the marks are said to be in use.
    private var isRefusing = false
    /// Whether one was found that can be read with, since the last refusal.
    private var hasMark = false
    /// Then marks are raised for others, and all of them.
    private var isCheckpointing = false

    static func lock(_ file: File?, _ offset: Int32, _ count: Int32, _ flags: Int32) -> Int32 {
        guard let file else { return SQLITE_MISUSE }
        let replaced = Replaced<ReadMarks>.of(file)
        guard !replaced.pointee.state.refuses(offset, count, flags) else { return SQLITE_BUSY }
        let methods = replaced.pointee.original.pointee
        let code = methods.xShmLock(file, offset, count, flags)
        guard code == SQLITE_OK else { return code }
        replaced.pointee.state.note(offset, flags)
        let isWriting = offset == WALLayout.writeLock && flags & SQLITE_SHM_LOCK != 0
        guard isWriting, WALRestart.finish(file, methods) else { return SQLITE_OK }
        // Whoever waits for the lock begins from the beginning.
        _ = methods.xShmLock(file, offset, count, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE)
        return SQLITE_BUSY
    }

    private mutating func refuses(_ offset: Int32, _ count: Int32, _ flags: Int32) -> Bool {
        let isRaising =
            flags == SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE && count == 1 && offset >= WALLayout.firstReaderLock
        guard isRaising, !isCheckpointing else { return false }
        if offset == WALLayout.firstReaderLock {
            isRefusing = hasMark && refusals < Self.mostRefusals
            refusals = isRefusing ? refusals + 1 : 0
            hasMark = false
        }
        return isRefusing
    }

    private mutating func note(_ offset: Int32, _ flags: Int32) {
        if offset == WALLayout.checkpointLock { isCheckpointing = flags & SQLITE_SHM_LOCK != 0 }
        if offset >= WALLayout.firstReaderLock, flags == SQLITE_SHM_LOCK | SQLITE_SHM_SHARED { hasMark = true }
    }
}
