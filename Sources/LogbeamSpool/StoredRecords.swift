package import LogbeamCore

/// A record as it stands in the spool.
package struct StoredRecord: Sendable, Equatable {
    package var id: Int64
    package var destination: Destination
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package var timestamp: Int64
    package var message: [UInt8]
    /// Why the service would not take it, and when it said so; `nil` for a pending one.
    package var rejection: Rejection?

    package struct Rejection: Sendable, Equatable {
        package var reason: String
        /// Milliseconds since 1970-01-01T00:00:00Z.
        package var time: Int64
    }
}

/// Which records are meant; `nil` is any.
package struct RecordFilter: Sendable, Equatable {
    package var logGroup: String?
    package var logStream: String?
    /// Why the service would not take a record.
    package var reason: String?

    package init(logGroup: String? = nil, logStream: String? = nil, reason: String? = nil) {
        self.logGroup = logGroup
        self.logStream = logStream
        self.reason = reason
    }

    func takes(_ destination: Destination) -> Bool {
        (logGroup ?? destination.logGroup).hasSameBytes(as: destination.logGroup)
            && (logStream ?? destination.logStream).hasSameBytes(as: destination.logStream)
    }
}

/// Reads records for people, beside whoever writes and uploads: each call is a short read of its own, which keeps the
/// write-ahead log no longer than it takes, and its memory is bounded by a page and not by the backlog.
///
/// So what several calls return was never there at one moment: of records that are shipped or appended meanwhile some are
/// returned and some are not. None is returned twice.
///
/// Not Sendable.
package final class StoredRecords {
    private let connection: Connection
    private let filter: RecordFilter
    private let selectPending: Statement
    private let selectNewest: Statement
    private let selectRejected: Statement
    private let selectStream: Statement
    private let selectFacts: Statement
    private let selectDataVersion: Statement
    private var destinations: [Int64: Destination] = [:]

    /// So many records one call looks at, and so many bytes of messages it returns, and one message more.
    private static let pageRecords = 5_000
    private static let pageBytes = 1 << 20

    /// Opens a spool of any version that we know, and changes nothing, unless the journal of a dead process lies beside
    /// it: see ``SpoolFile/openForReading(path:)``.
    package init(path: String, filter: RecordFilter = RecordFilter()) throws(SpoolError) {
        connection = try SpoolFile.openForReading(path: path)
        self.filter = filter
        selectPending = try connection.prepare(
            "SELECT id, stream_id, timestamp, message FROM records WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3"
        )
        selectNewest = try connection.prepare(
            "SELECT id, stream_id, timestamp FROM records WHERE id < ?1 ORDER BY id DESC LIMIT \(Self.pageRecords)"
        )
        selectRejected = try connection.prepare(
            """
            SELECT id, stream_id, timestamp, message, reason, rejected_at FROM rejected
            WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3
            """
        )
        selectStream = try connection.prepare("SELECT log_group, log_stream FROM streams WHERE id = ?1")
        selectFacts = try connection.prepare(
            """
            SELECT (SELECT value FROM counters WHERE name = 'last_id'),
                (SELECT value FROM counters WHERE name = 'delivered'),
                (SELECT value FROM counters WHERE name = 'rejected'),
                coalesce((SELECT max(id) FROM records), 0),
                EXISTS (SELECT 1 FROM deliveries WHERE acknowledged = 1),
                (SELECT count(*) FROM records WHERE id <= ?1)
            """
        )
        selectDataVersion = try connection.prepare("PRAGMA data_version")
    }

    /// Whether the spool knows a stream that the filter takes.
    package func hasStream() throws(SpoolError) -> Bool {
        let statement = try connection.prepare("SELECT log_group, log_stream FROM streams")
        defer { statement.reset() }
        while try statement.step() {
            if filter.takes(Destination(logGroup: statement.text(0), logStream: statement.text(1))) { return true }
        }
        return false
    }

    package enum Table { case pending, rejected }

    package struct Page: Sendable {
        package var records: [StoredRecord] = []
        /// How many records it looked at, those included that the filter does not take.
        var looked = 0
        /// Where to go on.
        package var last: Int64
        /// There are no more of them now.
        package var isLast = false
    }

    /// The next records after an id that the filter takes, in the order of their commits; perhaps none, and yet more after
    /// them.
    package func page(
        of table: Table = .pending,
        after id: Int64,
        through last: Int64 = .max
    ) throws(SpoolError) -> Page {
        let statement = table == .pending ? selectPending : selectRejected
        wait()
        try statement.bind(id, at: 1)
        try statement.bind(last, at: 2)
        try statement.bind(Int64(Self.pageRecords), at: 3)
        let acknowledged = table == .pending ? try connection.acknowledgedBatches() : []
        defer { statement.reset() }
        var page = Page(last: id)
        var bytes = 0
        while bytes < Self.pageBytes {
            guard try statement.step() else {
                page.isLast = page.looked < Self.pageRecords
                break
            }
            page.looked += 1
            page.last = statement.integer(0)
            let destination = try destination(ofStream: statement.integer(1))
            guard filter.takes(destination) else { continue }
            if isRecord(statement, in: acknowledged) { continue }
            var record = StoredRecord(
                id: page.last,
                destination: destination,
                timestamp: statement.integer(2),
                message: []
            )
            if table == .rejected {
                let rejection = StoredRecord.Rejection(reason: statement.text(4), time: statement.integer(5))
                guard (filter.reason ?? rejection.reason) == rejection.reason else { continue }
                record.rejection = rejection
            }
            record.message = Array(statement.bytes(3))
            bytes += record.message.count
            page.records.append(record)
        }
        return page
    }

    /// - Parameter row: id, stream and time of a record.
    private func isRecord(_ row: Statement, in batches: [BatchRange]) -> Bool {
        if batches.isEmpty { return false }
        let header = RecordHeader(
            id: row.integer(0),
            stream: row.integer(1),
            timestamp: row.integer(2),
            byteCount: 0
        )
        return batches.contains { $0.contains(header) }
    }

    /// Calls the body with page after page, until there are no more or it says that it has enough.
    package func forEachPage<Failure: Error>(
        of table: Table = .pending,
        through last: Int64 = .max,
        _ body: ([StoredRecord]) throws(Failure) -> Bool
    ) throws {
        var page = Page(last: 0)
        repeat {
            page = try self.page(of: table, after: page.last, through: last)
        } while try !body(page.records) && !page.isLast
    }

    /// After which id the newest pending records begin that the filter takes: `count` of them, or as many as there are.
    package func start(ofNewest count: Int) throws(SpoolError) -> Int64 {
        var (start, found) = (Int64.max, 0)
        while found < count {
            wait()
            try selectNewest.bind(start, at: 1)
            let acknowledged = try connection.acknowledgedBatches()
            defer { selectNewest.reset() }
            var seen = 0
            while found < count, try selectNewest.step() {
                seen += 1
                start = selectNewest.integer(0)
                guard filter.takes(try destination(ofStream: selectNewest.integer(1))) else { continue }
                if !isRecord(selectNewest, in: acknowledged) { found += 1 }
            }
            if seen < Self.pageRecords { break }
        }
        return start == .max ? try facts().newestID : start - 1
    }

    /// What a spool tells of its records at one moment.
    package struct Facts: Sendable, Equatable {
        /// The highest id that was ever shipped, rejected or dropped.
        package var lastGoneID: Int64
        /// Records acknowledged since the spool was made.
        package var delivered: Int64
        /// Records in `rejected`; 0 in a spool of version 1.
        package var rejected: Int64
        /// The id of the newest pending record; 0 if there is none.
        package var newestID: Int64
        /// Records that are acknowledged are still to be deleted.
        package var isDeleting: Bool
        /// How many records there are up to the id that was asked for, those included that are still to be deleted.
        package var pending: Int64
    }

    /// - Parameter id: up to where pending records are counted, which takes time that grows with their number.
    package func facts(pendingThrough id: Int64 = 0) throws(SpoolError) -> Facts {
        wait()
        try selectFacts.bind(id, at: 1)
        defer { selectFacts.reset() }
        _ = try selectFacts.step()
        return Facts(
            lastGoneID: selectFacts.integer(0),
            delivered: selectFacts.integer(1),
            rejected: selectFacts.integer(2),
            newestID: selectFacts.integer(3),
            isDeleting: selectFacts.integer(4) != 0,
            pending: selectFacts.integer(5)
        )
    }

    /// Another number whenever something was committed since (https://www.sqlite.org/pragma.html#pragma_data_version). Costs
    /// a few microseconds.
    package func dataVersion() throws(SpoolError) -> Int64 {
        wait()
        defer { selectDataVersion.reset() }
        return try selectDataVersion.step() ? selectDataVersion.integer(0) : 0
    }

    /// Names of streams never change. One that is not known stands in a damaged spool.
    private func destination(ofStream stream: Int64) throws(SpoolError) -> Destination {
        if let known = destinations[stream] { return known }
        try selectStream.bind(stream, at: 1)
        defer { selectStream.reset() }
        guard try selectStream.step() else { return Destination(logGroup: "", logStream: "") }
        let destination = Destination(logGroup: selectStream.text(0), logStream: selectStream.text(1))
        if destinations.count >= 10_000 { destinations = [:] }
        destinations[stream] = destination
        return destination
    }

    /// While a process recovers the log, or begins it anew, nobody can read for a moment.
    private func wait() {
        connection.setBusyDeadline(MonotonicClock.nanoseconds() + 10_000_000_000)
    }
}
