internal import Synchronization

/// Puts the write-ahead log on the disk while other threads go on committing.
///
/// A record that was committed without a sync stands in the log until a checkpoint has synced both the log and the file.
/// So a sync of the log at any later time makes it durable, and with it everything before it: SQLite takes the frames of a
/// log in order, up to the first that is not whole, and a log is not restarted before all of it is in the file
/// (https://www.sqlite.org/wal.html, https://www.sqlite.org/fileformat2.html#walindexformat). That is what SQLite itself
/// does at a commit with `synchronous = FULL`, but there every other writer waits for the disk.
// @unchecked: what is not Sendable by itself is only touched with the lock held.
final class WALSync: @unchecked Sendable {
    private let path: String
    private let walMonitor: WALMonitor
    let lock = TimedLock()
    /// How many syncs have begun.
    private let begun = Atomic<UInt64>(0)
    /// Which of them was the last that succeeded; with the lock held.
    private var succeeded: UInt64 = 0
    /// Of our own: the writer's belongs to whoever commits. Open as long as this lives; with the lock held.
    private var connection: Connection?

    init(path: String, walMonitor: WALMonitor) {
        self.path = path
        self.walMonitor = walMonitor
    }

    /// Returns when everything is on the disk that was committed before the call.
    ///
    /// - Parameters:
    ///   - deadline: how long to wait for the sync of another thread, in nanoseconds of ``MonotonicClock``. The disk itself has
    ///     no deadline.
    ///   - withWriter: gives the connection of who commits, who waits meanwhile.
    func sync(until deadline: UInt64, withWriter: WithWriter) throws(SpoolError) {
        let before = begun.load(ordering: .sequentiallyConsistent)
        try ForkGate.pass { () throws(SpoolError) in try sync(begunAfter: before, until: deadline, withWriter) }
    }

    typealias WithWriter = ((Connection) throws(SpoolError) -> Void) throws(SpoolError) -> Void

    private func sync(
        begunAfter before: UInt64,
        until deadline: UInt64,
        _ withWriter: WithWriter
    ) throws(SpoolError) {
        guard lock.lock(until: deadline) else {
            throw SpoolError(.busy, path: path, message: "the disk did not take the log within the commit timeout")
        }
        defer { lock.unlock() }
        // One that began after this call was made has done all that was asked for.
        guard succeeded <= before else { return }
        let number = begun.add(1, ordering: .sequentiallyConsistent).newValue
        if let connection = try opened(until: deadline, withWriter) {
            try syncWAL(by: connection)
        } else {
            try withWriter(syncWAL)
        }
        succeeded = number
    }

    private func syncWAL(by connection: Connection) throws(SpoolError) {
        if try walMonitor.syncFailedWAL(by: connection) { return }
        do {
            try connection.syncWAL()
        } catch {
            walMonitor.noteWALFailure()
            _ = try walMonitor.syncFailedWAL(by: connection)
        }
    }

    /// `nil` if another file, or none, is at the path by now: then the writer's connection is the only way to the log.
    private func opened(until deadline: UInt64, _ withWriter: WithWriter) throws(SpoolError) -> Connection? {
        if let connection { return connection }
        let opening = Result { () throws(SpoolError) in
            try SpoolFile.openAgain(path: path, .readWrite, until: deadline)
        }
        // Asked afterwards: else it could be replaced in between.
        var hasMoved = false
        try withWriter { writer throws(SpoolError) in hasMoved = try writer.hasMoved() }
        if hasMoved { return nil }
        let new = try opening.get()
        guard try !new.hasMoved() else { return nil }
        walMonitor.watch(new)
        connection = new
        return new
    }
}
