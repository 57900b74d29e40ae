internal import LogbeamCore

/// The table `rejected`: the records that the service will not take, kept for people to look at, within bounds.
///
/// Not thread-safe: belongs to ``Writer``, which calls it inside of a transaction.
package final class RejectedTable {
    /// How many records are kept: as many as the service takes in one request, so that a batch that is refused as a whole
    /// can be looked at as a whole. More than that nobody reads; a sample of each trouble will do.
    package static let recordLimit = 10_000
    /// How many UTF-8 bytes of messages are kept: 64 of the longest that the service takes. It is what the write-ahead log
    /// may grow to as well, so that no disk that has room for a spool lacks it for this.
    static let byteLimit = 64 << 20
    /// Under this name the records that had to make room are counted in `gaps`.
    static let overflow = "rejected, and no longer kept"

    private let selectRecord: Statement
    private let copyRecord: Statement
    private let deleteRecord: Statement
    private let selectSize: Statement
    private let selectOldest: Statement
    private let countOldest: Statement
    private let deleteOldest: Statement
    private let byteLimit: Int

    /// - Parameter limit: what the spool as a whole is bound to; it may leave less than ``byteLimit``.
    init(connection: Connection, limit: SpoolLimit? = nil) throws(SpoolError) {
        byteLimit = limit.map { Int($0.rejectedBytes) } ?? Self.byteLimit
        selectRecord = try connection.prepare(
            """
            SELECT length(CAST(message AS BLOB)), stream_id, timestamp, substr(message, 1, length(?2)) = ?2
            FROM records WHERE id = ?1
            """
        )
        // An id that is taken is that of a record of another spool: see `NoteTable`.
        copyRecord = try connection.prepare(
            """
            INSERT INTO rejected (id, stream_id, timestamp, message, reason, rejected_at)
            SELECT CASE WHEN EXISTS (SELECT 1 FROM rejected WHERE id = ?1)
                THEN (SELECT max(id) + 1 FROM rejected) ELSE id END, stream_id, timestamp, message, ?2, ?3
            FROM records WHERE id = ?1
            """
        )
        deleteRecord = try connection.prepare("DELETE FROM records WHERE id = ?1")
        selectSize = try connection.prepare(
            """
            SELECT records.value, bytes.value FROM counters AS records, counters AS bytes
            WHERE records.name = 'rejected' AND bytes.name = 'rejected_bytes'
            """
        )
        selectOldest = try connection.prepare(
            "SELECT id, message FROM rejected ORDER BY id LIMIT \(2 * Self.recordLimit)"
        )
        countOldest = try connection.prepare(
            GapTable.adding(
                """
                SELECT stream_id, ?2, count(*), min(timestamp), max(timestamp) FROM rejected
                WHERE id <= ?1 GROUP BY stream_id
                """
            )
        )
        deleteOldest = try connection.prepare("DELETE FROM rejected WHERE id <= ?1")
    }

    /// Moves records here from `records`, and makes room. Returns how many it is done with: it stops after the record with
    /// which the messages have `byteSlice` bytes.
    ///
    /// - Parameter refusals: gets what the streams are to be told.
    func take(
        _ records: ArraySlice<RefusedRecord>,
        byteSlice: Int,
        _ refusals: inout [Gap]
    ) throws(SpoolError) -> Int {
        let now = WallClock.milliseconds()
        var count = 0
        var bytes: Int64 = 0
        for record in records where bytes < byteSlice {
            try selectRecord.bind(record.id, at: 1)
            try selectRecord.bind(Gap.signature, at: 2)
            if try selectRecord.step() {
                bytes += selectRecord.integer(0)
                if selectRecord.integer(3) == 0 { refusals.count(selectRecord, record.reason) }
            }
            selectRecord.reset()
            try copyRecord.bind(record.id, at: 1)
            try copyRecord.bind(record.reason.rawValue, at: 2)
            try copyRecord.bind(now, at: 3)
            try copyRecord.run()
            try deleteRecord.bind(record.id, at: 1)
            try deleteRecord.run()
            count += 1
        }
        try makeRoom()
        return count
    }

    /// Deletes the records that were logged first until the others are within the bounds, and counts them as gaps of their
    /// streams.
    ///
    /// The streams themselves are not told, unlike of other gaps. A stream whose records are refused may refuse that one
    /// too: it would push another record out, to be told of again, and so for ever. And no reader of the stream misses a
    /// copy that only this machine had.
    ///
    /// - Returns: whether there were any.
    @discardableResult
    func makeRoom() throws(SpoolError) -> Bool {
        guard try selectSize.step() else { return false }
        // A damaged spool may count anything.
        var excess = max(0, selectSize.integer(0)) - Int64(Self.recordLimit)
        var excessBytes = max(0, selectSize.integer(1)) - Int64(byteLimit)
        selectSize.reset()
        // Version 1 knew no bounds: what it left goes in several transactions, each of which takes at most twice the bounds.
        // That is as much as there can be at any other time.
        var freed = 0
        var last: Int64?
        while excess > 0 || excessBytes > 0, freed < 2 * Self.byteLimit, try selectOldest.step() {
            let bytes = selectOldest.byteCount(1)
            excess -= 1
            excessBytes -= Int64(bytes)
            freed += bytes
            last = selectOldest.integer(0)
        }
        selectOldest.reset()
        guard let last else { return false }
        try countOldest.bind(last, at: 1)
        try countOldest.bind(Self.overflow, at: 2)
        try countOldest.run()
        try deleteOldest.bind(last, at: 1)
        try deleteOldest.run()
        return true
    }
}

extension [Gap] {
    /// Counts the record at which the statement stands. There are few streams and reasons in one call.
    fileprivate mutating func count(_ record: Statement, _ reason: RejectionReason) {
        let (stream, time) = (record.integer(1), record.integer(2))
        let reason = Gap.refusal(reason)
        guard let index = firstIndex(where: { $0.stream == stream && $0.reason == reason }) else {
            return append(Gap(stream: stream, reason: reason, records: 1, first: time, last: time))
        }
        self[index].records += 1
        self[index].first = Swift.min(self[index].first, time)
        self[index].last = Swift.max(self[index].last, time)
    }
}
