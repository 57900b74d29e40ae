internal import LogbeamCore

/// Every write of this process: one connection, its statements, and what they do.
///
/// Not thread-safe: ``Spool`` holds its lock around every call. A call either commits all of what it does or nothing.
final class Writer {
    let connection: Connection
    private let walMonitor: WALMonitor

    private let ids: NewIDs
    private let records: NewRecords
    private let streams: StreamTable
    private let updateLastID: Statement
    private let raiseFlushThrough: Statement
    private let raiseDelivered: Statement
    private let noteDelivery: Statement
    private let noteFailure: Statement
    let deliveries: DeliveryTable
    private let rejected: RejectedTable
    let gaps: GapTable
    private let oldest: OldestRecords
    let room: Room
    private let selectEpoch: Statement
    private let raiseEpoch: Statement
    private let selectDataVersion: Statement
    private var dataVersion: Int64 = 0
    /// When another process was last seen to have written, in nanoseconds of ``MonotonicClock``.
    private var othersWroteAt: UInt64?

    init(
        connection: Connection,
        walMonitor: WALMonitor,
        limit: SpoolLimit? = nil,
        freeSpace: @escaping @Sendable (String) -> Int64 = DiskSpace.free
    ) throws(SpoolError) {
        self.connection = connection
        self.walMonitor = walMonitor
        room = try Room(connection: connection, walMonitor: walMonitor, limit: limit, freeSpace: freeSpace)
        oldest = try OldestRecords(connection: connection)
        gaps = try GapTable(connection: connection)
        ids = try NewIDs(connection: connection)
        records = try NewRecords(connection: connection, ids: ids)
        streams = try StreamTable(connection: connection)
        deliveries = try DeliveryTable(connection: connection)
        updateLastID = try connection.prepare("UPDATE counters SET value = max(value, ?1) WHERE name = 'last_id'")
        raiseFlushThrough = try connection.prepare(
            "UPDATE counters SET value = max(value, ?1) WHERE name = 'flush_through'"
        )
        raiseDelivered = try connection.prepare("UPDATE counters SET value = value + ?1 WHERE name = 'delivered'")
        noteDelivery = try connection.prepare(
            """
            UPDATE streams SET last_delivery_at = ?2, last_error_at = NULL, last_error = NULL, failures = 0 WHERE id = ?1
            """
        )
        noteFailure = try connection.prepare(
            "UPDATE streams SET last_error_at = ?2, last_error = ?3, failures = ?4 WHERE id = ?1"
        )
        rejected = try RejectedTable(connection: connection, limit: limit)
        selectEpoch = try connection.prepare("SELECT value FROM counters WHERE name = 'lease_epoch'")
        raiseEpoch = try connection.prepare("UPDATE counters SET value = ?1 WHERE name = 'lease_epoch'")
        selectDataVersion = try connection.prepare("PRAGMA data_version")
        walMonitor.install(on: connection)
        _ = try othersAreWriting()
    }

    /// An acknowledgement looks at this many records in one transaction, its own and, unless it knows their ids, those of
    /// other streams between them: at well under a microsecond a record no other writer waits for long.
    static let sliceSize = 500
    /// So many of them, and it looks whether somebody waits: a commit of `log()` takes as long.
    static let sliceStep = 50
    /// A record that is deleted by its id counts as so many: most of them stand alone on a page, which goes to the log.
    static let sparseWeight = 8
    /// The same as ``sliceSize`` where nobody has logged for a second: a commit for more of them.
    static let longestSlice = 4_000

    // MARK: Appending

    /// Commits one record and returns its id.
    func append(_ record: NewRecord) throws(SpoolError) -> Int64 {
        let cost = SpoolLimit.cost(ofMessage: record.message.count)
        try room.admit(cost)
        do throws(SpoolError) {
            return try insert(record)
        } catch {
            guard error.isFailedSync else { throw error }
            // Who has opened a file hears by their next sync of all that failed before, perhaps long ago and what others
            // wrote: the one after that tells of this record (fsync(2), "will be reported to all file descriptors").
            try room.admit(cost)
            return try insert(record)
        }
    }

    /// Commits records and how far they were taken: all of that or nothing. Returns the id of the last; 0 if there is none.
    func append(_ records: [NewRecord], cost: Int64, progress: AppendProgress?) throws(SpoolError) -> Int64 {
        try room.admit(cost)
        let first = try records.withUnsafeBufferPointer { records throws(SpoolError) in
            try append(progress: progress) { records }
        }
        return first + max(0, Int64(records.count) - 1)
    }

    /// Commits records in one transaction, under ids that follow each other. Returns the id of the first; 0 if there is
    /// none. Asks for no room.
    ///
    /// - Parameter take: called once the write lock is held.
    func append(
        progress: AppendProgress? = nil,
        taking take: () -> UnsafeBufferPointer<NewRecord>
    ) throws(SpoolError) -> Int64 {
        let first = try connection.transaction { () throws(SpoolError) in
            let first = try insert(take())
            if let progress { try note(progress) }
            return first
        }
        // Without a record nobody has looked which ids there are.
        if first != 0 { ids.noteCommit() }
        return first
    }

    /// Commits one record, or inserts it where there is a transaction, and returns its id. Asks for no room: see
    /// ``Room/admit(_:)``.
    @discardableResult
    func insert(_ record: NewRecord) throws(SpoolError) -> Int64 {
        try withUnsafePointer(to: record) { record throws(SpoolError) in
            try insert(UnsafeBufferPointer(start: record, count: 1))
        }
    }

    private func insert(_ records: UnsafeBufferPointer<NewRecord>) throws(SpoolError) -> Int64 {
        for record in records { room.spend(SpoolLimit.cost(ofMessage: record.message.count)) }
        return try self.records.insert(records)
    }

    /// The id of a stream, which is made known to the spool if it is not yet.
    func streamID(for destination: Destination) throws(SpoolError) -> Int64 {
        try streams.id(for: destination)
    }

    // MARK: The upload lease

    /// Gives the spool into new hands: whoever had the lease before can write nothing more by it.
    ///
    /// - Parameter take: takes the file of the lease, with SQLite's write lock held: the file and the epoch change hands
    ///   together, and one process at a time is at it. Is told the new epoch; false if the lease is not to be had.
    /// - Returns: the new epoch; `nil` if the lease was not to be had.
    func takeLease(_ take: (_ epoch: Int64) throws(SpoolError) -> Bool) throws(SpoolError) -> Int64? {
        do throws(SpoolError) {
            return try tryToTakeLease(take)
        } catch {
            // There may be room in the log once it begins anew; as long as nobody has the lease, nobody else sees to that.
            guard error.lacksDiskSpace else { throw error }
            room.truncateWAL()
            return try tryToTakeLease(take)
        }
    }

    private func tryToTakeLease(_ take: (_ epoch: Int64) throws(SpoolError) -> Bool) throws(SpoolError) -> Int64? {
        try connection.transaction { () throws(SpoolError) in
            // Only whether it is another one counts, so that after the last of all comes the first.
            let epoch = try leaseEpoch() &+ 1
            guard try take(epoch) else { return nil }
            try raiseEpoch.bind(epoch, at: 1)
            try raiseEpoch.run()
            return epoch
        }
    }

    private func leaseEpoch() throws(SpoolError) -> Int64 {
        defer { selectEpoch.reset() }
        return try selectEpoch.step() ? selectEpoch.integer(0) : 0
    }

    /// Runs `body` in one transaction, which comes to nothing if another process has taken the lease since this epoch began.
    ///
    /// - Parameter epoch: `nil` if nobody else can have the lease.
    private func delivering<Result>(
        in epoch: Int64?,
        _ body: () throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        try connection.transaction { () throws(SpoolError) in
            if let epoch, try leaseEpoch() != epoch {
                throw .superseded(connection.path)
            }
            return try body()
        }
    }

    // MARK: Delivering

    /// Writes down that a batch is about to be sent.
    func begin(_ range: BatchRange, in epoch: Int64?) throws(SpoolError) {
        try delivering(in: epoch) { () throws(SpoolError) in try deliveries.add(range) }
    }

    /// Forgets a batch that the service has not taken: nothing is in doubt but some parts of it.
    func abandon(_ range: BatchRange, for parts: [BatchRange], in epoch: Int64?) throws(SpoolError) {
        try delivering(in: epoch) { () throws(SpoolError) in
            try deliveries.remove(range)
            for part in parts { try deliveries.add(part) }
        }
        oldest.startOver()
    }

    /// Writes down that the service has the batch, and moves to `rejected` what it refused of it.
    func acknowledge(
        _ range: BatchRange,
        refused: [RefusedRecord],
        delivered: Int,
        in epoch: Int64?
    ) throws(SpoolError) {
        try delivering(in: epoch) { () throws(SpoolError) in
            // Marked before: this is the second try of an acknowledgement that did not come to its end.
            guard try deliveries.mark(range) else { return }
            // No more than a batch: a bounded number of records and bytes.
            try reject(refused[...])
            // Before the first of its ids is free: an id must not be used again while this batch is being deleted.
            try raiseLastID(to: range.last)
            try raiseDelivered.bind(Int64(delivered), at: 1)
            try raiseDelivered.run()
            try noteDelivery.bind(range.stream, at: 1)
            try noteDelivery.bind(WallClock.milliseconds(), at: 2)
            try noteDelivery.run()
        }
    }

    /// Deletes the next records of an acknowledged batch, from `start` on, and the note of the delivery with the last
    /// of them. Returns where the next slice starts; `nil` when all is done.
    ///
    /// - Parameters:
    ///   - ids: those of its records, ascending, to look for each of them; empty to look through the range.
    ///   - step: after so many records `isWanted` is asked.
    ///   - isWanted: whether somebody waits: then the slice ends before its limit.
    func deleteSlice(
        of range: BatchRange,
        ids: [Int64] = [],
        from start: Int64,
        limit: Int = sliceSize,
        step: Int = sliceSize,
        in epoch: Int64?,
        isWanted: () -> Bool = { false }
    ) throws(SpoolError) -> Int64? {
        try delivering(in: epoch) { () throws(SpoolError) in
            func delete(from start: Int64, limit: Int) throws(SpoolError) -> Int64? {
                ids.isEmpty
                    ? try deliveries.deleteRecords(of: range, from: start, limit: limit)
                    : try deliveries.deleteRecords(of: range, ids: ids, from: start, limit: limit)
            }
            var end = try delete(from: start, limit: min(step, limit))
            var left = limit - step
            while let last = end, left > 0, !isWanted() {
                end = try delete(from: last + 1, limit: min(step, left))
                left -= step
            }
            room.noteDeletion()
            if let end { return end + 1 }
            try raiseLastID(to: range.last)
            try deliveries.remove(range)
            return nil
        }
    }

    /// Deletes every record, and the notes of their deliveries, if there is none but those of some acknowledged batches.
    /// False if there is.
    ///
    /// - Parameter ranges: each holds every row from its first record to its last.
    func deleteAll(of ranges: [BatchRange], in epoch: Int64?) throws(SpoolError) -> Bool {
        try delivering(in: epoch) { () throws(SpoolError) in
            guard let last = ranges.map(\.last).max(), try !deliveries.hasRecords(outside: ranges) else { return false }
            try deliveries.deleteAllRecords()
            room.noteDeletion()
            try raiseLastID(to: last)
            return true
        }
    }

    /// Whether another process has written in the last second, as far as the calls of this have shown.
    func othersAreWriting() throws(SpoolError) -> Bool {
        defer { selectDataVersion.reset() }
        let now = MonotonicClock.nanoseconds()
        // Changes with the commits of other connections alone (https://www.sqlite.org/pragma.html#pragma_data_version).
        if try selectDataVersion.step(), selectDataVersion.integer(0) != dataVersion {
            othersWroteAt = dataVersion == 0 ? nil : now
            dataVersion = selectDataVersion.integer(0)
        }
        return othersWroteAt.map { now - $0 < 1_000_000_000 } ?? false
    }

    /// Moves the first of these records to `rejected`, in one transaction. Returns how many were done with: 500 at the most,
    /// fewer where their messages are long.
    func moveToRejected(_ records: ArraySlice<RefusedRecord>, in epoch: Int64?) throws(SpoolError) -> Int {
        try delivering(in: epoch) { () throws(SpoolError) in
            try reject(records.prefix(Self.sliceSize), byteSlice: BatchLimits.maximumBytes)
        }
    }

    @discardableResult
    private func reject(_ records: ArraySlice<RefusedRecord>, byteSlice: Int = .max) throws(SpoolError) -> Int {
        var refusals: [Gap] = []
        let moved = records.prefix(try rejected.take(records, byteSlice: byteSlice, &refusals))
        for refusal in refusals { try gaps.add(refusal, isTold: false) }
        if let last = moved.map(\.id).max() {
            try raiseLastID(to: last)
        }
        return moved.count
    }

    /// Asks whoever uploads to send everything up to an id.
    func requestFlush(through id: Int64) throws(SpoolError) {
        try raiseFlushThrough.bind(id, at: 1)
        try raiseFlushThrough.run()
    }

    // MARK: Notes for `status`

    func noteFailure(
        stream: Int64,
        message: String,
        failures: Int,
        time: Int64,
        in epoch: Int64?
    ) throws(SpoolError) {
        try delivering(in: epoch) { () throws(SpoolError) in
            try noteFailure.bind(stream, at: 1)
            try noteFailure.bind(time, at: 2)
            try noteFailure.bind(message, at: 3)
            try noteFailure.bind(Int64(failures), at: 4)
            try noteFailure.run()
        }
    }

    /// Tells of a gap by a record in the stream itself, with what is known of it by now. False if that was done already,
    /// by another process perhaps.
    func tellGap(stream: Int64, reason: String) throws(SpoolError) -> Bool {
        try room.admit(SpoolLimit.cost(ofMessage: Gap.longestDescription))
        return try connection.transaction { () throws(SpoolError) in
            guard let gap = try gaps.takeUntold(stream: stream, reason: reason) else { return false }
            if !reason.hasPrefix(Gap.refusalMark) { try gaps.add(gap, isTold: true) }
            var text = gap.description
            let now = WallClock.milliseconds()
            _ = try text.withUTF8 { utf8 in
                Result { () throws(SpoolError) in
                    try insert(NewRecord(stream: stream, timestamp: now, message: utf8))
                }
            }.get()
            return true
        }
    }

    // MARK: Room

    /// Drops a slice of the records that were committed first, unless there is room for a record of this cost by now. False
    /// if there is nothing that may be dropped.
    func dropOldest(toFit cost: Int64) throws(SpoolError) -> Bool {
        let before = try room.measure()
        guard before < room.limit?.room(for: cost) ?? cost else { return true }
        guard try dropOldestSlice() else { return false }
        room.exchange(try room.measure() - before)
        return true
    }

    private func raiseLastID(to id: Int64) throws(SpoolError) {
        try updateLastID.bind(id, at: 1)
        try updateLastID.run()
    }

    /// Deletes a slice of what is acknowledged, which the process that uploads may have put off. False if there is nothing.
    private func deleteAcknowledgedSlice() throws(SpoolError) -> Bool {
        guard let range = try connection.acknowledgedBatches().first else { return false }
        guard try deliveries.deleteRecords(of: range, from: range.first, limit: Self.sliceSize) == nil else {
            return true
        }
        try raiseLastID(to: range.last)
        try deliveries.remove(range)
        return true
    }

    /// Drops a slice of the records that were committed first, and counts them. False if there is none that may be dropped.
    func dropOldestSlice() throws(SpoolError) -> Bool {
        try connection.transaction { () throws(SpoolError) in
            // It may be more than there is room for, now that the spool is given less.
            let isCleared = try rejected.makeRoom()
            if try deleteAcknowledgedSlice() { return true }
            guard let last = try oldest.drop() else { return isCleared }
            try raiseLastID(to: last)
            return true
        }
    }
}
