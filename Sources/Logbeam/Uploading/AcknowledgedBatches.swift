internal import LogbeamCore
internal import LogbeamSpool

/// The batches that the service has, and whose records are still to be deleted.
///
/// To delete a record takes longer than to send it, and nobody waits for that. So it is done when there is nothing to send,
/// or the answers are awaited: where they come as fast as batches can be sent, the processor is left to those. The spool
/// knows of these batches, so that after a crash their records are deleted and not sent.
struct AcknowledgedBatches {
    private var ranges: ArraySlice<BatchRange> = []
    /// Those that hold every row of the spool from their first record to their last.
    private var whole: Set<BatchRange> = []
    /// Where the next slice of the first one begins.
    private var start: Int64?
    /// When the last one came, in milliseconds of the monotonic clock.
    private var lastAdded: Int64 = .min
    /// Until when none need be deleted, since others had to wait for that, in milliseconds of the monotonic clock.
    private var putOffUntil: Int64 = .min
    /// There may be no record but theirs: that was not looked at since the last one came.
    private var mayBeAll = false

    /// So many wait at the most. At up to 10,000 records each, the next process deletes them within some seconds.
    static let most = 256
    /// When no answer has come for so long, the service is what is waited for, and not the processor. In milliseconds.
    static let patience: Int64 = 20

    /// For so long nothing is deleted when somebody had to wait for that, in milliseconds: what comes in a flood is deleted
    /// after it, which costs less then, and the flood is over sooner.
    static let respite: Int64 = 10
    /// So many wait because of that. At up to a mebibyte each, this is what a flood makes of the file.
    static let mostPutOff = 64

    var isEmpty: Bool { ranges.isEmpty }

    /// - Parameter isWhole: whether it holds every row of the spool from its first record to its last.
    mutating func add(_ range: BatchRange, isWhole: Bool, at time: Int64) {
        ranges.append(range)
        if isWhole { whole.insert(range) }
        lastAdded = time
        mayBeAll = true
    }

    mutating func add(contentsOf ranges: [BatchRange]) {
        self.ranges += ranges
    }

    /// Whether some must be deleted before anything else is sent.
    func isDue(hasAmpleRoom: Bool) -> Bool { ranges.count >= (hasAmpleRoom ? Self.most : 1) }

    /// From when on some may be deleted while there is nothing to send, in milliseconds of the monotonic clock; `nil` if
    /// there are none.
    ///
    /// - Parameter flushed: up to this id somebody waits for the records to be gone.
    func time(inFlight: Int, flushed: Int64) -> Int64? {
        if ranges.isEmpty { return nil }
        let time = inFlight > 0 ? lastAdded.addingSaturated(Self.patience) : .min
        let mayBePutOff = ranges.count < Self.mostPutOff && ranges.allSatisfy { $0.first > flushed }
        return mayBePutOff ? max(time, putOffUntil) : time
    }

    /// Deletes a slice of the first one, or all at once where the spool has nothing else.
    ///
    /// - Parameters:
    ///   - triesAll: whether to look for that.
    ///   - time: in milliseconds of the monotonic clock.
    mutating func deleteSome(by lease: UploadLease, triesAll: Bool, at time: Int64) throws(SpoolError) {
        if triesAll, mayBeAll, ranges.count > 1, whole.count == ranges.count {
            mayBeAll = false
            if try lease.deleteAll(of: Array(ranges)) {
                (ranges, whole, start) = ([], [], nil)
                return
            }
        }
        guard let first = ranges.first else { return }
        start = try lease.deleteSlice(of: first, from: start ?? first.first)
        if start == nil { forget(at: ranges.startIndex) }
        if lease.deletionIsAwaited { putOffUntil = time.addingSaturated(Self.respite) }
    }

    private mutating func forget(at index: Int) {
        whole.remove(ranges[index])
        ranges.remove(at: index)
    }

    /// Deletes all of them.
    mutating func deleteAll(by lease: UploadLease) throws(SpoolError) {
        while !isEmpty {
            try deleteSome(by: lease, triesAll: false, at: .min)
            _ = lease.beat()
        }
    }

    /// Deletes what would be read, and sent, again by who reads the records after an id.
    ///
    /// - Parameter stream: whose records are read; `nil`: all.
    mutating func delete(
        after id: Int64,
        ofStream stream: Int64? = nil,
        by lease: UploadLease
    ) throws(SpoolError) {
        func isAffected(_ range: BatchRange) -> Bool { range.last > id && range.stream == stream ?? range.stream }
        while let index = ranges.firstIndex(where: isAffected) {
            if index == ranges.startIndex { start = nil }
            try lease.finish(ranges[index])
            forget(at: index)
        }
    }
}
