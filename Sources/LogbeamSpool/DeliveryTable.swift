internal import CSQLite
internal import LogbeamCore

/// The table `deliveries`: the batches that are on their way, and those whose records are being deleted.
///
/// Not thread-safe: belongs to ``Writer``, which calls it inside of a transaction.
final class DeliveryTable {
    private let connection: Connection
    private let insert: Statement
    private let delete: Statement
    private let update: Statement
    private let selectSliceEnd: Statement
    private let deleteSlice: Statement
    private let deleteRecord: Statement
    private let selectNextRecord: Statement
    private let deleteAll: Statement
    private let deleteAcknowledged: Statement

    init(connection: Connection) throws(SpoolError) {
        self.connection = connection
        insert = try connection.prepare(
            """
            INSERT INTO deliveries (stream_id, first_id, last_id, latest_timestamp, started_at)
            VALUES (?1, ?2, ?3, ?4, ?5)
            """
        )
        delete = try connection.prepare(
            "DELETE FROM deliveries WHERE stream_id = ?1 AND first_id = ?2 AND last_id = ?3"
        )
        update = try connection.prepare(
            """
            UPDATE deliveries SET acknowledged = 1, latest_timestamp = ?4
            WHERE stream_id = ?1 AND first_id = ?2 AND last_id = ?3 AND acknowledged = 0
            """
        )
        selectSliceEnd = try connection.prepare(
            "SELECT id FROM records WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1 OFFSET ?3"
        )
        deleteSlice = try connection.prepare(
            "DELETE FROM records WHERE id BETWEEN ?1 AND ?2 AND stream_id = ?3 AND timestamp <= ?4"
        )
        deleteRecord = try connection.prepare(
            "DELETE FROM records WHERE id = ?1 AND stream_id = ?2 AND timestamp <= ?3"
        )
        selectNextRecord = try connection.prepare("SELECT id FROM records WHERE id >= ?1 ORDER BY id LIMIT 1")
        // Frees the pages without a look at what is on them
        // (https://www.sqlite.org/lang_delete.html#the_truncate_optimization).
        deleteAll = try connection.prepare("DELETE FROM records")
        deleteAcknowledged = try connection.prepare("DELETE FROM deliveries WHERE acknowledged = 1")
    }

    func add(_ range: BatchRange) throws(SpoolError) {
        try insert.bind(range.latest, at: 4)
        try insert.bind(WallClock.milliseconds(), at: 5)
        try run(insert, range)
    }

    func remove(_ range: BatchRange) throws(SpoolError) {
        try run(delete, range)
    }

    /// Marks a batch as acknowledged, up to its latest time, which may have become less. False if it was before.
    func mark(_ range: BatchRange) throws(SpoolError) -> Bool {
        try update.bind(range.latest, at: 4)
        try run(update, range)
        return sqlite3_changes(connection.handle) > 0
    }

    /// Deletes the next records of a batch, from an id on. Looks at so many at most, its own and those of other streams
    /// between them; returns the id of the last of them, `nil` if there are no more.
    func deleteRecords(of range: BatchRange, from start: Int64, limit: Int) throws(SpoolError) -> Int64? {
        try selectSliceEnd.bind(start, at: 1)
        try selectSliceEnd.bind(range.last, at: 2)
        try selectSliceEnd.bind(Int64(limit - 1), at: 3)
        let end = try selectSliceEnd.step() ? selectSliceEnd.integer(0) : nil
        selectSliceEnd.reset()
        try deleteSlice.bind(start, at: 1)
        try deleteSlice.bind(end ?? range.last, at: 2)
        try deleteSlice.bind(range.stream, at: 3)
        try deleteSlice.bind(range.latest, at: 4)
        try deleteSlice.run()
        return end == range.last ? nil : end
    }

    /// The same for a batch whose records are known by their ids, ascending: it looks at no others.
    func deleteRecords(of range: BatchRange, ids: [Int64], from start: Int64, limit: Int) throws(SpoolError) -> Int64? {
        try deleteRecord.bind(range.stream, at: 2)
        try deleteRecord.bind(range.latest, at: 3)
        let rest = ids[Self.firstIndex(in: ids, from: start)...]
        for id in rest.prefix(limit) {
            try deleteRecord.bind(id, at: 1)
            try deleteRecord.run()
        }
        return limit < rest.count ? rest.prefix(limit).last : nil
    }

    /// Whether there is a record whose id is in none of these ranges. Costs one look for each of them.
    func hasRecords(outside ranges: [BatchRange]) throws(SpoolError) -> Bool {
        var next = try firstRecord(from: .min)
        for range in ranges.sorted(by: { $0.first < $1.first }) {
            guard let id = next, id <= range.last else { continue }
            if id < range.first { return true }
            next = range.last < .max ? try firstRecord(from: range.last + 1) : nil
        }
        return next != nil
    }

    private func firstRecord(from id: Int64) throws(SpoolError) -> Int64? {
        try selectNextRecord.bind(id, at: 1)
        defer { selectNextRecord.reset() }
        return try selectNextRecord.step() ? selectNextRecord.integer(0) : nil
    }

    /// Deletes all records, of whatever batch, and the notes of those batches that are acknowledged.
    func deleteAllRecords() throws(SpoolError) {
        try deleteAll.run()
        try deleteAcknowledged.run()
    }

    /// Where the ids begin that are not less than `start`.
    private static func firstIndex(in ids: [Int64], from start: Int64) -> Int {
        var (low, high) = (0, ids.count)
        while low < high {
            let middle = (low + high) / 2
            if ids[middle] < start { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func run(_ statement: Statement, _ range: BatchRange) throws(SpoolError) {
        try statement.bind(range.stream, at: 1)
        try statement.bind(range.first, at: 2)
        try statement.bind(range.last, at: 3)
        try statement.run()
    }
}

extension Connection {
    /// The batches that the service has, and whose records are still to be deleted: those are pending no more.
    func acknowledgedBatches() throws(SpoolError) -> [BatchRange] {
        try deliveries().filter(\.acknowledged).map(\.range)
    }

    /// The batches that were in flight when their process died, oldest first, and whether each was acknowledged already.
    func deliveries() throws(SpoolError) -> [(range: BatchRange, acknowledged: Bool)] {
        let rows = try prepare(
            "SELECT stream_id, first_id, last_id, latest_timestamp, acknowledged FROM deliveries ORDER BY id"
        )
        defer { rows.reset() }
        var deliveries: [(range: BatchRange, acknowledged: Bool)] = []
        while try rows.step() {
            let range = BatchRange(
                stream: rows.integer(0),
                first: rows.integer(1),
                last: rows.integer(2),
                latest: rows.integer(3)
            )
            deliveries.append((range, rows.integer(4) != 0))
        }
        return deliveries
    }
}
