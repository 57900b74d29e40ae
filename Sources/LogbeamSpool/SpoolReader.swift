package import LogbeamCore

/// Reads what is pending, on a read-only connection of its own, so that reading never waits for `log()` and never holds
/// it up.
///
/// Not Sendable: belongs to one thread.
package final class SpoolReader {
    let connection: Connection
    private let selectHeaders: Statement
    private let selectStreamHeaders: Statement
    private let selectSpan: Statement
    private let selectBatch: Statement
    private let selectRecord: Statement
    private let selectStream: Statement
    private let selectLastID: Statement
    private let selectAny: Statement
    private let selectFlushThrough: Statement
    private let selectTroubled: Statement
    private let selectEpoch: Statement

    /// - Parameter path: the file of a spool that some process has opened for writing since this version is installed: that
    ///   brought it to this version.
    package init(path: String) throws(SpoolError) {
        connection = try SpoolFile.openForReading(path: path)
        let version = try connection.integer("PRAGMA user_version")
        guard version == Schema.version else {
            throw SpoolError(
                .olderVersion,
                path: path,
                message: "the spool has version \(version), and is read from version \(Schema.version) on"
            )
        }
        // It reads one page after the other, each once, and whatever is committed meanwhile makes what it keeps
        // worthless. In KiB; by itself SQLite would keep 2,000.
        try connection.execute("PRAGMA cache_size = -256")
        selectHeaders = try connection.prepare(
            "SELECT id, stream_id, timestamp, message FROM records WHERE id > ?1 ORDER BY id LIMIT ?2"
        )
        selectStreamHeaders = try connection.prepare(
            """
            SELECT id, stream_id, timestamp, message FROM records
            WHERE id > ?1 AND id <= ?3 AND stream_id = ?4 ORDER BY id LIMIT ?2
            """
        )
        selectSpan = try connection.prepare(
            "SELECT count(*), max(id) FROM (SELECT id FROM records WHERE id > ?1 AND id <= ?3 ORDER BY id LIMIT ?2)"
        )
        selectBatch = try connection.prepare(
            """
            SELECT id, timestamp, message FROM records
            WHERE id BETWEEN ?1 AND ?2 AND stream_id = ?3 AND timestamp <= ?4 ORDER BY id
            """
        )
        selectRecord = try connection.prepare(
            "SELECT id, timestamp, message FROM records WHERE id = ?1 AND stream_id = ?2 AND timestamp <= ?3"
        )
        selectStream = try connection.prepare("SELECT log_group, log_stream FROM streams WHERE id = ?1")
        selectLastID = try connection.prepare("SELECT max(id) FROM records")
        selectAny = try connection.prepare("SELECT 1 FROM records WHERE id <= ?1 LIMIT 1")
        selectFlushThrough = try connection.prepare("SELECT value FROM counters WHERE name = 'flush_through'")
        // A process that opened the spool under version 1 clears the error with a delivery, and knows no failures.
        selectTroubled = try connection.prepare(
            """
            SELECT id, failures, last_error_at FROM streams
            WHERE failures > 0 AND last_error IS NOT NULL ORDER BY id
            """
        )
        selectEpoch = try connection.prepare("SELECT value FROM counters WHERE name = 'lease_epoch'")
    }

    /// Some of the headers after an id.
    package struct HeaderPage: Sendable, Equatable {
        package var headers: [RecordHeader] = []
        /// There are no more of them now.
        package var isLast = false
        /// How many rows it looked at, those of other streams included.
        package var rows = 0
        /// Up to this id it looked.
        package var through: Int64 = 0
    }

    /// The next records of all streams after an id, in the order of their commits.
    ///
    /// - Parameters:
    ///   - limit: how many at the most.
    ///   - byteLimit: stops after the record with which the messages have this many bytes: SQLite reads a message to tell
    ///     its length.
    package func headers(
        after id: Int64,
        limit: Int = .max,
        byteLimit: Int = .max
    ) throws(SpoolError) -> HeaderPage {
        var page = try page(selectHeaders, after: id, limit: limit, byteLimit: byteLimit)
        page.rows = page.headers.count
        return page
    }

    /// The next records of one stream after an id, up to and including another.
    ///
    /// - Parameter limit: at how many rows it looks at the most, those of other streams included.
    package func headers(
        ofStream stream: Int64,
        after id: Int64,
        through last: Int64,
        limit: Int = .max,
        byteLimit: Int = .max
    ) throws(SpoolError) -> HeaderPage {
        try selectSpan.bind(id, at: 1)
        try selectSpan.bind(Int64(limit), at: 2)
        try selectSpan.bind(last, at: 3)
        _ = try selectSpan.step()
        let (rows, end) = (Int(selectSpan.integer(0)), selectSpan.integer(1))
        selectSpan.reset()
        let isEnd = rows < limit
        try selectStreamHeaders.bind(isEnd ? last : end, at: 3)
        try selectStreamHeaders.bind(stream, at: 4)
        var page = try page(selectStreamHeaders, after: id, limit: limit, byteLimit: byteLimit)
        page.rows = rows
        if page.isLast { page.through = isEnd ? last : end }
        page.isLast = page.isLast && isEnd
        return page
    }

    private func page(
        _ statement: Statement,
        after id: Int64,
        limit: Int,
        byteLimit: Int
    ) throws(SpoolError) -> HeaderPage {
        try statement.bind(id, at: 1)
        try statement.bind(Int64(limit), at: 2)
        defer { statement.reset() }
        var page = HeaderPage(through: id)
        var bytes = 0
        while bytes < byteLimit {
            guard try statement.step() else {
                page.isLast = page.headers.count < limit
                break
            }
            let header = RecordHeader(
                id: statement.integer(0),
                stream: statement.integer(1),
                timestamp: statement.integer(2),
                byteCount: statement.byteCount(3)
            )
            page.headers.append(header)
            page.through = header.id
            bytes += header.byteCount
        }
        return page
    }

    /// The records of a batch with their messages, in the order in which they are sent.
    package func batch(_ range: BatchRange, for destination: Destination) throws(SpoolError) -> EventBatch {
        var batch = EventBatch(destination: destination)
        try read(range, for: destination, into: &batch)
        return batch
    }

    /// The same, in the memory of a batch that is done with.
    ///
    /// - Parameter ids: those of its records, ascending, to look for each of them; empty to look through the range.
    func read(
        _ range: BatchRange,
        ids: [Int64] = [],
        for destination: Destination,
        into batch: inout EventBatch
    ) throws(SpoolError) {
        batch.startOver(for: destination)
        if ids.isEmpty {
            try selectBatch.bind(range.first, at: 1)
            try selectBatch.bind(range.last, at: 2)
            try selectBatch.bind(range.stream, at: 3)
            try selectBatch.bind(range.latest, at: 4)
            try append(selectBatch, to: &batch)
        } else {
            try selectRecord.bind(range.stream, at: 2)
            try selectRecord.bind(range.latest, at: 3)
            // In one transaction, or each would take and free the lock of a reader.
            try connection.transaction(isImmediate: false) { () throws(SpoolError) in
                for id in ids {
                    try selectRecord.bind(id, at: 1)
                    try append(selectRecord, to: &batch)
                }
            }
        }
        batch.sortByTime()
    }

    private func append(_ records: Statement, to batch: inout EventBatch) throws(SpoolError) {
        defer { records.reset() }
        while try records.step() {
            batch.append(id: records.integer(0), timestamp: records.integer(1), message: records.bytes(2))
        }
    }

    /// The stream that an id stands for.
    package func destination(ofStream stream: Int64) throws(SpoolError) -> Destination? {
        try selectStream.bind(stream, at: 1)
        defer { selectStream.reset() }
        guard try selectStream.step() else { return nil }
        return Destination(logGroup: selectStream.text(0), logStream: selectStream.text(1))
    }

    /// The batches that were in flight when their process died, oldest first, and whether each was acknowledged already.
    package func deliveries() throws(SpoolError) -> [(range: BatchRange, acknowledged: Bool)] {
        try connection.deliveries()
    }

    /// The id of the youngest pending record; `nil` if nothing is pending.
    package func lastID() throws(SpoolError) -> Int64? {
        defer { selectLastID.reset() }
        return try selectLastID.step() && !selectLastID.isNull(0) ? selectLastID.integer(0) : nil
    }

    /// The id up to which some process wants records to be sent without waiting for a full batch.
    package func requestedFlush() throws(SpoolError) -> Int64 {
        defer { selectFlushThrough.reset() }
        return try selectFlushThrough.step() ? selectFlushThrough.integer(0) : 0
    }

    /// How many times the upload lease was taken.
    func leaseEpoch() throws(SpoolError) -> Int64 {
        defer { selectEpoch.reset() }
        return try selectEpoch.step() ? selectEpoch.integer(0) : 0
    }

    /// True if a record up to this id is still pending.
    package func hasRecords(through id: Int64) throws(SpoolError) -> Bool {
        try selectAny.bind(id, at: 1)
        defer { selectAny.reset() }
        return try selectAny.step()
    }

    /// A stream whose last delivery failed.
    package struct TroubledStream: Sendable, Equatable {
        package var stream: Int64
        /// How many deliveries failed since the last that succeeded.
        package var failures: Int
        /// When the last of them failed, in milliseconds since 1970-01-01T00:00:00Z.
        package var lastErrorTime: Int64
    }

    /// The streams that are not getting through, as the last uploader noted them.
    package func troubledStreams() throws(SpoolError) -> [TroubledStream] {
        defer { selectTroubled.reset() }
        var streams: [TroubledStream] = []
        while try selectTroubled.step() {
            streams.append(
                TroubledStream(
                    stream: selectTroubled.integer(0),
                    failures: Int(min(selectTroubled.integer(1), 1 << 32)),
                    lastErrorTime: selectTroubled.integer(2)
                )
            )
        }
        return streams
    }
}
