internal import LogbeamCore
internal import Synchronization

/// What becomes of batches: see ``UploadLease``, which has the epoch. Who gives none says that nobody else can have the lease.
extension Spool {
    func begin(_ range: BatchRange, in epoch: Int64?) throws(SpoolError) {
        try write { writer throws(SpoolError) in try writer.begin(range, in: epoch) }
    }

    func abandon(_ range: BatchRange, for parts: [BatchRange] = [], in epoch: Int64?) throws(SpoolError) {
        try write { writer throws(SpoolError) in try writer.abandon(range, for: parts, in: epoch) }
    }

    func acknowledge(
        _ range: BatchRange,
        refused: [RefusedRecord],
        delivered: Int,
        in epoch: Int64?
    ) throws(SpoolError) {
        let isAmple = try write { writer throws(SpoolError) in
            try writer.acknowledge(range, refused: refused, delivered: delivered, in: epoch)
            return (try? writer.room.isAmple()) ?? false
        }
        hasAmpleRoom.store(isAmple, ordering: .relaxed)
        if !refused.isEmpty { mayHaveUntoldGaps.store(true, ordering: .releasing) }
    }

    func finish(
        _ range: BatchRange,
        ids: [Int64] = [],
        in epoch: Int64?,
        afterSlice: () -> Void = {}
    ) throws(SpoolError) {
        // Two threads would take the write lock in turns, slice by slice, and sleep in between.
        deletion.lock()
        defer { deletion.unlock() }
        var next: Int64? = range.first
        while let start = next {
            next = try deleteNext(of: range, ids: ids, from: start, in: epoch)
            afterSlice()
        }
    }

    func deleteSlice(of range: BatchRange, from start: Int64, in epoch: Int64?) throws(SpoolError) -> Int64? {
        deletion.lock()
        defer { deletion.unlock() }
        return try deleteNext(of: range, ids: [], from: start, in: epoch)
    }

    private func deleteNext(
        of range: BatchRange,
        ids: [Int64],
        from start: Int64,
        in epoch: Int64?
    ) throws(SpoolError) -> Int64? {
        // Where it is quiet, each slice is twice as long as the one before, of whatever batch.
        let isQuiet = try giveWay()
        let longest = isQuiet ? Writer.longestSlice : Writer.sliceSize
        let slice = min(2 * lastSlice.load(ordering: .relaxed), longest)
        lastSlice.store(slice, ordering: .relaxed)
        defer { tellOfRoom() }
        do throws(SpoolError) {
            return try write { writer throws(SpoolError) in
                let limit = ids.isEmpty ? slice : max(1, slice / Writer.sparseWeight)
                let step = isQuiet ? limit : Writer.sliceStep
                defer { deletionIsAwaited.store(queue.isAwaited, ordering: .relaxed) }
                return try writer.deleteSlice(
                    of: range,
                    ids: ids,
                    from: start,
                    limit: limit,
                    step: step,
                    in: epoch
                ) {
                    queue.waitingRecords > 0
                }
            }
        } catch {
            // What is deleted stands in the log first, and may be more than a full disk leaves it: the next slice has
            // half as many.
            if error.lacksDiskSpace {
                lastSlice.store(max(1, slice / 4), ordering: .relaxed)
            }
            throw error
        }
    }

    /// Deletes all records at once, which costs a tenth of deleting them one by one, if all of them are of some acknowledged
    /// batches and nobody has logged for a second. False if not.
    ///
    /// - Parameter ranges: each holds every row from its first record to its last.
    func deleteAll(of ranges: [BatchRange], in epoch: Int64?) throws(SpoolError) -> Bool {
        guard try giveWay() else { return false }
        let isDone = try write { writer throws(SpoolError) in try writer.deleteAll(of: ranges, in: epoch) }
        if isDone { tellOfRoom() }
        return isDone
    }

    /// Runs `body` while no other thread of this process deletes a batch, or copies the log: each makes more of what there
    /// is to copy. Where they are not done within the time, they go on meanwhile.
    func pausingDeletion<Result>(
        within patience: Duration = .seconds(1),
        _ body: () throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        let deadline = MonotonicClock.nanoseconds() &+ patience.nanoseconds
        let locks = [copying, deletion].filter { $0.lock(until: deadline) }
        defer { for lock in locks { lock.unlock() } }
        return try body()
    }

    func reject(
        _ records: [RefusedRecord],
        in epoch: Int64?,
        afterSlice: () -> Void = {}
    ) throws(SpoolError) {
        var rest = records[...]
        while !rest.isEmpty {
            let moved = try write { writer throws(SpoolError) in try writer.moveToRejected(rest, in: epoch) }
            rest = rest.dropFirst(moved)
            mayHaveUntoldGaps.store(true, ordering: .releasing)
            tellOfRoom()
            afterSlice()
            try giveWay()
        }
    }

    /// Lets others have the write lock before the next slice. The threads of this process are known to wait or not; those of
    /// other processes ask for it again and again, with pauses that grow to two milliseconds, and would find it free for no
    /// longer than it takes to begin the next transaction.
    ///
    /// - Returns: true if nobody has logged for ``Spool/Options/quietTime``, in this process, or writes in another.
    @discardableResult
    func giveWay() throws(SpoolError) -> Bool {
        lock.giveWay()
        let othersAreWriting = try write { writer throws(SpoolError) in try writer.othersAreWriting() }
        if othersAreWriting { MonotonicClock.sleep(nanoseconds: 500_000) }
        let quiet = MonotonicClock.nanoseconds() &- lastAppend.load(ordering: .relaxed)
        return !othersAreWriting && quiet > quietTime
    }

    func noteFailure(
        stream: Int64,
        message: String,
        failures: Int,
        time: Int64,
        in epoch: Int64?
    ) throws(SpoolError) {
        try write { writer throws(SpoolError) in
            try writer.noteFailure(stream: stream, message: message, failures: failures, time: time, in: epoch)
        }
    }
}
