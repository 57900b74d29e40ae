internal import CSQLite

/// The ids of the next records.
///
/// Ids are microseconds since 1970-01-01T00:00:00Z, pushed forward where the clock is behind any id that is, or ever was, in
/// use. To look which are takes two cursors more than a commit has. It is known without where the last
/// one to write anything was this connection, with records. SQLite tells: its number for the state of the file changes
/// with every commit, that of another connection being noticed when a transaction begins
/// (https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html, SQLITE_FCNTL_DATA_VERSION).
///
/// Not thread-safe: belongs to ``Writer``.
final class NewIDs {
    private let connection: Connection
    private let selectHighest: Statement
    /// No id higher than `last` is, or was, in use in the state of the file that has this number; `nil` if that is not known.
    private var version: UInt32?
    private var last: Int64 = 0

    init(connection: Connection) throws(SpoolError) {
        self.connection = connection
        selectHighest = try connection.prepare(
            "SELECT (SELECT max(id) FROM records), (SELECT value FROM counters WHERE name = 'last_id')"
        )
    }

    /// The id for the next record; those after it are free too. For the inside of a transaction that writes, so that nobody
    /// else takes them. Throws where there is none after the highest, which a damaged file may hold.
    func next() throws(SpoolError) -> Int64 {
        if version == nil || version != currentVersion {
            defer { selectHighest.reset() }
            _ = try selectHighest.step()
            last = max(selectHighest.integer(0), selectHighest.integer(1))
        }
        guard last < .max else {
            throw SpoolError(.other, path: connection.path, message: "no id is left", code: SQLITE_MISMATCH)
        }
        return max(WallClock.microseconds(), last + 1)
    }

    /// Records up to this id are inserted; and committed, unless there is a transaction.
    func note(_ id: Int64) {
        last = id
        version = currentVersion
    }

    /// A transaction is committed that inserted records, and the highest id in use is still that of the last.
    func noteCommit() { version = currentVersion }

    private var currentVersion: UInt32? {
        var version: UInt32 = 0
        guard sqlite3_file_control(connection.handle, nil, SQLITE_FCNTL_DATA_VERSION, &version) == SQLITE_OK else {
            return nil
        }
        return version
    }
}
