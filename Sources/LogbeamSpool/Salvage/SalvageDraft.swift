internal import CSQLite
internal import LogbeamCore

/// The spool into which salvaged rows go, under the ids that they had: so each is taken once, and they stand in the order
/// in which they were committed, wherever in the damaged file they were found.
///
/// Nobody else knows the file before all is in it.
final class SalvageDraft {
    private let connection: Connection
    private let insertStream: Statement
    private let insertRecord: Statement
    private let insertOtherRecord: Statement
    private let insertRejected: Statement
    private let insertOtherRejected: Statement
    private let insertGap: Statement
    private var uncommitted = 0
    private(set) var altered = 0

    /// Rows that are written in one transaction.
    private static let transactionSize = 10_000
    /// From the year 1970 to 9999, in milliseconds since 1970-01-01T00:00:00Z.
    private static let times: ClosedRange<Int64> = 0...253_402_300_799_999

    /// - Parameter path: an empty file.
    init(path: String) throws(SpoolError) {
        connection = try SpoolFile.openForWriting(path: path, create: true, powerLossSafe: false)
        insertStream = try connection.prepare(
            "INSERT OR IGNORE INTO streams (id, log_group, log_stream) VALUES (?1, ?2, ?3)"
        )
        insertRecord = try connection.prepare(
            "INSERT OR IGNORE INTO records (id, stream_id, timestamp, message) VALUES (?1, ?2, ?3, ?4)"
        )
        insertOtherRecord = try connection.prepare(
            """
            INSERT INTO records (id, stream_id, timestamp, message) SELECT \(Self.otherID("records")), ?2, ?3, ?4
            WHERE NOT EXISTS (SELECT 1 FROM records WHERE id = ?1 AND stream_id = ?2 AND timestamp = ?3 AND message = ?4)
            """
        )
        insertRejected = try connection.prepare(
            """
            INSERT OR IGNORE INTO rejected (id, stream_id, timestamp, message, reason, rejected_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            """
        )
        insertOtherRejected = try connection.prepare(
            """
            INSERT INTO rejected (id, stream_id, timestamp, message, reason, rejected_at)
            SELECT \(Self.otherID("rejected")), ?2, ?3, ?4, ?5, ?6
            WHERE NOT EXISTS (SELECT 1 FROM rejected WHERE id = ?1 AND stream_id = ?2 AND timestamp = ?3 AND message = ?4)
            """
        )
        insertGap = try connection.prepare(
            "INSERT OR IGNORE INTO gaps (stream_id, reason, records, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5)"
        )
        try connection.execute("BEGIN")
    }

    /// Ids are microseconds since 1970; those of its first quarter of an hour are free for rows whose id is another's.
    private static func otherID(_ table: String) -> String {
        "1 + coalesce((SELECT max(id) FROM \(table) WHERE id < 1000000000), 0)"
    }

    /// False if the same was taken before.
    ///
    /// - Parameter isCertain: that the row is one of the file. Then one of two records with the same id and different
    ///   content has a damaged id: both are taken, the second under another id.
    func take(_ row: SalvagedRow, isCertain: Bool) throws(SpoolError) -> Bool {
        var isAltered = false
        var isNew = try insert(row, as: false, &isAltered)
        if !isNew, isCertain {
            isNew = try insert(row, as: true, &isAltered)
            if isNew { isAltered = true }
        }
        if isNew, isAltered { altered += 1 }
        uncommitted += 1
        if uncommitted == Self.transactionSize {
            uncommitted = 0
            try connection.execute("COMMIT; BEGIN")
        }
        return isNew
    }

    /// - Parameter isOther: under another id, if the row that has its id is another row.
    private func insert(_ row: SalvagedRow, as isOther: Bool, _ isAltered: inout Bool) throws(SpoolError) -> Bool {
        let statement: Statement
        switch row {
        case .stream(let id, let destination):
            statement = insertStream
            try statement.bind(id, at: 1)
            try statement.bind(destination.logGroup, at: 2)
            try statement.bind(destination.logStream, at: 3)
        case .record(let id, let stream, let timestamp, let message):
            statement = isOther ? insertOtherRecord : insertRecord
            try statement.bind(id, at: 1)
            try statement.bind(stream, at: 2)
            try statement.bind(Self.time(timestamp, &isAltered), at: 3)
            try statement.bind(Self.text(message, &isAltered), at: 4)
        case .rejected(let id, let stream, let timestamp, let message, let reason, let rejectedAt):
            statement = isOther ? insertOtherRejected : insertRejected
            try statement.bind(id, at: 1)
            try statement.bind(stream, at: 2)
            try statement.bind(Self.time(timestamp, &isAltered), at: 3)
            try statement.bind(Self.text(message, &isAltered), at: 4)
            try statement.bind(Self.text(reason, &isAltered), at: 5)
            try statement.bind(Self.time(rejectedAt, &isAltered), at: 6)
        case .gap(let stream, let reason, let records, let first, let last):
            statement = insertGap
            try statement.bind(stream, at: 1)
            try statement.bind(Self.text(reason, &isAltered), at: 2)
            try statement.bind(records, at: 3)
            try statement.bind(Self.time(first, &isAltered), at: 4)
            try statement.bind(Self.time(last, &isAltered), at: 5)
        case .delivery, .counter, .schema:
            return true
        }
        try statement.run()
        return sqlite3_changes(connection.handle) > 0
    }

    private static func time(_ time: Int64, _ isAltered: inout Bool) -> Int64 {
        if !times.contains(time) { isAltered = true }
        return min(max(time, times.lowerBound), times.upperBound)
    }

    private static func text(_ bytes: ArraySlice<UInt8>, _ isAltered: inout Bool) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        isAltered = true
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Gives names to the streams whose names are lost. Returns how many there are.
    func finish() throws(SpoolError) -> Int {
        let named = try connection.integer("SELECT count(*) FROM streams")
        // A file that was salvaged before may have such a name already, for another stream.
        try connection.execute(
            """
            INSERT INTO streams (id, log_group, log_stream)
            SELECT stream_id, 'logbeam-salvaged', 'salvaged-' || stream_id || CASE
                WHEN EXISTS (SELECT 1 FROM streams WHERE log_stream = 'salvaged-' || lost.stream_id)
                THEN strftime('-%s') ELSE '' END
            FROM (SELECT stream_id FROM records UNION SELECT stream_id FROM rejected UNION SELECT stream_id FROM gaps)
                AS lost
            WHERE stream_id NOT IN (SELECT id FROM streams);
            COMMIT
            """
        )
        return Int(try connection.integer("SELECT count(*) FROM streams") - named)
    }
}
