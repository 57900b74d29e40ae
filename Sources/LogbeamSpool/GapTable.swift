/// The table `gaps`: how many records of each stream are missing for each reason, and between which times.
///
/// What the stream was not told of yet stands apart, under the reason with a mark (``Gap/untold(_:)``).
///
/// Not thread-safe: belongs to ``Writer``.
final class GapTable {
    private let insert: Statement
    private let selectUntold: Statement
    private let selectOne: Statement
    private let delete: Statement

    init(connection: Connection) throws(SpoolError) {
        insert = try connection.prepare(Self.adding("VALUES (?1, ?2, ?3, ?4, ?5)"))
        selectUntold = try connection.prepare(
            """
            SELECT stream_id, substr(reason, 1, length(reason) - length(?1)), records, first_at, last_at FROM gaps
            WHERE substr(reason, -length(?1)) = ?1
            """
        )
        selectOne = try connection.prepare(
            "SELECT records, first_at, last_at FROM gaps WHERE stream_id = ?1 AND reason = ?2"
        )
        delete = try connection.prepare("DELETE FROM gaps WHERE stream_id = ?1 AND reason = ?2")
    }

    /// The statement that adds rows to what is there: stream, reason, count, first and last time.
    static func adding(_ rows: String) -> String {
        """
        INSERT INTO gaps (stream_id, reason, records, first_at, last_at) \(rows)
        ON CONFLICT DO UPDATE SET records = records + excluded.records,
            first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)
        """
    }

    func add(_ gap: Gap, isTold: Bool) throws(SpoolError) {
        try insert.bind(gap.stream, at: 1)
        try insert.bind(isTold ? gap.reason : Gap.untold(gap.reason), at: 2)
        try insert.bind(Int64(gap.records), at: 3)
        try insert.bind(gap.first, at: 4)
        try insert.bind(gap.last, at: 5)
        try insert.run()
    }

    /// What the streams have not been told of yet.
    func untold() throws(SpoolError) -> [Gap] {
        try selectUntold.bind(Gap.untoldMark, at: 1)
        defer { selectUntold.reset() }
        var gaps: [Gap] = []
        while try selectUntold.step() {
            gaps.append(
                Gap(
                    stream: selectUntold.integer(0),
                    reason: selectUntold.text(1),
                    records: Int(selectUntold.integer(2)),
                    first: selectUntold.integer(3),
                    last: selectUntold.integer(4)
                )
            )
        }
        return gaps
    }

    /// Takes out what a stream has not been told of yet; `nil` if there is nothing.
    func takeUntold(stream: Int64, reason: String) throws(SpoolError) -> Gap? {
        for statement in [selectOne, delete] {
            try statement.bind(stream, at: 1)
            try statement.bind(Gap.untold(reason), at: 2)
        }
        guard try selectOne.step() else {
            selectOne.reset()
            return nil
        }
        let gap = Gap(
            stream: stream,
            reason: reason,
            records: Int(selectOne.integer(0)),
            first: selectOne.integer(1),
            last: selectOne.integer(2)
        )
        selectOne.reset()
        try delete.run()
        return gap
    }
}
