internal import CSQLite

/// The SQL function `next_id(microseconds)`: the id of the next record, while that is known without a look; else NULL.
///
/// To look which ids are, or were, in use takes two cursors, a tenth of the instructions of a commit. It is known
/// without where the last one to write anything was this connection, with a record. SQLite tells: its number for the
/// state of the file changes with every commit, that of another connection being noticed when the transaction begins in
/// which the function is called (https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html,
/// SQLITE_FCNTL_DATA_VERSION).
///
/// Not thread-safe: belongs to ``Writer``.
final class NewIDs {
    /// No higher id is, or was, in use in the state of the file that has this number; `nil` if that is not known.
    private var version: UInt32?
    private var last: Int64 = 0

    /// It must outlive the connection.
    func install(on connection: Connection) throws(SpoolError) {
        try connection.check(
            sqlite3_create_function_v2(
                connection.handle,
                "next_id",
                1,
                SQLITE_UTF8 | SQLITE_DIRECTONLY,
                Unmanaged.passUnretained(self).toOpaque(),
                { context, _, arguments in
                    guard let owner = sqlite3_user_data(context), let now = arguments?[0] else {
                        return sqlite3_result_null(context)
                    }
                    let ids = Unmanaged<NewIDs>.fromOpaque(owner).takeUnretainedValue()
                    // There is no id after the highest of all: then SQLite says what is amiss.
                    guard let version = ids.version, version == NewIDs.version(of: sqlite3_context_db_handle(context)),
                        ids.last < .max
                    else { return sqlite3_result_null(context) }
                    sqlite3_result_int64(context, max(sqlite3_value_int64(now), ids.last + 1))
                },
                nil,
                nil,
                nil
            )
        )
    }

    /// A record was inserted, and committed unless there is a transaction.
    func note(_ id: Int64, on connection: Connection) {
        last = max(last, id)
        version = Self.version(of: connection.handle)
    }

    private static func version(of handle: OpaquePointer?) -> UInt32? {
        var version: UInt32 = 0
        guard sqlite3_file_control(handle, nil, SQLITE_FCNTL_DATA_VERSION, &version) == SQLITE_OK else { return nil }
        return version
    }
}
