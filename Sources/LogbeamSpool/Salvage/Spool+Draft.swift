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
            try writer.insert(
                NewRecord(
                    stream: streams[row.integer(1)] ?? 0,
                    timestamp: row.integer(2),
                    message: row.bytes(0).assumingMemoryBound(to: UInt8.self)
                )
            )
        }
        for table in NoteTable.all {
            try appendSlices(of: draft.prepare(table.select)) { (writer, row) throws(SpoolError) in
                try table.add(writer, row, streams)
            }
        }
        mayHaveUntoldGaps.store(true, ordering: .releasing)
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
}
