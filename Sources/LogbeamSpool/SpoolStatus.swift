package import LogbeamCore

/// What stands in a spool at one moment, for people: counting takes time that grows with the backlog.
package struct SpoolStatus: Sendable, Equatable {
    /// How many records of a stream met the same fate for the same reason, and between which times they were logged.
    package struct Tally: Sendable, Equatable {
        package var reason: String
        package var records: Int
        package var first: Int64
        package var last: Int64
    }

    package struct Stream: Sendable, Equatable {
        package var destination: Destination
        package var pending: Int
        /// The UTF-8 bytes of the pending messages.
        package var pendingBytes: Int
        /// The time of the oldest pending record, in milliseconds since 1970-01-01T00:00:00Z, as are all times here.
        package var oldest: Int64?
        /// Records that the service will not take, as far as they are kept.
        package var rejections: [Tally] = []
        /// Records that are neither delivered nor here: they never reached the spool, were dropped, or were rejected and are
        /// no longer kept.
        package var gaps: [Tally] = []
        /// Batches of which nobody knows whether they arrived: in flight, or left by a process that died.
        package var inDoubt: Int
        package var lastDelivery: Int64?
        package var lastErrorTime: Int64?
        package var lastError: String?

        package var rejected: Int { rejections.reduce(0) { $0.addingSaturated($1.records) } }
        package var dropped: Int { gaps.reduce(0) { $0.addingSaturated($1.records) } }
    }

    package var path: String
    package var streams: [Stream]
    /// Records acknowledged since the spool was made.
    package var delivered: Int
    /// Who uploads now.
    package var uploader: UploadLease.Holder?
    /// The files that were set aside beside it because they are damaged, or no spools: see ``Quarantine``.
    package var setAside: [String] = []
    /// The journals of dead processes that could not be moved into it.
    package var journals: [StrandedJournal] = []
    /// Which file it was.
    package var identity: FileIdentity?

    package var pending: Int { streams.reduce(0) { $0 + $1.pending } }
    package var pendingBytes: Int { streams.reduce(0) { $0 + $1.pendingBytes } }
    package var rejected: Int { streams.reduce(0) { $0.addingSaturated($1.rejected) } }
    package var dropped: Int { streams.reduce(0) { $0.addingSaturated($1.dropped) } }
    package var inDoubt: Int { streams.reduce(0) { $0 + $1.inDoubt } }
    package var oldest: Int64? { streams.compactMap(\.oldest).min() }
    /// The latest of all streams.
    package var lastDelivery: Int64? { streams.compactMap(\.lastDelivery).max() }

    /// Reads the status in one snapshot. Changes nothing where no journal of a dead process lies beside the spool: one of an
    /// earlier version stays one, and is told by what all versions have. Else see ``SpoolFile/openForReading(path:)``.
    package static func read(path: String) throws(SpoolError) -> SpoolStatus {
        let connection = try SpoolFile.openForReading(path: path)
        var status = SpoolStatus(path: path, streams: [], delivered: 0)
        status.identity = FileIdentity(path)
        try connection.transaction(isImmediate: false) { () throws(SpoolError) in
            status.delivered = Int(try connection.integer("SELECT value FROM counters WHERE name = 'delivered'"))
            let rejections = try tallies(
                connection,
                """
                SELECT stream_id, reason, count(*), min(timestamp), max(timestamp) FROM rejected
                GROUP BY stream_id, reason ORDER BY reason
                """
            )
            let gaps = try tallies(
                connection,
                """
                SELECT stream_id, replace(reason, '\(Gap.untoldMark)', '') AS cause, sum(records), min(first_at), max(last_at)
                FROM gaps WHERE substr(reason, 1, \(Gap.refusalMark.count)) <> '\(Gap.refusalMark)'
                GROUP BY stream_id, cause ORDER BY cause
                """
            )
            let pending = try pending(connection)
            try readStreams(connection) { id, stream in
                var stream = stream
                if let pending = pending[id] {
                    (stream.pending, stream.pendingBytes, stream.oldest) = (
                        pending.count, pending.bytes, pending.oldest
                    )
                }
                stream.rejections = rejections[id] ?? []
                stream.gaps = gaps[id] ?? []
                status.streams.append(stream)
            }
        }
        status.uploader = UploadLease.holder(spool: path)
        status.setAside = Quarantine.files(of: path)
        status.journals = StrandedJournal.beside(spool: path)
        return status
    }

    /// What is pending of a stream.
    private struct Pending {
        var count = 0
        var bytes = 0
        var oldest = Int64.max
    }

    /// By the id of the stream. What the service has, and is still to be deleted, is not pending.
    private static func pending(_ connection: Connection) throws(SpoolError) -> [Int64: Pending] {
        let acknowledged = try connection.acknowledgedBatches()
        let records = try connection.prepare("SELECT id, stream_id, timestamp, message FROM records ORDER BY id")
        defer { records.reset() }
        var streams: [Int64: Pending] = [:]
        while try records.step() {
            let header = RecordHeader(
                id: records.integer(0),
                stream: records.integer(1),
                timestamp: records.integer(2),
                byteCount: records.byteCount(3)
            )
            if acknowledged.contains(where: { $0.contains(header) }) { continue }
            var pending = streams[header.stream] ?? Pending()
            pending.count += 1
            pending.bytes += header.byteCount
            pending.oldest = min(pending.oldest, header.timestamp)
            streams[header.stream] = pending
        }
        return streams
    }

    private static func readStreams(
        _ connection: Connection,
        _ body: (_ id: Int64, Stream) -> Void
    ) throws(SpoolError) {
        let statement = try connection.prepare(
            """
            SELECT id, log_group, log_stream,
                (SELECT count(*) FROM deliveries WHERE stream_id = streams.id AND acknowledged = 0),
                last_delivery_at, last_error_at, last_error
            FROM streams ORDER BY log_group, log_stream
            """
        )
        defer { statement.reset() }
        while try statement.step() {
            let stream = Stream(
                destination: Destination(logGroup: statement.text(1), logStream: statement.text(2)),
                pending: 0,
                pendingBytes: 0,
                inDoubt: Int(statement.integer(3)),
                lastDelivery: statement.optionalInteger(4),
                lastErrorTime: statement.optionalInteger(5),
                lastError: statement.isNull(6) ? nil : statement.text(6)
            )
            body(statement.integer(0), stream)
        }
    }

    /// By the id of the stream.
    private static func tallies(_ connection: Connection, _ query: String) throws(SpoolError) -> [Int64: [Tally]] {
        let statement = try connection.prepare(query)
        defer { statement.reset() }
        var tallies: [Int64: [Tally]] = [:]
        while try statement.step() {
            tallies[statement.integer(0), default: []].append(
                Tally(
                    reason: statement.text(1),
                    records: Int(statement.integer(2)),
                    first: statement.integer(3),
                    last: statement.integer(4)
                )
            )
        }
        return tallies
    }
}

extension Statement {
    fileprivate func optionalInteger(_ column: Int32) -> Int64? {
        isNull(column) ? nil : integer(column)
    }
}
