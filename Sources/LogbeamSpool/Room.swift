internal import Synchronization

/// Knows whether the spool has room for another record, by its limit and on the disk.
///
/// A record takes what it costs from an allowance, which is one subtraction. When the allowance is used up, the pages are
/// counted (SQLite keeps both numbers in the header of the file, whatever the backlog), and there is a new one: a quarter
/// of what is free, and 256 KiB at the most, so that a few processes that write at once stay within the limit together.
///
/// ## A disk that is full
///
/// To send a batch and to delete it takes writes, and so room in the log; and to begin the log anew takes room in the
/// database for the pages that stand in the log alone. If records took the last of it, a full disk would stay full. So they
/// are refused while there is still room for those pages and a little more, and a log that has been copied has room of its
/// own. What others write to the disk in the meantime nobody can prevent.
///
/// Not thread-safe: belongs to ``Writer``.
final class Room {
    let limit: SpoolLimit?
    private let connection: Connection
    private let walMonitor: WALMonitor
    private let freeSpace: @Sendable (String) -> Int64
    private let path: String
    /// `synchronous` is FULL, or more.
    private let syncsCommits: Bool
    private let selectPages: Statement
    private let selectFreePages: Statement
    private var allowance: Int64 = 0
    /// At which length of the log, in pages, the disk is looked at again.
    private var diskCheckPages = 0
    /// Until when it counts as full, in nanoseconds of ``MonotonicClock``: not every record that is refused looks at it.
    private var fullUntil: UInt64 = 0

    /// The most that is appended between two counts of the pages.
    private static let largestAllowance: Int64 = 256 << 10
    /// What records leave free on the disk, in bytes: more than the largest transaction that sends or deletes writes.
    /// That is a slice of 500 records, each of which has a page of its own, which makes some 515 frames in the log.
    private static let reserve: Int64 = 5 << 19
    /// What is left of the log's file, in bytes, where the rest is given back to the disk.
    static let spareWAL: Int64 = 1 << 20
    /// Where so much is free, nothing need be added up.
    private static let plenty: Int64 = 1 << 30
    /// Where less is free, the disk may be full in a moment.
    private static let scarce: Int64 = 64 << 20
    private static let scarceAllowance: Int64 = 16 << 10
    private static let fullPause: UInt64 = 100_000_000

    /// - Parameter freeSpace: how many bytes may be written beside a file.
    init(
        connection: Connection,
        walMonitor: WALMonitor,
        limit: SpoolLimit?,
        freeSpace: @escaping @Sendable (String) -> Int64
    ) throws(SpoolError) {
        self.connection = connection
        self.walMonitor = walMonitor
        self.limit = limit
        self.freeSpace = freeSpace
        path = connection.canonicalPath
        // The log's file is cut to its part whenever it begins anew
        // (https://www.sqlite.org/pragma.html#pragma_journal_size_limit).
        if let limit { try connection.limitWAL(bytes: limit.walBytes) }
        syncsCommits = try connection.integer("PRAGMA synchronous") > 1
        selectPages = try connection.prepare("PRAGMA page_count")
        selectFreePages = try connection.prepare("PRAGMA freelist_count")
    }

    /// A record of this cost is being appended.
    func spend(_ cost: Int64) {
        allowance -= cost
    }

    /// What records may cost that are committed together with one that was admitted.
    var left: Int64 { max(0, allowance) }

    /// Throws ``SpoolError/Kind/atLimit`` unless there is room for records of this cost, ``SpoolError/Kind/walHeld`` if the
    /// log takes it, and ``SpoolError/Kind/full`` if the disk lacks it. Not for inside of a transaction.
    func admit(_ cost: Int64) throws(SpoolError) {
        let isSpent = allowance < cost
        let length = walMonitor.pages.load(ordering: .relaxed)
        let isDiskDue = length >= diskCheckPages
        // As long as the disk may lack anything, no commit copies the log; where nobody uploads, nobody else does.
        let isRewriteDue =
            length > 0 && isDiskDue && walMonitor.hasSyncFailure
            || length >= walMonitor.safetyThreshold && walMonitor.mayHaveSyncFailure
        // The sync of a commit says nothing of what was committed before, by whatever process, if one has failed since.
        if syncsCommits { _ = try walMonitor.syncFailedWAL(by: connection) }
        // A short record may make the log longer by pages.
        if isRewriteDue { try? walMonitor.writeAgain(by: connection) }
        guard isSpent || isDiskDue || isWALTooLong else { return }
        var next = isSpent ? max(cost, Self.largestAllowance) : allowance
        allowance = 0
        if let limit, isSpent || isWALTooLong {
            let needed = limit.room(for: cost)
            let free = try measure()
            let excess = walMonitor.length - limit.walBytes
            if excess > 0, free - excess < needed, try !walMonitor.emptyWAL(of: connection), free >= needed {
                throw walHeld
            }
            if isSpent {
                guard free >= needed else { throw atLimit }
                next = max(cost, min(next, free / 4))
            }
        }
        if isSpent || isDiskDue { next = try allowed(next, onDiskFor: cost) }
        allowance = next
    }

    /// How long the log's file may stay where it begins anew, in bytes; -1: however long it is.
    var usualWAL: Int64 { limit?.walBytes ?? -1 }
    private var isWALTooLong: Bool { limit.map { walMonitor.length > $0.walBytes } ?? false }

    // MARK: The disk

    /// How much of a new allowance the disk has room for, beside all that it must have room for; it is less where that is
    /// scarce, for it may soon be less still.
    private func allowed(_ next: Int64, onDiskFor cost: Int64) throws(SpoolError) -> Int64 {
        let now = MonotonicClock.nanoseconds()
        guard now >= fullUntil else { throw diskFull }
        var free = try freeOnDisk()
        if free < cost {
            truncateWAL()
            free = try freeOnDisk()
        }
        // Pages of the database that are free need no room on the disk.
        if free < cost, try number(selectFreePages) * SpoolLimit.pageSize < 2 * next {
            fullUntil = now &+ Self.fullPause
            throw diskFull
        }
        let frames = Int(clamping: max(0, free) / 4 / SpoolLimit.frameSize)
        diskCheckPages = walMonitor.pages.load(ordering: .relaxed) + min(16_384, max(64, frames))
        return free < Self.scarce ? min(next, max(cost, Self.scarceAllowance)) : next
    }

    /// What records may take of the disk.
    private func freeOnDisk() throws(SpoolError) -> Int64 {
        let free = freeSpace(path)
        if free >= Self.plenty { return free }
        return try free - unplaced() - Self.reserve
    }

    /// The bytes of pages that stand in the log, and for which the file of the database has no place yet.
    private func unplaced() throws(SpoolError) -> Int64 {
        let size = Int64(DiskSpace.size(of: path))
        return try max(0, number(selectPages) * SpoolLimit.pageSize - size)
    }

    /// Whether so little is free that the log had better be copied into the database while it can be. Then the next record
    /// looks at the disk.
    func isScarce() throws(SpoolError) -> Bool {
        guard try freeOnDisk() < Self.scarce else { return false }
        allowance = 0
        return true
    }

    /// Whether there is so much room that nothing need be deleted for the sake of it: on the disk, and by the limit. Where
    /// this process has none, another one that logs may have the usual one.
    func isAmple() throws(SpoolError) -> Bool {
        guard freeSpace(path) >= Self.plenty else { return false }
        return try usedBytes() <= (limit?.databaseBytes ?? Self.plenty) / 2
    }

    /// Copies the log into the database, and leaves as much of its file as it takes to send and delete a batch. What fails
    /// here leaves the log as it is.
    func truncateWAL() {
        try? connection.limitWAL(bytes: Self.spareWAL)
        // The first commit in it cuts the file.
        if (try? walMonitor.emptyWAL(of: connection)) == true { try? connection.touch() }
        try? connection.limitWAL(bytes: usualWAL)
    }

    private var diskFull: SpoolError {
        SpoolError(.full, path: path, message: "the disk is full, but for what it takes to ship records")
    }

    /// Records were deleted: whether that is enough is to be looked at anew.
    func noteDeletion() { fullUntil = 0 }

    /// What was dropped makes up for as much that is added: so a spool that is given less room than it has taken shrinks by
    /// and by, and not while somebody waits.
    func exchange(_ freed: Int64) {
        allowance = max(allowance, min(freed / 2, Self.largestAllowance))
    }

    /// How many bytes may still be added to the database; negative if it has too many.
    func measure() throws(SpoolError) -> Int64 {
        guard let limit else { return .max }
        return try limit.databaseBytes - usedBytes()
    }

    /// What the pages take that are in use.
    private func usedBytes() throws(SpoolError) -> Int64 {
        try (number(selectPages) - number(selectFreePages)) * SpoolLimit.pageSize
    }

    private func number(_ statement: Statement) throws(SpoolError) -> Int64 {
        defer { statement.reset() }
        return try statement.step() ? statement.integer(0) : 0
    }

    private var walHeld: SpoolError {
        SpoolError(.walHeld, path: connection.path, message: "the spool's write-ahead log can not be begun anew")
    }

    private var atLimit: SpoolError {
        SpoolError(
            .atLimit,
            path: connection.path,
            message: "the spool has reached its limit of \(limit?.bytes ?? 0) bytes"
        )
    }
}
