internal import CSQLite

/// A record on its way into the spool. The bytes belong to the thread that appends it, and are valid until that returns.
package struct NewRecord {
    var stream: Int64
    var timestamp: Int64
    var message: UnsafeBufferPointer<UInt8>

    package init(stream: Int64, timestamp: Int64, message: UnsafeBufferPointer<UInt8>) {
        self.stream = stream
        self.timestamp = timestamp
        self.message = message
    }
}

/// Inserts records, however many, by one statement: what it selects from is no table of the file, but the records that
/// are at hand (https://www.sqlite.org/vtab.html#eponymous_virtual_tables). One record costs as much as if it were bound to
/// a statement, and each of eight in a transaction two thirds of that.
///
/// Not thread-safe: belongs to ``Writer``.
final class NewRecords {
    private let connection: Connection
    private let ids: NewIDs
    private let insert: Statement
    private let rows: UnsafeMutablePointer<Rows>

    init(connection: Connection, ids: NewIDs) throws(SpoolError) {
        self.connection = connection
        self.ids = ids
        rows = .allocate(capacity: 1)
        rows.initialize(to: Rows(ids: ids))
        do throws(SpoolError) {
            try connection.check(
                sqlite3_create_module_v2(connection.handle, "logbeam_new_records", Rows.module, rows, nil)
            )
            // Where it fails, the whole transaction is undone: otherwise SQLite would note what to undo of it alone.
            insert = try connection.prepare(
                """
                INSERT OR ROLLBACK INTO records (id, stream_id, timestamp, message)
                SELECT id, stream_id, timestamp, message FROM logbeam_new_records
                """
            )
        } catch {
            rows.deinitialize(count: 1)
            rows.deallocate()
            throw error
        }
    }

    deinit {
        rows.deinitialize(count: 1)
        rows.deallocate()
    }

    /// Inserts records under ids that follow each other, and commits them unless there is a transaction. Returns the id of
    /// the first; 0 if there is none.
    func insert(_ records: UnsafeBufferPointer<NewRecord>) throws(SpoolError) -> Int64 {
        guard !records.isEmpty else { return 0 }
        rows.pointee.records = records
        defer { rows.pointee.records = UnsafeBufferPointer(start: nil, count: 0) }
        try insert.run()
        // In a file that somebody has changed a trigger may swallow them.
        guard sqlite3_changes(connection.handle) == records.count else { throw connection.failure(SQLITE_INTERNAL) }
        let first = rows.pointee.firstID
        ids.note(first + Int64(records.count - 1))
        return first
    }
}

/// What SQLite knows as the table `logbeam_new_records`, and as a cursor in it: the statement above is the only one that
/// opens one.
private struct Rows {
    // At the beginning: SQLite knows nothing of the rest.
    var cursor = sqlite3_vtab_cursor()
    let ids: NewIDs
    var records = UnsafeBufferPointer<NewRecord>(start: nil, count: 0)
    /// Valid once the rows are being read: the write lock is held by then.
    var firstID: Int64 = 0
    var index = 0

    init(ids: NewIDs) { self.ids = ids }

    private struct Table {
        // At the beginning, as above.
        var table = sqlite3_vtab()
        let rows: UnsafeMutablePointer<Rows>
    }

    /// Never freed: connections call it until they are closed.
    // nonisolated(unsafe): nobody changes it.
    nonisolated(unsafe) static let module: UnsafePointer<sqlite3_module> = {
        var module = sqlite3_module()
        module.xConnect = { connection, rows, _, _, table, _ in
            guard let connection, let rows, let table else { return SQLITE_MISUSE }
            let code = sqlite3_declare_vtab(
                connection,
                "CREATE TABLE x (id INTEGER, stream_id INTEGER, timestamp INTEGER, message TEXT)"
            )
            guard code == SQLITE_OK else { return code }
            let made = UnsafeMutablePointer<Table>.allocate(capacity: 1)
            made.initialize(to: Table(rows: rows.assumingMemoryBound(to: Rows.self)))
            table.pointee = UnsafeMutableRawPointer(made).assumingMemoryBound(to: sqlite3_vtab.self)
            return logbeam_sqlite_direct_only(connection)
        }
        module.xDisconnect = { table in
            UnsafeMutableRawPointer(table)?.assumingMemoryBound(to: Table.self).deallocate()
            return SQLITE_OK
        }
        module.xBestIndex = { _, _ in SQLITE_OK }
        module.xOpen = { table, cursor in
            guard let table = UnsafeMutableRawPointer(table)?.assumingMemoryBound(to: Table.self), let cursor else {
                return SQLITE_MISUSE
            }
            cursor.pointee = UnsafeMutableRawPointer(table.pointee.rows)
                .assumingMemoryBound(to: sqlite3_vtab_cursor.self)
            return SQLITE_OK
        }
        module.xClose = { _ in SQLITE_OK }
        module.xFilter = { cursor, _, _, _, _ in of(cursor).pointee.begin() }
        module.xNext = { cursor in
            of(cursor).pointee.index += 1
            return SQLITE_OK
        }
        module.xEof = { cursor in
            let rows = of(cursor)
            return rows.pointee.index < rows.pointee.records.count ? 0 : 1
        }
        module.xColumn = { cursor, context, column in
            of(cursor).pointee.tell(column, to: context)
            return SQLITE_OK
        }
        module.xRowid = { cursor, id in
            id?.pointee = of(cursor).pointee.id
            return SQLITE_OK
        }
        let kept = UnsafeMutablePointer<sqlite3_module>.allocate(capacity: 1)
        kept.initialize(to: module)
        return UnsafePointer(kept)
    }()

    private static func of(_ cursor: UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> UnsafeMutablePointer<Rows> {
        UnsafeMutableRawPointer(cursor!).assumingMemoryBound(to: Rows.self)
    }

    private mutating func begin() -> Int32 {
        index = 0
        do throws(SpoolError) {
            firstID = try ids.next()
        } catch {
            return error.code ?? SQLITE_ERROR
        }
        // None may come after the highest of all.
        return firstID.addingReportingOverflow(Int64(records.count - 1)).overflow ? SQLITE_MISMATCH : SQLITE_OK
    }

    private var id: Int64 { firstID + Int64(index) }

    private func tell(_ column: Int32, to context: OpaquePointer?) {
        let record = records[index]
        switch column {
        case 0: sqlite3_result_int64(context, id)
        case 1: sqlite3_result_int64(context, record.stream)
        case 2: sqlite3_result_int64(context, record.timestamp)
        default:
            // A null pointer would be NULL; an empty text needs any address.
            guard let base = record.message.baseAddress else {
                return sqlite3_result_text(context, "", 0, logbeam_sqlite_static())
            }
            base.withMemoryRebound(to: CChar.self, capacity: record.message.count) {
                sqlite3_result_text64(
                    context,
                    $0,
                    UInt64(record.message.count),
                    logbeam_sqlite_static(),
                    UInt8(SQLITE_UTF8)
                )
            }
        }
    }
}
