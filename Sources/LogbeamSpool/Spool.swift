package import LogbeamCore
internal import Synchronization

/// A durable queue of records in a SQLite file: append at one end, delete at the other what was acknowledged.
///
/// Thread-safe. All writes of the process go through one connection behind one lock, so that in one process nobody ever
/// waits in SQLite's busy handler; between processes, SQLite's own locks decide. Every call blocks: never make one on
/// Swift's cooperative pool but for ``append(stream:timestamp:message:mayBlock:)``, which takes one commit.
///
/// What a call has committed survives the death of the process at any instruction. It survives a power loss too where
/// `powerLossSafe` is set, or ``sync()`` has returned since; otherwise a power loss may take the last commits, but never
/// damages the file (https://www.sqlite.org/pragma.html#pragma_synchronous).
package final class Spool: Sendable {
    package struct Options: Sendable {
        /// Make the file, and its directories, if they are missing, or if it is empty.
        package var create: Bool
        /// Sync the disk at every commit. One that fails to sync has failed; yet it stands whole in the log until the next
        /// commit takes its place, and if the process dies before that, it is found there.
        package var powerLossSafe: Bool
        /// The longest that a call waits for the write lock before it throws ``SpoolError/Kind/busy``.
        package var commitTimeout: Duration
        /// How large the spool may become by what this process appends; `nil` for no bound.
        package var limit: SpoolLimit?
        /// For how long opening waits while another process holds the file.
        var openTimeout = SpoolFile.openTimeout
        /// How many bytes may be written beside a file.
        package var freeSpace: @Sendable (_ path: String) -> Int64 = DiskSpace.free
        /// How long nobody may have logged before records are deleted in longer slices, for which a commit would wait.
        var quietTime = Duration.seconds(1)
        /// Nanoseconds, for how long to leave a disk alone that has refused something: see ``SyncFailures``.
        var clock: @Sendable () -> UInt64 = MonotonicClock.nanoseconds

        package init(
            create: Bool = true,
            powerLossSafe: Bool = false,
            commitTimeout: Duration = .seconds(5),
            limit: SpoolLimit? = nil
        ) {
            self.create = create
            self.powerLossSafe = powerLossSafe
            self.commitTimeout = commitTimeout
            self.limit = limit
        }

        package func opening(within timeout: Duration) -> Options {
            var options = self
            options.openTimeout = min(timeout, openTimeout)
            return options
        }
    }

    /// Absolute and without symbolic links, so that it names the same file if the working directory changes.
    package let path: String
    private let commitTimeout: UInt64
    /// In nanoseconds: see ``Options/quietTime``.
    let quietTime: UInt64
    /// How long the threads of this process wait for one another, in nanoseconds: what the commit timeout is for is another
    /// process, and among themselves they are soon done. Not less than a second: a thread may be long in coming to its turn.
    private let lockTimeout: UInt64
    let lock = TimedLock()
    /// For who deletes an acknowledged batch.
    let deletion = TimedLock()
    /// For who copies the log into the file. Taken within ``ForkGate/pass(_:)``, and before ``deletion``.
    let copying = TimedLock()
    /// How many records the last slice of a deletion had at most.
    let lastSlice = Atomic<Int>(Writer.sliceSize / 2)
    /// Others waited when the last slice was done.
    let deletionIsAwaited = Atomic<Bool>(false)
    /// So much room was left when a batch was last acknowledged that its records need not be deleted at once.
    let hasAmpleRoom = Atomic<Bool>(true)
    let walMonitor: WALMonitor
    let queue: CommitQueue
    let walSync: WALSync
    let limit: SpoolLimit?
    /// When a record was last to be appended by a thread that logs, in nanoseconds of ``MonotonicClock``.
    let lastAppend = Atomic<UInt64>(0)
    private let roomAlarm = RoomAlarm()
    /// Until when nobody waits for the log, in nanoseconds of ``MonotonicClock``.
    private let walHeldUntil = Atomic<UInt64>(0)
    /// There may be gaps that their streams have not been told of: perhaps from before this process.
    let mayHaveUntoldGaps = Atomic<Bool>(true)
    /// What deletes here what was moved to another file, as long as it has not succeeded: see ``CarryOver``.
    let dueDeletion = Mutex<Deletion?>(nil)
    private let forkNumber: Int

    /// Opens a spool, or makes one. A file that is no spool, or one of a later version, is left as it is.
    package init(path: String, options: Options = Options()) throws(SpoolError) {
        commitTimeout = options.commitTimeout.nanoseconds
        quietTime = options.quietTime.nanoseconds
        lockTimeout = max(commitTimeout, 1_000_000_000)
        limit = options.limit
        let walMonitor = WALMonitor(
            safetyThreshold: options.limit?.safetyPages ?? WALMonitor.usualThreshold,
            clock: options.clock
        )
        self.walMonitor = walMonitor
        let writer = try ForkGate.pass { () throws(SpoolError) in
            let connection = try SpoolFile.openForWriting(
                path: path,
                create: options.create,
                powerLossSafe: options.powerLossSafe,
                timeout: options.openTimeout
            )
            CommitShortcuts.install(on: connection)
            return try Writer(
                connection: connection,
                walMonitor: walMonitor,
                limit: options.limit,
                freeSpace: options.freeSpace
            )
        }
        self.path = writer.connection.canonicalPath
        forkNumber = ForkGate.number
        queue = CommitQueue(
            lock: lock,
            writer: writer,
            busyTimeout: commitTimeout < lockTimeout ? commitTimeout : .max
        )
        walSync = WALSync(path: self.path, walMonitor: walMonitor)
        ForkGate.add(queue)
        // Where that fails, the journals stay for the next time.
        takeInJournals()
        try? forgetJournals()
    }

    deinit {
        if forkNumber == ForkGate.number { ForkGate.remove(queue) }
    }

    /// Runs `body` with the lock held, for at most the commit timeout of waiting in all, or a second if that is longer.
    func write<Result>(_ body: (Writer) throws(SpoolError) -> Result) throws(SpoolError) -> Result {
        try queue.write(until: MonotonicClock.nanoseconds() &+ lockTimeout, body)
    }

    /// Messages of a mebibyte in all are written within milliseconds.
    static let sliceBytes = 1 << 20

    // MARK: Appending

    /// Commits one record; when this returns, the record is durable. Returns its id. If it throws, the record is not in
    /// the spool, and never will be.
    ///
    /// Threads that append at the same time share commits. None waits for longer than the commit timeout and the commits
    /// that are then under way: see ``CommitQueue``. Where the spool is full, ``SpoolLimit/WhenFull/block(timeout:)`` adds
    /// its time.
    ///
    /// - Parameters:
    ///   - timestamp: milliseconds since 1970-01-01T00:00:00Z.
    ///   - message: UTF-8.
    ///   - mayBlock: whether to wait for room at all.
    @discardableResult
    package func append(
        stream: Int64,
        timestamp: Int64,
        message: UnsafeBufferPointer<UInt8>,
        mayBlock: Bool = true
    ) throws(SpoolError) -> Int64 {
        let record = NewRecord(stream: stream, timestamp: timestamp, message: message)
        let cost = SpoolLimit.cost(ofMessage: message.count)
        return try withRoom(for: cost, mayBlock: mayBlock) { deadline throws(SpoolError) in
            try queue.append(record, until: deadline)
        }
    }

    /// Commits records, of several streams perhaps, and how far they were taken: all of that or nothing. Returns the id of
    /// the last; 0 if there is none.
    ///
    /// - Parameter mayBlock: whether to wait for room at all.
    @discardableResult
    package func append(
        _ records: [NewRecord],
        progress: AppendProgress? = nil,
        mayBlock: Bool = true
    ) throws(SpoolError) -> Int64 {
        let cost = records.reduce(0) { $0 + SpoolLimit.cost(ofMessage: $1.message.count) }
        // What comes from a journal or a file is safe there: nobody waits for it.
        let isAwaited = progress == nil
        return try withRoom(for: cost, mayBlock: mayBlock, isAwaited: isAwaited) { deadline throws(SpoolError) in
            try queue.write(until: deadline) { writer throws(SpoolError) in
                try writer.append(records, cost: cost, progress: progress)
            }
        }
    }

    /// Waits until the disk has everything that was committed to the spool before the call, by whatever thread or process.
    ///
    /// Other threads go on committing meanwhile, and those that sync at the same time share the wait. If this throws, what
    /// was committed is in the spool all the same, and only a power loss may still take it.
    package func sync() throws(SpoolError) {
        try walSync.sync(until: MonotonicClock.nanoseconds() &+ commitTimeout) { body throws(SpoolError) in
            try write { writer throws(SpoolError) in try body(writer.connection) }
        }
    }

    /// Ends what a process has left that was killed as it began the log anew, for those that are not to come to harm by it and
    /// know nothing of it, such as `sqlite3`. Waits for nothing: whoever has a lock that this needs does the same.
    func finishRestart() {
        try? queue.write(until: 0) { writer throws(SpoolError) in try writer.connection.finishRestart() }
    }

    /// The id by which the spool knows a stream; the stream is made known to it if need be.
    package func streamID(for destination: Destination) throws(SpoolError) -> Int64 {
        try write { writer throws(SpoolError) in try writer.streamID(for: destination) }
    }

    /// Makes known the streams of another file. Returns the ids that they have here, by those that they have there.
    func streamIDs(of source: Connection) throws(SpoolError) -> [Int64: Int64] {
        var streams: [Int64: Int64] = [:]
        let names = try source.prepare("SELECT id, log_group, log_stream FROM streams ORDER BY id")
        while try names.step() {
            streams[names.integer(0)] = try streamID(
                for: Destination(logGroup: names.text(1), logStream: names.text(2))
            )
        }
        return streams
    }

    /// Asks the process that uploads to send everything up to an id without waiting for a full batch.
    package func requestFlush(through id: Int64) throws(SpoolError) {
        try write { writer throws(SpoolError) in try writer.requestFlush(through: id) }
    }

    // MARK: Room

    /// Runs `body`, and again when it finds the spool full and room was made, as the limit demands.
    ///
    /// It may wait until the deadline that it is given, in nanoseconds of ``MonotonicClock``.
    func withRoom<Result>(
        for cost: Int64,
        mayBlock: Bool,
        isAwaited: Bool = true,
        _ body: (_ deadline: UInt64) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        let start = MonotonicClock.nanoseconds()
        if isAwaited { lastAppend.store(start, ordering: .relaxed) }
        var deadline = start &+ lockTimeout
        var isFirst = true
        var refusal: SpoolError?
        while true {
            let seen = roomAlarm.count
            do throws(SpoolError) {
                return try body(deadline)
            } catch {
                guard let limit, limit.room(for: cost) <= limit.largestRoom else { throw error }
                let now = MonotonicClock.nanoseconds()
                if error.kind == .walHeld {
                    try bearHeldLog(error, since: start)
                    continue
                }
                // Whoever has waited for room in vain has no time left to wait for other threads.
                guard error.kind == .atLimit else { throw error.kind == .busy ? refusal ?? error : error }
                refusal = error
                switch limit.whenFull {
                case .dropOldest:
                    // Once at least, however short the time is.
                    guard isFirst || now < deadline else { throw error }
                    guard try dropOldest(toFit: cost, until: deadline) else { throw error }
                case .dropNewest:
                    throw error
                case .block(let timeout):
                    guard mayBlock else { throw error }
                    if isFirst { deadline = now &+ timeout.nanoseconds }
                    guard now < deadline, !roomAlarm.isClosed else { throw error }
                    roomAlarm.wait(since: seen, until: deadline)
                }
                isFirst = false
            }
        }
    }

    /// Waits for a moment for whoever reads to let go of the log: as a rule that is a matter of milliseconds. When that was
    /// in vain, nobody waits for the next second.
    private func bearHeldLog(_ error: SpoolError, since start: UInt64) throws(SpoolError) {
        let now = MonotonicClock.nanoseconds()
        guard now >= walHeldUntil.load(ordering: .relaxed) else { throw error }
        guard now &- start < min(commitTimeout, 1_000_000_000) else {
            walHeldUntil.store(now &+ 1_000_000_000, ordering: .relaxed)
            throw error
        }
        MonotonicClock.sleep(nanoseconds: 1_000_000)
    }

    /// Drops a slice of the oldest records, unless there is room by now. False if there is nothing to drop.
    private func dropOldest(toFit cost: Int64, until deadline: UInt64) throws(SpoolError) -> Bool {
        defer { mayHaveUntoldGaps.store(true, ordering: .releasing) }
        return try queue.write(until: deadline) { writer throws(SpoolError) in
            try writer.dropOldest(toFit: cost)
        }
    }

    /// From now on a record for which there is no room is refused, as if its time were over: another file is in use.
    func endWaitsForRoom() { roomAlarm.close() }

    /// From now on a call waits for no room, and for the lock of another process no longer than so.
    func hasten(waitingFor timeout: Duration) {
        queue.busyTimeout.store(timeout.nanoseconds, ordering: .relaxed)
        endWaitsForRoom()
    }

    func tellOfRoom() {
        if limit != nil { roomAlarm.ring() }
    }

    /// The pages in the write-ahead log after the last commit of this process.
    var walPages: Int { walMonitor.pages.load(ordering: .relaxed) }

    /// What the file of the write-ahead log takes, in bytes; 0 if it can not be told.
    var walFileSize: Int { DiskSpace.size(of: path + "-wal") }
}
