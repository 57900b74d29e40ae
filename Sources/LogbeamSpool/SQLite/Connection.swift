internal import CSQLite

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// One connection to a SQLite file. The owner frees: the connection closes when the object goes.
///
/// Not Sendable: whoever owns it decides which thread, or which lock, it is used under. SQLite's own mutexes are off
/// (`SQLITE_OPEN_NOMUTEX`).
final class Connection {
    enum Mode {
        case readWrite
        case readOnly
        /// Reads the main file alone, takes no lock, makes no `-wal` and `-shm`: for a look at a file that may not be ours.
        case untouched
    }

    let handle: OpaquePointer
    let path: String
    let busyPolicy = BusyPolicy()
    private let forkNumber = ForkGate.number
    // Prepared with the first transaction: parsing them each time is a tenth of a small commit.
    private var begin: OpaquePointer?
    private var commit: OpaquePointer?

    init(path: String, mode: Mode) throws(SpoolError) {
        handle = try ForkGate.pass { () throws(SpoolError) in
            try ForkGate.closeInherited(path: path)
            let handle = try Self.open(path, mode)
            ForkGate.add(connection: handle)
            return handle
        }
        self.path = path
        sqlite3_extended_result_codes(handle, 1)
        busyPolicy.install(on: handle)
    }

    private static func open(_ path: String, _ mode: Mode) throws(SpoolError) -> OpaquePointer {
        let flags =
            switch mode {
            case .readWrite: SQLITE_OPEN_READWRITE
            case .readOnly, .untouched: SQLITE_OPEN_READONLY
            }
        // The path goes in as a URI: that is the one way to ask for `immutable`.
        let name = "file:" + percentEncoded(path) + (mode == .untouched ? "?immutable=1" : "")
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(name, &opened, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, nil)
        guard code == SQLITE_OK, let opened else {
            let message = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            let extended = opened.map { sqlite3_extended_errcode($0) } ?? code
            var failure = SpoolError(SpoolError.Kind(resultCode: code), path: path, message: message, code: extended)
            if let opened { tellLackOfFiles(opened, &failure) }
            sqlite3_close_v2(opened)
            throw failure
        }
        return opened
    }

    /// A file that SQLite can not open, or one beside it, need not be the trouble itself.
    private static func tellLackOfFiles(_ handle: OpaquePointer, _ failure: inout SpoolError) {
        // The number is of the last call that could not open a file, and of no other.
        guard failure.code.map({ $0 & 0xFF }) == SQLITE_CANTOPEN else { return }
        let systemError = sqlite3_system_errno(handle)
        guard SpoolError.Kind(refusal: systemError) == .tooManyFiles else { return }
        failure.kind = .tooManyFiles
        failure.message += ": \(String(cString: strerror(systemError)))"
    }

    /// Of a connection that may copy the log of a spool.
    var walMonitor: WALMonitor?

    deinit {
        guard !isInherited else { return }
        ForkGate.pass {
            // The last one to close copies the log: on from what the disk may lack.
            if let walMonitor, walMonitor.mayHaveSyncFailure, !isLast || (try? walMonitor.writeAgain(by: self)) == nil {
                keepWALAtClose()
            }
            ForkGate.remove(connection: handle)
            sqlite3_finalize(begin)
            sqlite3_finalize(commit)
            sqlite3_close_v2(handle)
        }
    }

    /// It belongs to the process of which this one is a child, and its handle may be closed already: see ``ForkGate``.
    var isInherited: Bool { forkNumber != ForkGate.number }

    /// The path as SQLite resolved it: absolute, without symbolic links.
    var canonicalPath: String {
        sqlite3_db_filename(handle, "main").map { String(cString: $0) } ?? path
    }

    /// Until when operations wait for another process's lock, in nanoseconds of ``MonotonicClock``. At first: not at all.
    func setBusyDeadline(_ deadline: UInt64) {
        busyPolicy.deadline = deadline
    }

    /// Leaves the write-ahead log as it is when this connection closes. Otherwise the last one to close copies the log into
    /// the file (https://www.sqlite.org/c3ref/c_dbconfig_defensive.html, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE).
    func keepWALAtClose() {
        _ = logbeam_sqlite_no_checkpoint_on_close(handle)
    }

    func execute(_ sql: String) throws(SpoolError) {
        try check(sqlite3_exec(handle, sql, nil, nil, nil))
    }

    func prepare(_ sql: String) throws(SpoolError) -> Statement {
        var prepared: OpaquePointer?
        try check(sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil))
        guard let prepared else { throw failure(SQLITE_MISUSE) }
        return Statement(prepared, connection: self)
    }

    /// The one value of a query that yields one row.
    func integer(_ sql: String) throws(SpoolError) -> Int64 {
        let statement = try prepare(sql)
        defer { statement.reset() }
        return try statement.step() ? statement.integer(0) : 0
    }

    /// Runs `body` in one transaction; whatever it throws, and a failed commit, undoes all of it.
    ///
    /// - Parameter isImmediate: take the write lock at once. Otherwise the first statement takes what it needs; it must be
    ///   one that writes, or the lock may not be had later, however long one waits.
    func transaction<Result>(
        isImmediate: Bool = true,
        _ body: () throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        if isImmediate { try run("BEGIN IMMEDIATE", &begin) } else { try execute("BEGIN") }
        do throws(SpoolError) {
            let result = try body()
            try run("COMMIT", &commit)
            return result
        } catch {
            // SQLite itself rolls back on some errors (a full disk, say); a second rollback is then refused, rightly.
            sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
            throw error
        }
    }

    private func run(_ sql: String, _ statement: inout OpaquePointer?) throws(SpoolError) {
        if statement == nil {
            try check(sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil))
        }
        sqlite3_step(statement)
        // Says again what the step said.
        try check(sqlite3_reset(statement))
    }

    func check(_ code: Int32) throws(SpoolError) {
        guard code == SQLITE_OK else { throw failure(code) }
    }

    /// `errno` of the last call on the log that failed, else of the last one on the database.
    private var systemError: Int32? {
        let code = logbeam_sqlite_last_errno(handle, 1)
        let found = code != 0 ? code : logbeam_sqlite_last_errno(handle, 0)
        return found != 0 ? found : nil
    }

    func failure(_ code: Int32) -> SpoolError {
        var failure = SpoolError(
            SpoolError.Kind(resultCode: code),
            path: path,
            message: String(cString: sqlite3_errmsg(handle)),
            code: sqlite3_extended_errcode(handle)
        )
        if failure.isFailedSync { walMonitor?.noteWALFailure() }
        if failure.kind == .failedIO, let systemError {
            failure.kind = SpoolError.Kind(systemError: systemError)
            failure.message += ": \(String(cString: strerror(systemError)))"
        }
        Self.tellLackOfFiles(handle, &failure)
        return failure
    }

    /// SQLite's URI file names: `%`, `?` and `#` must be escaped (https://www.sqlite.org/uri.html).
    private static func percentEncoded(_ path: String) -> String {
        var encoded = ""
        for character in path.unicodeScalars {
            switch character {
            case "%": encoded += "%25"
            case "?": encoded += "%3f"
            case "#": encoded += "%23"
            default: encoded.unicodeScalars.append(character)
            }
        }
        // `file:a//b` names an authority only at the start of the path, and an empty one is fine.
        return path.hasPrefix("/") ? "//" + encoded : encoded
    }
}
