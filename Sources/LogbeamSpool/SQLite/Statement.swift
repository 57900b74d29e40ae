internal import CSQLite

/// One prepared statement. The owner frees.
///
/// Columns count from 0, parameters from 1, as in SQLite.
final class Statement {
    private let handle: OpaquePointer
    // The connection must outlive its statements.
    private let connection: Connection

    init(_ handle: OpaquePointer, connection: Connection) {
        self.handle = handle
        self.connection = connection
    }

    deinit {
        if !connection.isInherited { sqlite3_finalize(handle) }
    }

    func bind(_ value: Int64, at index: Int32) throws(SpoolError) {
        try connection.check(sqlite3_bind_int64(handle, index, value))
    }

    /// Binds a string as TEXT; SQLite keeps a copy.
    func bind(_ text: String, at index: Int32) throws(SpoolError) {
        var text = text
        let code = text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) {
                sqlite3_bind_text64(
                    handle,
                    index,
                    $0.baseAddress,
                    UInt64($0.count),
                    logbeam_sqlite_transient(),
                    UInt8(SQLITE_UTF8)
                )
            }
        }
        try connection.check(code)
    }

    /// True if there is a row to read, false at the end.
    func step() throws(SpoolError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW:
            return true
        case SQLITE_DONE:
            return false
        case let code:
            let failure = connection.failure(code)
            sqlite3_reset(handle)
            throw failure
        }
    }

    /// Runs a statement that yields no rows.
    func run() throws(SpoolError) {
        _ = try step()
        reset()
    }

    /// Ends the run: frees the locks that it holds. Bound values stay.
    func reset() {
        sqlite3_reset(handle)
    }

    func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    func byteCount(_ column: Int32) -> Int {
        Int(sqlite3_column_bytes(handle, column))
    }

    /// The bytes of a TEXT or BLOB column, valid until the next step.
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        // `sqlite3_column_blob` first: it does not append the terminating NUL that `sqlite3_column_text` may copy for.
        let base = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(start: base, count: Int(sqlite3_column_bytes(handle, column)))
    }

    func text(_ column: Int32) -> String {
        String(decoding: bytes(column), as: UTF8.self)
    }
}
