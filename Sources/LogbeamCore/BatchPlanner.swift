/// Gathers the next batch of one stream from headers, in the order in which the spool yields them.
///
/// Pure: the time of day comes in as a value. A batch is always the stream's pending records between two ids, less those
/// that lie too far in the future, so that four numbers (``BatchRange``) name it exactly.
package struct BatchPlanner: Sendable {
    /// What becomes of a record.
    package enum Verdict: Sendable, Equatable {
        /// It is in the batch.
        case taken
        /// It belongs into the next batch; this one is complete.
        case full
        /// The service will never take it.
        case refused(RejectionReason)
        /// The service will not take it before this time of our clock, in milliseconds since 1970-01-01T00:00:00Z.
        case early(until: Int64)
    }

    private let limits: BatchLimits
    private var stream: Int64 = 0
    /// The ids of its records, ascending.
    private(set) package var ids: [Int64] = []
    /// How many rows of the spool there are from its first record to its last, those of other streams included.
    private var rows = 0
    /// ``rows`` was counted, and not estimated.
    private var isCounted = true
    private var earliest = Int64.max
    private var latest = Int64.min
    /// The earliest of the records between the first and the last that were left out. A batch that reached it would hold
    /// that record after all, uncounted.
    private var earliestLeftOut = Int64.max
    private var bytes = 0
    /// No further record belongs into this batch, however late it is.
    private(set) package var isClosed = false

    package init(limits: BatchLimits) {
        self.limits = limits
    }

    package var count: Int { ids.count }

    /// There are enough records for the batch to be sent.
    package var isComplete: Bool { isClosed || count >= limits.count }

    /// No further record fits. A batch that is late may hold as many as the service takes: a small setting must not keep a
    /// backlog from draining.
    package func isFull(now: Int64) -> Bool {
        isClosed || count >= (isLate(now: now) ? BatchLimits.maximumCount : limits.count)
    }

    /// The oldest record is as old as it may grow.
    private func isLate(now: Int64) -> Bool { count > 0 && earliest <= now - limits.age }

    /// The batch so far; `nil` if it is empty.
    package var range: BatchRange? {
        guard let first = ids.first, let last = ids.last else { return nil }
        return BatchRange(stream: stream, first: first, last: last, latest: latest)
    }

    /// The id of the oldest record in the batch; `nil` if it is empty.
    package var firstID: Int64? { ids.first }

    /// So many rows of other streams lie between its records that to look for each by its id costs less than to read them
    /// all.
    package var isSparse: Bool { rows > Self.sparseness * count }

    /// It holds every row of the spool from its first record to its last.
    package var isWhole: Bool { isCounted && rows == count }

    /// Measured: a record that is looked for costs as much as eight rows that are passed over.
    private static let sparseness = 8

    /// Adds a record, if it belongs into this batch.
    ///
    /// - Parameters:
    ///   - rows: how many rows further on than the record of its stream before it; 1 if it is the next one.
    ///   - isCounted: false if that is an estimate.
    ///   - accepted: the times that the service takes now; `nil`: by our clock.
    package mutating func add(
        _ header: RecordHeader,
        rows: Int = 1,
        isCounted: Bool = true,
        now: Int64,
        accepted: ClosedRange<Int64>? = nil
    ) -> Verdict {
        guard header.byteCount <= limits.messageBytes else { return .refused(.tooLarge) }
        if limits.takesAnyTime {
            return take(header, rows: rows, isCounted: isCounted, now: now, fitsInTime: true)
        }
        let accepted = accepted ?? (now - BatchLimits.maximumAge)...(now + BatchLimits.maximumAhead)
        guard header.timestamp >= accepted.lowerBound else { return .refused(.tooOld) }
        // Where the clock was set back, the batch may reach further ahead than a record may lie now.
        guard header.timestamp <= max(accepted.upperBound, latest) else {
            if count > 0 { earliestLeftOut = min(earliestLeftOut, header.timestamp) }
            return .early(until: now.addingSaturated(header.timestamp.subtractingSaturated(accepted.upperBound)))
        }
        let span = max(latest, header.timestamp).subtractingSaturated(min(earliest, header.timestamp))
        return take(
            header,
            rows: rows,
            isCounted: isCounted,
            now: now,
            fitsInTime: span <= BatchLimits.maximumSpan && header.timestamp < earliestLeftOut
        )
    }

    private mutating func take(
        _ header: RecordHeader,
        rows: Int,
        isCounted: Bool,
        now: Int64,
        fitsInTime: Bool
    ) -> Verdict {
        // An empty message is sent as one space.
        let size = max(1, header.byteCount) + BatchLimits.eventOverhead
        guard !isFull(now: now) else { return .full }
        guard count == 0 || (bytes + size <= limits.bytes && fitsInTime) else {
            isClosed = true
            return .full
        }
        stream = header.stream
        self.rows = count == 0 ? 1 : self.rows + rows
        self.isCounted = isCounted && (count == 0 || self.isCounted)
        ids.append(header.id)
        // Where any time is taken it may be one that can not be reckoned with.
        earliest = min(earliest, max(0, header.timestamp))
        latest = max(latest, header.timestamp)
        bytes += size
        // The smallest event is one byte: where that does not fit, nothing does.
        isClosed = count == BatchLimits.maximumCount || bytes + BatchLimits.eventOverhead + 1 > limits.bytes
        return .taken
    }

    /// How much may come before the batch is complete: records, and bytes as the service counts them.
    package var room: (records: Int, bytes: Int) {
        isComplete ? (0, 0) : (limits.count - count, limits.bytes - bytes)
    }

    /// When the batch is to be sent though it is not full, in milliseconds since 1970-01-01T00:00:00Z; `nil` if it is
    /// empty. A record from the future, left by a clock that was set back, does not wait for its time.
    package func dueTime(now: Int64) -> Int64? {
        if count == 0 { return nil }
        return earliest > now ? now : earliest + limits.age
    }
}
