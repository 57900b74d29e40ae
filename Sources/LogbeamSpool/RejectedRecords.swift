/// What people do with the records that the service would not take. Both go in slices, each in one transaction: whenever the
/// process is killed, a record is where it was or where it was to go, and never in both places.
extension Spool {
    /// Makes rejected records pending again, in the given order and under new ids. Returns how many: those that are not
    /// there any more are passed over.
    ///
    /// - Parameter time: the time that they get, in milliseconds since 1970-01-01T00:00:00Z; `nil` leaves them theirs.
    package func requeue(_ ids: [Int64], at time: Int64? = nil) throws(SpoolError) -> Int {
        try inSlices(ids) { (writer, ids) throws(SpoolError) in try writer.requeue(ids, at: time) }
    }

    /// Deletes rejected records for good. They are counted in `gaps`, as those are that had to make room; their streams
    /// are not told either: see ``RejectedTable/makeRoom()``. Returns how many.
    package func purgeRejected(_ ids: [Int64]) throws(SpoolError) -> Int {
        try inSlices(ids) { (writer, ids) throws(SpoolError) in try writer.purgeRejected(ids) }
    }

    private func inSlices(
        _ ids: [Int64],
        _ body: (Writer, ArraySlice<Int64>) throws(SpoolError) -> (looked: Int, found: Int)
    ) throws(SpoolError) -> Int {
        var rest = ids[...]
        var found = 0
        while !rest.isEmpty {
            let slice = try write { writer throws(SpoolError) in try body(writer, rest.prefix(Writer.sliceSize)) }
            rest = rest.dropFirst(slice.looked)
            found += slice.found
            tellOfRoom()
            try giveWay()
        }
        return found
    }
}

extension Writer {
    /// Under this name purged records are counted in `gaps`.
    private static let purged = "rejected, and purged"

    /// Stops after the record with which the messages have a mebibyte.
    fileprivate func requeue(
        _ ids: ArraySlice<Int64>,
        at time: Int64?
    ) throws(SpoolError) -> (looked: Int, found: Int) {
        let select = try connection.prepare("SELECT stream_id, timestamp, message FROM rejected WHERE id = ?1")
        let delete = try connection.prepare("DELETE FROM rejected WHERE id = ?1")
        try room.admit(try cost(of: ids, select))
        return try connection.transaction { () throws(SpoolError) in
            var (looked, found, bytes) = (0, 0, 0)
            for id in ids where bytes < Spool.sliceBytes {
                looked += 1
                try select.bind(id, at: 1)
                defer { select.reset() }
                guard try select.step() else { continue }
                bytes += select.byteCount(2)
                let record = NewRecord(
                    stream: select.integer(0),
                    timestamp: time ?? select.integer(1),
                    message: select.bytes(2).assumingMemoryBound(to: UInt8.self)
                )
                try insert(record)
                try delete.bind(id, at: 1)
                try delete.run()
                found += 1
            }
            return (looked, found)
        }
    }

    /// What the records of the next slice cost.
    private func cost(of ids: ArraySlice<Int64>, _ select: Statement) throws(SpoolError) -> Int64 {
        var (cost, bytes): (Int64, Int) = (0, 0)
        for id in ids where bytes < Spool.sliceBytes {
            try select.bind(id, at: 1)
            defer { select.reset() }
            guard try select.step() else { continue }
            bytes += select.byteCount(2)
            cost += SpoolLimit.cost(ofMessage: select.byteCount(2))
        }
        return cost
    }

    fileprivate func purgeRejected(_ ids: ArraySlice<Int64>) throws(SpoolError) -> (looked: Int, found: Int) {
        let select = try connection.prepare("SELECT stream_id, timestamp FROM rejected WHERE id = ?1")
        let delete = try connection.prepare("DELETE FROM rejected WHERE id = ?1")
        return try connection.transaction { () throws(SpoolError) in
            var found = 0
            for id in ids {
                try select.bind(id, at: 1)
                defer { select.reset() }
                guard try select.step() else { continue }
                let (stream, time) = (select.integer(0), select.integer(1))
                let gap = Gap(stream: stream, reason: Self.purged, records: 1, first: time, last: time)
                try gaps.add(gap, isTold: true)
                try delete.bind(id, at: 1)
                try delete.run()
                found += 1
            }
            room.noteDeletion()
            return (ids.count, found)
        }
    }
}
