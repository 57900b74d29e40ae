/// The on-disk format.
///
/// A spool is a SQLite database in WAL mode, marked by `application_id` and by its version in `user_version`:
///
/// - `streams`: the log streams that records are meant for, and how delivery to each is going.
/// - `records`: what is pending, and what is acknowledged and still to be deleted. Ids ascend in the order of commit and are
///   never reused, so that an acknowledgement can never delete a record that it was not meant for. No secondary index: it
///   would double the pages that a commit writes.
/// - `deliveries`: the batches in flight, written before the post. A row that outlives its process says exactly which
///   records are in doubt; a row that is marked as acknowledged says which are only still to be deleted.
/// - `rejected`: records that the service will not take, with the reason; as many as ``RejectedTable`` keeps.
/// - `gaps`: how many records of a stream are neither delivered nor here, why, and between which times.
/// - `counters`: `last_id`, the highest id that ever left `records`; `delivered`, the records acknowledged so far;
///   `flush_through`, the id up to which some process wants records to be sent without waiting; `rejected` and
///   `rejected_bytes`, the records in `rejected` and the UTF-8 bytes of their messages; `lease_epoch`, how many times
///   the upload lease was taken: see ``UploadLease``; for each import that has not come to its end, and each
///   ``Journal``, how far it has come: see ``AppendProgress``.
/// - `pending`: the view for people, without what is acknowledged.
enum Schema {
    /// "LBsp": marks a SQLite file as a spool of logbeam (https://www.sqlite.org/pragma.html#pragma_application_id).
    static let applicationID: Int64 = 0x4C42_7370
    /// Goes up with every change of the schema; ``migrations`` says what each version adds.
    static var version: Int64 { Int64(migrations.count) }

    /// The statements that lead from each version to the next, beginning with the empty file (version 0).
    static let migrations = [
        """
        CREATE TABLE streams (
            id INTEGER PRIMARY KEY,
            log_group TEXT NOT NULL,
            log_stream TEXT NOT NULL,
            last_delivery_at INTEGER,
            last_error_at INTEGER,
            last_error TEXT,
            UNIQUE (log_group, log_stream)
        );
        CREATE TABLE records (
            id INTEGER PRIMARY KEY,
            stream_id INTEGER NOT NULL,
            timestamp INTEGER NOT NULL,
            message TEXT NOT NULL
        );
        CREATE TABLE deliveries (
            id INTEGER PRIMARY KEY,
            stream_id INTEGER NOT NULL,
            first_id INTEGER NOT NULL,
            last_id INTEGER NOT NULL,
            latest_timestamp INTEGER NOT NULL,
            started_at INTEGER NOT NULL,
            acknowledged INTEGER NOT NULL DEFAULT 0
        );
        CREATE TABLE rejected (
            id INTEGER PRIMARY KEY,
            stream_id INTEGER NOT NULL,
            timestamp INTEGER NOT NULL,
            message TEXT NOT NULL,
            reason TEXT NOT NULL,
            rejected_at INTEGER NOT NULL
        );
        CREATE TABLE gaps (
            stream_id INTEGER NOT NULL,
            reason TEXT NOT NULL,
            records INTEGER NOT NULL,
            first_at INTEGER NOT NULL,
            last_at INTEGER NOT NULL,
            PRIMARY KEY (stream_id, reason)
        ) WITHOUT ROWID;
        CREATE TABLE counters (
            name TEXT PRIMARY KEY,
            value INTEGER NOT NULL
        ) WITHOUT ROWID;
        INSERT INTO counters (name, value) VALUES ('last_id', 0), ('delivered', 0), ('flush_through', 0);
        CREATE VIEW pending (id, time, log_group, log_stream, message) AS
            SELECT records.id, strftime('%Y-%m-%dT%H:%M:%fZ', records.timestamp / 1000.0, 'unixepoch'),
                streams.log_group, streams.log_stream, records.message
            FROM records CROSS JOIN streams ON streams.id = records.stream_id;
        """,
        // Triggers count what is in `rejected`: so the counts hold whoever writes, be it a process that opened the spool
        // under version 1 and has not ended since, or a person who clears the table.
        """
        ALTER TABLE streams ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
        INSERT INTO counters (name, value)
            SELECT 'rejected', count(*) FROM rejected
            UNION ALL SELECT 'rejected_bytes', coalesce(sum(length(CAST(message AS BLOB))), 0) FROM rejected;
        CREATE TRIGGER rejected_added AFTER INSERT ON rejected BEGIN
            UPDATE counters SET value = value + 1 WHERE name = 'rejected';
            UPDATE counters SET value = value + length(CAST(new.message AS BLOB)) WHERE name = 'rejected_bytes';
        END;
        CREATE TRIGGER rejected_removed AFTER DELETE ON rejected BEGIN
            UPDATE counters SET value = value - 1 WHERE name = 'rejected';
            UPDATE counters SET value = value - length(CAST(old.message AS BLOB)) WHERE name = 'rejected_bytes';
        END;
        """,
        "INSERT INTO counters (name, value) VALUES ('lease_epoch', 0)",
        // As `Connection.acknowledgedBatches` and `BatchRange.contains` have it. Behind the last such batch no record is compared with
        // each of them: in a flood that is most records, and up to 256 batches.
        """
        DROP VIEW pending;
        CREATE VIEW pending (id, time, log_group, log_stream, message) AS
            SELECT records.id, strftime('%Y-%m-%dT%H:%M:%fZ', records.timestamp / 1000.0, 'unixepoch'),
                streams.log_group, streams.log_stream, records.message
            FROM records CROSS JOIN streams ON streams.id = records.stream_id
            WHERE records.id > (SELECT coalesce(max(last_id), 0) FROM deliveries WHERE acknowledged)
                OR NOT EXISTS (
                    SELECT 1 FROM deliveries
                    WHERE acknowledged AND stream_id = records.stream_id AND records.id BETWEEN first_id AND last_id
                        AND records.timestamp <= latest_timestamp
                );
        """,
    ]

    /// Brings an open file to the current version, in one transaction; whoever comes second finds the work done.
    ///
    /// A process that opened the file under an earlier version and has not ended goes on: what it reads and writes is
    /// still there, and SQLite prepares its statements anew.
    static func migrate(_ connection: Connection) throws(SpoolError) {
        let found = try knownVersion(of: connection)
        guard found != version else { return }
        // In an empty file the vacuum mode must be chosen before the write lock fixes it, yet in the same transaction: by
        // itself it would make a database that nobody takes for a spool.
        let isEmpty = found == 0
        // An earlier version may have it open.
        if !isEmpty { try connection.finishRestart() }
        try connection.transaction(isImmediate: !isEmpty) { () throws(SpoolError) in
            if isEmpty { try connection.execute("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL") }
            let found = try knownVersion(of: connection)
            for migration in migrations.dropFirst(Int(found)) {
                try connection.execute(migration)
            }
            try connection.execute("PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version)")
        }
    }

    /// The version of an open file, which may stand in the write-ahead log alone; 0 is an empty file. Throws if it is none
    /// that we know, and leaves that file and its log as they are.
    static func knownVersion(of connection: Connection) throws(SpoolError) -> Int64 {
        let found = try connection.integer("PRAGMA user_version")
        guard (0...version).contains(found) else {
            connection.keepWALAtClose()
            throw unknown(found, path: connection.path)
        }
        return found
    }

    /// Throws unless the file is a spool of a version that we know. Changes nothing, not even a `-wal` file.
    static func verify(path: String) throws(SpoolError) {
        let connection = try Connection(path: path, mode: .untouched)
        let found: Int64
        do throws(SpoolError) {
            // Lets the header be read though it tells of more pages than there are: they stand in the write-ahead log
            // while a checkpoint runs, or after one whose process died.
            try connection.execute("PRAGMA writable_schema = ON")
            guard try connection.integer("PRAGMA application_id") == applicationID else {
                throw SpoolError(.notASpool, path: path, message: "the file is a SQLite database, but not a spool")
            }
            found = try connection.integer("PRAGMA user_version")
        } catch  where error.kind == .notASpool && error.code != nil {
            throw SpoolError(.notASpool, path: path, message: "the file is not a spool, nor any SQLite database")
        }
        guard (1...version).contains(found) else { throw unknown(found, path: path) }
    }

    private static func unknown(_ found: Int64, path: String) -> SpoolError {
        SpoolError(
            .newerVersion,
            path: path,
            message: "the spool has version \(found), and this logbeam knows versions up to \(version)"
        )
    }
}
