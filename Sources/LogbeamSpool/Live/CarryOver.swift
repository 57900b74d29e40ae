internal import CSQLite
internal import LogbeamCore
internal import Synchronization

/// Moves what is pending in a file that is in use no more into the one that is, and all that is noted of it.
///
/// A slice is deleted there in a transaction that spans the one which writes it here: a process that dies in between leaves
/// it in both. Batches in doubt stay what they are: each is written here in one transaction, and noted as a delivery. That
/// holds only where nobody else uploads from the new file meanwhile, so only with the lease.
struct CarryOver {
    let old: Spool
    let new: Spool
    let holdsLease: Bool
    /// By the ids that the streams have in the old file, those that they have in the new one.
    private var streams: [Int64: Int64] = [:]
    /// The last stream of the old file that is among them: other processes may yet make some known to it.
    private var lastStream: Int64?

    init(old: Spool, new: Spool, holdsLease: Bool) {
        self.old = old
        self.new = new
        self.holdsLease = holdsLease
    }

    private struct Row {
        var id: Int64
        var stream: Int64
        var timestamp: Int64
        var message: [UInt8]
    }

    /// Stops between two slices when `isWanted` says no, which it is asked before each. Returns whether all is moved.
    mutating func run(while isWanted: () -> Bool) throws(SpoolError) -> Bool {
        try old.deleteMoved()
        let deliveries = try old.write { writer throws(SpoolError) in try writer.connection.deliveries() }
        for (range, isAcknowledged) in deliveries {
            guard isWanted() else { return false }
            if isAcknowledged {
                try old.finish(range, in: nil) { _ = isWanted() }
            } else if holdsLease {
                try move(range)
            }
        }
        while try moveSlice() {
            new.lock.giveWay()
            guard isWanted() else { return false }
        }
        for table in NoteTable.all {
            while try moveSlice(of: table) {
                new.lock.giveWay()
                guard isWanted() else { return false }
            }
        }
        return true
    }

    /// A batch in doubt, as a whole: it is bounded by what the service takes in one request.
    private mutating func move(_ range: BatchRange) throws(SpoolError) {
        _ = try move(of: range, limit: .max, bytes: .max) { (writer, ids, stream) throws(SpoolError) in
            guard let first = ids.first, let last = ids.last else { return }
            try writer.deliveries.add(BatchRange(stream: stream, first: first, last: last, latest: range.latest))
        }
        try old.abandon(range, in: nil)
    }

    /// The next records. False if there are none.
    private mutating func moveSlice() throws(SpoolError) -> Bool {
        try move(of: nil, limit: Writer.sliceSize, bytes: Spool.sliceBytes) { _, _, _ in }
    }

    /// The records of a batch, or of all: the parameters are its first and last id, its stream, and its latest time.
    private static let condition = "id BETWEEN ?1 AND ?2 AND stream_id = coalesce(?3, stream_id) AND timestamp <= ?4"

    /// Moves records in one transaction, of a batch or of all; `body` is in it, and is told their new ids, and that of the
    /// stream of the last.
    private mutating func move(
        of batch: BatchRange?,
        limit: Int,
        bytes: Int,
        _ body: (Writer, [Int64], Int64) throws(SpoolError) -> Void
    ) throws(SpoolError) -> Bool {
        try old.moveSlice { source throws(SpoolError) in
            let rows = try read(source, of: batch, limit: limit, bytes: bytes)
            guard let last = rows.last else { return nil }
            try learnStreams(of: source)
            try new.write { target throws(SpoolError) in
                try target.connection.transaction { () throws(SpoolError) in
                    var ids: [Int64] = []
                    for row in rows {
                        ids.append(try append(row, to: target, stream: streams[row.stream] ?? 0))
                    }
                    try body(target, ids, streams[last.stream] ?? 0)
                }
            }
            return Spool.Deletion { [new] connection throws(SpoolError) in
                try new.sync()
                let delete = try connection.prepare("DELETE FROM records WHERE \(Self.condition)")
                try Self.bind(delete, to: batch, through: last.id)
                try delete.run()
            }
        }
    }

    private static func bind(_ statement: Statement, to batch: BatchRange?, through last: Int64) throws(SpoolError) {
        try statement.bind(batch?.first ?? .min, at: 1)
        try statement.bind(last, at: 2)
        // What is not bound is NULL.
        if let stream = batch?.stream { try statement.bind(stream, at: 3) }
        try statement.bind(batch?.latest ?? .max, at: 4)
    }

    /// Makes the streams of the old file known to the new one, where there are any that are not yet.
    private mutating func learnStreams(of source: Connection) throws(SpoolError) {
        let last = try source.integer("SELECT max(id) FROM streams")
        guard last != lastStream else { return }
        streams = try new.streamIDs(of: source)
        lastStream = last
    }

    private func read(
        _ connection: Connection,
        of batch: BatchRange?,
        limit: Int,
        bytes: Int
    ) throws(SpoolError) -> [Row] {
        let select = try connection.prepare(
            "SELECT id, stream_id, timestamp, message FROM records WHERE \(Self.condition) ORDER BY id LIMIT ?5"
        )
        defer { select.reset() }
        try Self.bind(select, to: batch, through: batch?.last ?? .max)
        try select.bind(Int64(limit), at: 5)
        var rows: [Row] = []
        var size = 0
        while size < bytes, try select.step() {
            let message = [UInt8](select.bytes(3))
            size += message.count
            rows.append(
                Row(id: select.integer(0), stream: select.integer(1), timestamp: select.integer(2), message: message)
            )
        }
        return rows
    }

    private func append(_ row: Row, to writer: Writer, stream: Int64) throws(SpoolError) -> Int64 {
        let result = row.message.withUnsafeBufferPointer { message in
            Result { () throws(SpoolError) in
                // What is in the spool already is not refused for want of room.
                let record = NewRecord(stream: stream, timestamp: row.timestamp, message: message)
                return try writer.insert(record)
            }
        }
        return try result.get()
    }

    /// The next of what is noted in a table. False if there is nothing.
    private mutating func moveSlice(of table: NoteTable) throws(SpoolError) -> Bool {
        try old.moveSlice { source throws(SpoolError) in
            let rows = try source.prepare(table.select)
            defer { rows.reset() }
            var isMore = try rows.step()
            guard isMore else { return nil }
            try learnStreams(of: source)
            var count = 0
            try new.write { target throws(SpoolError) in
                try target.connection.transaction { () throws(SpoolError) in
                    var bytes = 0
                    while isMore, count < Writer.sliceSize, bytes < Spool.sliceBytes {
                        count += 1
                        bytes += rows.byteCount(0)
                        try table.add(target, rows, streams)
                        isMore = try rows.step()
                    }
                }
            }
            new.mayHaveUntoldGaps.store(true, ordering: .releasing)
            return Spool.Deletion { [count, new] connection throws(SpoolError) in
                try new.sync()
                let delete = try connection.prepare(table.deleteFirst)
                try delete.bind(Int64(count), at: 1)
                try delete.run()
            }
        }
    }
}

extension Spool {
    /// Deletes what was moved to another file, now or later, when the disk has that: a power cut must not find that deleted
    /// in the old file which is not on the disk in the new one.
    ///
    /// No function by itself: each access to one in a `Mutex` would wrap it once more, until to call it takes all of the stack.
    struct Deletion: Sendable {
        let run: @Sendable (Connection) throws(SpoolError) -> Void

        init(_ run: @escaping @Sendable (Connection) throws(SpoolError) -> Void) {
            self.run = run
        }
    }

    /// Deletes here, in one transaction, what `body` has written to another file. Where this file does not take that, it is
    /// what ``deleteMoved()`` has to do before anything else is moved, or the same would be moved again.
    ///
    /// - Parameter body: returns what deletes it; `nil` if there was nothing to write.
    /// - Returns: whether there was.
    fileprivate func moveSlice(_ body: (Connection) throws(SpoolError) -> Deletion?) throws(SpoolError) -> Bool {
        let isMoved = try write { writer throws(SpoolError) in
            try writer.connection.transaction { () throws(SpoolError) in
                guard let deletion = try body(writer.connection) else { return false }
                dueDeletion.withLock { $0 = deletion }
                try deletion.run(writer.connection)
                return true
            }
        }
        dueDeletion.withLock { $0 = nil }
        return isMoved
    }

    fileprivate func deleteMoved() throws(SpoolError) {
        guard let deletion = dueDeletion.withLock({ $0 }) else { return }
        try write { writer throws(SpoolError) in try deletion.run(writer.connection) }
        dueDeletion.withLock { $0 = nil }
    }

    /// Copies the log into the file, which may lie under another name than the log by now, and leaves the log at that.
    func truncateWAL() throws(SpoolError) {
        try write { writer throws(SpoolError) in
            guard try walMonitor.emptyWAL(of: writer.connection, SQLITE_CHECKPOINT_TRUNCATE) else {
                throw SpoolError(.busy, path: path, message: "somebody reads it, so that its log can not be copied")
            }
            writer.connection.keepWALAtClose()
        }
    }

    /// How many records of each stream are pending, and from when.
    func pendingByStream() throws(SpoolError) -> [(destination: Destination, gap: Gap)] {
        try write { writer throws(SpoolError) in
            let rows = try writer.connection.prepare(
                """
                SELECT log_group, log_stream, stream_id, count(*), min(timestamp), max(timestamp)
                FROM records JOIN streams ON streams.id = stream_id GROUP BY stream_id
                """
            )
            defer { rows.reset() }
            var found: [(destination: Destination, gap: Gap)] = []
            while try rows.step() {
                let gap = Gap(
                    stream: rows.integer(2),
                    reason: "spool file lost",
                    records: Int(rows.integer(3)),
                    first: rows.integer(4),
                    last: rows.integer(5)
                )
                found.append((Destination(logGroup: rows.text(0), logStream: rows.text(1)), gap))
            }
            return found
        }
    }
}
