/// Makes room by dropping the pending records that were committed first, and counts them as gaps of their streams.
///
/// Records of a batch that stands in `deliveries` stay: it may have arrived, and is told to be sent with exactly the same
/// records.
///
/// Not thread-safe: belongs to ``Writer``, which calls it inside of a transaction.
final class OldestRecords {
    private let selectOldest: Statement
    private let countOldest: Statement
    private let deleteOldest: Statement
    /// Up to this id nothing was left to drop when a slice last looked: it must not pass over the batches in flight
    /// each time.
    private var cursor: Int64 = 0
    private var slices = 0

    /// A slice ends after so many records, or with the record with which their messages have so many bytes.
    static let sliceSize = 500
    private static let sliceBytes = 256 << 10
    /// Under this name they stand in `gaps`: see ``SpoolError/gapReason``.
    private static let reason = Gap.untold("spool full")

    init(connection: Connection) throws(SpoolError) {
        let isFree = """
            NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.stream_id = records.stream_id
                AND records.id BETWEEN first_id AND last_id AND records.timestamp <= latest_timestamp)
            """
        selectOldest = try connection.prepare(
            "SELECT id, message FROM records WHERE id > ?1 AND \(isFree) ORDER BY id LIMIT \(Self.sliceSize)"
        )
        countOldest = try connection.prepare(
            GapTable.adding(
                """
                SELECT stream_id, ?3, count(*), min(timestamp), max(timestamp) FROM records
                WHERE id BETWEEN ?1 AND ?2 AND \(isFree) GROUP BY stream_id
                """
            )
        )
        deleteOldest = try connection.prepare("DELETE FROM records WHERE id BETWEEN ?1 AND ?2 AND \(isFree)")
    }

    /// A batch is in flight no more, and its records are the oldest again.
    func startOver() { cursor = 0 }

    /// Drops a slice. Returns the highest id in it; `nil` if there is nothing that may be dropped.
    func drop() throws(SpoolError) -> Int64? {
        slices += 1
        // The uploader of another process tells nobody what is in flight no more.
        if slices.isMultiple(of: 64) { startOver() }
        if cursor > 0, let last = try drop(after: cursor) { return last }
        return try drop(after: 0)
    }

    private func drop(after start: Int64) throws(SpoolError) -> Int64? {
        try selectOldest.bind(start, at: 1)
        var first: Int64?
        var last: Int64?
        var bytes = 0
        while bytes < Self.sliceBytes, try selectOldest.step() {
            last = selectOldest.integer(0)
            first = first ?? last
            bytes += selectOldest.byteCount(1)
        }
        selectOldest.reset()
        guard let first, let last else { return nil }
        for statement in [countOldest, deleteOldest] {
            try statement.bind(first, at: 1)
            try statement.bind(last, at: 2)
        }
        try countOldest.bind(Self.reason, at: 3)
        try countOldest.run()
        try deleteOldest.run()
        cursor = last
        return last
    }
}
