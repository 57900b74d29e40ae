package import LogbeamCore
internal import Synchronization

/// A durable queue of records in a SQLite file: append at one end, delete at the other what was acknowledged.
///
/// Thread-safe. All writes of the process go through one connection behind one lock, so that in one process nobody ever
/// waits in SQLite's busy handler; between processes, SQLite's own locks decide. Every call blocks: never make one on
/// Swift's cooperative pool but for ``append(stream:timestamp:message:)``, which takes one commit.
///
/// What a call has committed survives the death of the process at any instruction. It survives a power loss too where
/// `powerLossSafe` is set, or ``sync()`` has returned since; otherwise a power loss may take the last commits, but never
/// damages the file (https://www.sqlite.org/pragma.html#pragma_synchronous).
package final class Spool: Sendable {
    package struct Options: Sendable {
        /// Make the file, and its directories, if they are missing.
        package var create: Bool
        /// Sync the disk at every commit. One that fails to sync has failed; yet it stands whole in the log until the next
        /// commit takes its place, and if the process dies before that, it is found there.
        package var powerLossSafe: Bool
        /// The longest that a call waits for the write lock before it throws ``SpoolError/Kind/busy``.
        package var commitTimeout: Duration

        package init(create: Bool = true, powerLossSafe: Bool = false, commitTimeout: Duration = .seconds(5)) {
            self.create = create
            self.powerLossSafe = powerLossSafe
            self.commitTimeout = commitTimeout
        }
    }

    /// Absolute and without symbolic links, so that it names the same file if the working directory changes.
    package let path: String
    private let commitTimeout: UInt64
    let lock = TimedLock()
    private let walMonitor: WALMonitor
    let queue: CommitQueue
    private let logSync: LogSync

    /// Opens a spool, or makes one. A file that is no spool, or one of a later version, is left as it is.
    package init(path: String, options: Options = Options()) throws(SpoolError) {
        commitTimeout = options.commitTimeout.nanoseconds
        walMonitor = WALMonitor()
        let connection = try SpoolFile.openForWriting(
            path: path,
            create: options.create,
            powerLossSafe: options.powerLossSafe
        )
        self.path = connection.canonicalPath
        queue = CommitQueue(lock: lock, writer: try Writer(connection: connection, walMonitor: walMonitor))
        logSync = LogSync(path: connection.canonicalPath)
    }

    /// Runs `body` with the lock held, for at most the commit timeout of waiting in all.
    func write<Result>(_ body: (Writer) throws(SpoolError) -> Result) throws(SpoolError) -> Result {
        try queue.write(until: MonotonicClock.nanoseconds() &+ commitTimeout, body)
    }

    // MARK: Appending

    /// Commits one record; when this returns, the record is durable. Returns its id. If it throws, the record is not in
    /// the spool, and never will be.
    ///
    /// Threads that append at the same time share commits. None waits for longer than the commit timeout and the commits
    /// that are then under way: see ``CommitQueue``.
    ///
    /// - Parameters:
    ///   - timestamp: milliseconds since 1970-01-01T00:00:00Z.
    ///   - message: UTF-8.
    @discardableResult
    package func append(
        stream: Int64,
        timestamp: Int64,
        message: UnsafeBufferPointer<UInt8>
    ) throws(SpoolError) -> Int64 {
        let record = NewRecord(stream: stream, timestamp: timestamp, message: message)
        return try queue.append(record, until: MonotonicClock.nanoseconds() &+ commitTimeout)
    }

    /// Commits several records at once: all of them or none. Returns the id of the last.
    @discardableResult
    package func append(
        stream: Int64,
        timestamp: Int64,
        messages: some Sequence<UnsafeBufferPointer<UInt8>>
    ) throws(SpoolError) -> Int64 {
        try write { writer throws(SpoolError) in
            try writer.append(stream: stream, timestamp: timestamp, messages: messages)
        }
    }

    /// Waits until the disk has everything that was committed to the spool before the call, by whatever thread or process.
    ///
    /// Other threads go on committing meanwhile, and those that sync at the same time share the wait. If this throws, what
    /// was committed is in the spool all the same, and only a power loss may still take it.
    package func sync() throws(SpoolError) {
        try logSync.sync(until: MonotonicClock.nanoseconds() &+ commitTimeout)
    }

    /// The id by which the spool knows a stream; the stream is made known to it if need be.
    package func streamID(for destination: Destination) throws(SpoolError) -> Int64 {
        try write { writer throws(SpoolError) in try writer.streamID(for: destination) }
    }

    /// Asks the process that uploads to send everything up to an id without waiting for a full batch.
    package func requestFlush(through id: Int64) throws(SpoolError) {
        try write { writer throws(SpoolError) in try writer.requestFlush(through: id) }
    }

    // MARK: Delivering: see ``UploadLease``, which has the epoch. Without one, nobody else may have the lease.

    func begin(_ range: BatchRange, in epoch: Int64? = nil) throws(SpoolError) {
        try write { writer throws(SpoolError) in try writer.begin(range, in: epoch) }
    }

    func abandon(_ range: BatchRange, in epoch: Int64? = nil) throws(SpoolError) {
        try write { writer throws(SpoolError) in try writer.abandon(range, in: epoch) }
    }

    func acknowledge(
        _ range: BatchRange,
        refused: [RefusedRecord],
        delivered: Int,
        in epoch: Int64? = nil,
        afterSlice: () -> Void = {}
    ) throws(SpoolError) {
        try write { writer throws(SpoolError) in
            try writer.acknowledge(range, refused: refused, delivered: delivered, in: epoch)
        }
        try finish(range, in: epoch, afterSlice: afterSlice)
    }

    func finish(_ range: BatchRange, in epoch: Int64? = nil, afterSlice: () -> Void = {}) throws(SpoolError) {
        var next: Int64? = range.first
        while let start = next {
            next = try write { writer throws(SpoolError) in try writer.deleteSlice(of: range, from: start, in: epoch) }
            afterSlice()
            try giveWay()
        }
    }

    func reject(
        _ records: [RefusedRecord],
        in epoch: Int64? = nil,
        afterSlice: () -> Void = {}
    ) throws(SpoolError) {
        var rest = records[...]
        while !rest.isEmpty {
            let moved = try write { writer throws(SpoolError) in try writer.moveToRejected(rest, in: epoch) }
            rest = rest.dropFirst(moved)
            afterSlice()
            try giveWay()
        }
    }

    /// Lets others have the write lock before the next slice. The threads of this process are known to wait or not; those of
    /// other processes ask for it again and again, with pauses that grow to two milliseconds, and would find it free for no
    /// longer than it takes to begin the next transaction.
    private func giveWay() throws(SpoolError) {
        lock.giveWay()
        let othersAreWriting = try write { writer throws(SpoolError) in try writer.othersAreWriting() }
        if othersAreWriting { MonotonicClock.sleep(nanoseconds: 500_000) }
    }

    func noteFailure(
        stream: Int64,
        message: String,
        failures: Int,
        time: Int64 = WallClock.milliseconds(),
        in epoch: Int64? = nil
    ) throws(SpoolError) {
        try write { writer throws(SpoolError) in
            try writer.noteFailure(stream: stream, message: message, failures: failures, time: time, in: epoch)
        }
    }

    // MARK: Notes for `status`

    /// Notes that records of a stream never reached the spool, and tells of it by a record in the stream itself.
    package func noteGap(_ gap: Gap) throws(SpoolError) {
        try write { writer throws(SpoolError) in try writer.noteGap(gap) }
    }

    /// The pages in the write-ahead log after the last commit of this process.
    var walPages: Int { walMonitor.pages.load(ordering: .relaxed) }
}

extension Duration {
    /// Whole nanoseconds, 0 for a negative duration, at most about 292 years.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(min(seconds, 9_000_000_000)) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}
