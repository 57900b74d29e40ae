/// What the planner needs to know of a pending record: everything but its message.
package struct RecordHeader: Sendable, Equatable {
    /// Ascending in the order of commit, over all streams and processes, and never used twice.
    package var id: Int64
    /// The stream's id in the spool.
    package var stream: Int64
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package var timestamp: Int64
    /// The UTF-8 bytes of the message.
    package var byteCount: Int

    package init(id: Int64, stream: Int64, timestamp: Int64, byteCount: Int) {
        self.id = id
        self.stream = stream
        self.timestamp = timestamp
        self.byteCount = byteCount
    }
}

/// The records of one batch, told exactly and in little space, so that the same batch can be named again after a crash:
/// the pending records of `stream` from `first` to `last` that are not later than `latest`.
package struct BatchRange: Sendable, Hashable {
    /// Two ranges that cover the same together, cut at the middle of the ids. There may be records in it that are not among
    /// these, because they were found to have arrived: they stay covered.
    ///
    /// - Parameter ids: the ids of the batch, ascending; two at least.
    package func halves(_ ids: [Int64]) -> [BatchRange] {
        var (lower, upper) = (self, self)
        upper.first = ids[ids.count / 2]
        lower.last = upper.first - 1
        return [lower, upper]
    }

    package var stream: Int64
    package var first: Int64
    package var last: Int64
    /// The latest timestamp in the batch. Records in the range that lie further ahead were left out of it, since the
    /// service does not take them yet.
    package var latest: Int64

    package init(stream: Int64, first: Int64, last: Int64, latest: Int64) {
        self.stream = stream
        self.first = first
        self.last = last
        self.latest = latest
    }

    /// Whether a record is in the batch.
    package func contains(_ header: RecordHeader) -> Bool {
        header.stream == stream && first <= header.id && header.id <= last && header.timestamp <= latest
    }
}
