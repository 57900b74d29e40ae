internal import CSQLite
package import LogbeamCore

/// What stands in a spool at one moment, for people: counting takes time that grows with the backlog.
package struct SpoolStatus: Sendable, Equatable {
    package struct Stream: Sendable, Equatable {
        package var destination: Destination
        package var pending: Int
        /// The UTF-8 bytes of the pending messages.
        package var pendingBytes: Int
        /// The time of the oldest pending record, in milliseconds since 1970-01-01T00:00:00Z, as are all times here.
        package var oldest: Int64?
        package var rejected: Int
        /// Records that are neither delivered nor here: they never reached the spool, or were rejected and are no longer
        /// kept.
        package var dropped: Int
        /// Batches of which nobody knows whether they arrived: in flight, or left by a process that died.
        package var inDoubt: Int
        package var lastDelivery: Int64?
        package var lastErrorTime: Int64?
        package var lastError: String?
    }

    package var path: String
    package var streams: [Stream]
    /// Records acknowledged since the spool was made.
    package var delivered: Int
    /// Who uploads now.
    package var uploader: UploadLease.Holder?

    package var pending: Int { streams.reduce(0) { $0 + $1.pending } }
    package var pendingBytes: Int { streams.reduce(0) { $0 + $1.pendingBytes } }
    package var rejected: Int { streams.reduce(0) { $0 + $1.rejected } }
    package var dropped: Int { streams.reduce(0) { $0 + $1.dropped } }
    package var inDoubt: Int { streams.reduce(0) { $0 + $1.inDoubt } }
    package var oldest: Int64? { streams.compactMap(\.oldest).min() }

    /// Reads the status in one snapshot, and changes nothing: a spool of an earlier version stays one, and is told by what
    /// all versions have.
    package static func read(path: String) throws(SpoolError) -> SpoolStatus {
        let connection = try SpoolFile.openForReading(path: path)
        let statement = try connection.prepare(
            """
            SELECT log_group, log_stream, coalesce(p.count, 0), coalesce(p.bytes, 0), p.oldest,
                coalesce(r.count, 0),
                (SELECT coalesce(sum(records), 0) FROM gaps WHERE stream_id = streams.id),
                (SELECT count(*) FROM deliveries WHERE stream_id = streams.id AND acknowledged = 0),
                last_delivery_at, last_error_at, last_error,
                (SELECT value FROM counters WHERE name = 'delivered')
            FROM streams LEFT JOIN (
                SELECT stream_id, count(*) AS count, sum(length(CAST(message AS BLOB))) AS bytes, min(timestamp) AS oldest
                FROM records GROUP BY stream_id
            ) AS p ON p.stream_id = streams.id
            LEFT JOIN (SELECT stream_id, count(*) AS count FROM rejected GROUP BY stream_id) AS r
                ON r.stream_id = streams.id
            ORDER BY log_group, log_stream
            """
        )
        var status = SpoolStatus(path: path, streams: [], delivered: 0)
        while try statement.step() {
            status.streams.append(
                Stream(
                    destination: Destination(logGroup: statement.text(0), logStream: statement.text(1)),
                    pending: Int(statement.integer(2)),
                    pendingBytes: Int(statement.integer(3)),
                    oldest: statement.optionalInteger(4),
                    rejected: Int(statement.integer(5)),
                    dropped: Int(statement.integer(6)),
                    inDoubt: Int(statement.integer(7)),
                    lastDelivery: statement.optionalInteger(8),
                    lastErrorTime: statement.optionalInteger(9),
                    lastError: statement.isNull(10) ? nil : statement.text(10)
                )
            )
            status.delivered = Int(statement.integer(11))
        }
        status.uploader = UploadLease.holder(spool: path)
        return status
    }
}

extension Statement {
    fileprivate func optionalInteger(_ column: Int32) -> Int64? {
        isNull(column) ? nil : integer(column)
    }
}
