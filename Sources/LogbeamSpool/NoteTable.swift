/// A table of what is known of records that are not pending, and how its rows are copied into another spool.
struct NoteTable: Sendable {
    /// Selects all rows, in an order that is always the same. The first column is the text that makes a row long.
    let select: String
    /// Deletes the first rows in that order; how many is its only parameter.
    let deleteFirst: String
    /// Adds the row at which the statement stands to what the writer's spool knows.
    ///
    /// The dictionary has, by the ids that the streams have where the row comes from, those that they have here.
    let add: @Sendable (Writer, Statement, [Int64: Int64]) throws(SpoolError) -> Void

    static let all = [rejected, gaps]

    private static let rejected = NoteTable(
        select: "SELECT message, id, stream_id, timestamp, reason, rejected_at FROM rejected ORDER BY id",
        deleteFirst: "DELETE FROM rejected WHERE id IN (SELECT id FROM rejected ORDER BY id LIMIT ?1)"
    ) { (writer, row, streams) throws(SpoolError) in
        // An id that is taken is that of a record of another spool.
        let insert = try writer.connection.prepare(
            """
            INSERT INTO rejected (id, stream_id, timestamp, message, reason, rejected_at)
            SELECT CASE WHEN EXISTS (SELECT 1 FROM rejected WHERE id = ?1)
                THEN (SELECT max(id) + 1 FROM rejected) ELSE ?1 END, ?2, ?3, ?4, ?5, ?6
            """
        )
        try insert.bind(row.integer(1), at: 1)
        try insert.bind(streams[row.integer(2)] ?? 0, at: 2)
        try insert.bind(row.integer(3), at: 3)
        try insert.bind(row.text(0), at: 4)
        try insert.bind(row.text(4), at: 5)
        try insert.bind(row.integer(5), at: 6)
        try insert.run()
    }

    private static let gaps = NoteTable(
        select: "SELECT reason, stream_id, records, first_at, last_at FROM gaps ORDER BY stream_id, reason",
        deleteFirst: """
            DELETE FROM gaps WHERE (stream_id, reason) IN
                (SELECT stream_id, reason FROM gaps ORDER BY stream_id, reason LIMIT ?1)
            """
    ) { (writer, row, streams) throws(SpoolError) in
        let gap = Gap(
            stream: streams[row.integer(1)] ?? 0,
            reason: row.text(0),
            records: Int(row.integer(2)),
            first: row.integer(3),
            last: row.integer(4)
        )
        // Under the reason as it stands there: with the mark, where the stream is yet to be told.
        try writer.gaps.add(gap, isTold: true)
    }
}
