internal import LogbeamCore
internal import Synchronization

extension Spool {
    /// Appends all that is in another spool, which nobody else uses: under new ids, for those that upload from this one
    /// look only for higher ones; in the same order.
    func append(fromDraft path: String) throws(SpoolError) {
        let draft = try SpoolFile.openForReading(path: path)
        let streams = try streamIDs(of: draft)
        let records = try draft.prepare("SELECT message, stream_id, timestamp FROM records ORDER BY id")
        try appendSlices(of: records, areNew: true) { (writer, row) throws(SpoolError) in
            _ = try writer.insert(
                stream: streams[row.integer(1)] ?? 0,
                timestamp: row.integer(2),
                message: row.bytes(0).assumingMemoryBound(to: UInt8.self)
            )
        }
        try appendNotes(of: draft, streams: streams)
    }

    /// Appends what another file knows of records that are not pending: those that were rejected, and the gaps.
    ///
    /// - Parameter streams: by the ids that the streams have there, those that they have here.
    func appendNotes(of source: Connection, streams: [Int64: Int64]) throws(SpoolError) {
        let rejected = try source.prepare(
            "SELECT message, id, stream_id, timestamp, reason, rejected_at FROM rejected ORDER BY id"
        )
        try appendSlices(of: rejected) { (writer, row) throws(SpoolError) in
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
        let gaps = try source.prepare("SELECT reason, stream_id, records, first_at, last_at FROM gaps")
        try appendSlices(of: gaps) { (writer, row) throws(SpoolError) in
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
        mayHaveUntoldGaps.store(true, ordering: .releasing)
    }

    /// Makes known the streams of another file. Returns the ids that they have here, by those that they have there.
    func streamIDs(of source: Connection) throws(SpoolError) -> [Int64: Int64] {
        var streams: [Int64: Int64] = [:]
        let names = try source.prepare("SELECT id, log_group, log_stream FROM streams ORDER BY id")
        while try names.step() {
            streams[names.integer(0)] = try streamID(
                for: Destination(logGroup: names.text(1), logStream: names.text(2))
            )
        }
        return streams
    }

    /// Writes rows, whose first columns are their texts, in short transactions, so that no other writer waits for long.
    ///
    /// - Parameter areNew: whether there must be room for them. Then a slice is no longer than what was found.
    private func appendSlices(
        of rows: Statement,
        areNew: Bool = false,
        _ append: (Writer, Statement) throws(SpoolError) -> Void
    ) throws(SpoolError) {
        var isMore = try rows.step()
        while isMore {
            try write { writer throws(SpoolError) in
                if areNew { try writer.room.admit(SpoolLimit.cost(ofMessage: rows.byteCount(0))) }
                let most = areNew ? min(Self.sliceBytes, Int(writer.room.left)) : Self.sliceBytes
                try writer.connection.transaction { () throws(SpoolError) in
                    var bytes = 0
                    for _ in 0..<Writer.sliceSize where isMore && bytes < most {
                        bytes += rows.byteCount(0)
                        try append(writer, rows)
                        isMore = try rows.step()
                    }
                }
            }
            lock.giveWay()
        }
    }

    /// Messages of a mebibyte in all are written within milliseconds.
    static let sliceBytes = 1 << 20
}
