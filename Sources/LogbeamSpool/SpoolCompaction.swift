internal import CSQLite

/// What a spool takes on the disk, in bytes.
package struct SpoolSize: Sendable, Equatable {
    package var database: Int64
    package var log: Int64
    package var total: Int64 { database + log }

    package static func of(path: String) -> SpoolSize {
        SpoolSize(database: Int64(DiskSpace.size(of: path)), log: Int64(DiskSpace.size(of: path + "-wal")))
    }
}

/// Gives back to the disk what a spool does not need, beside programs that use it, in slices of a few milliseconds.
///
/// Not Sendable.
package final class SpoolCompaction {
    private let spool: Spool
    private let maintenance: SpoolMaintenance
    /// Pages given back in one transaction: a mebibyte.
    private static let slice = 256

    /// - Parameter spool: nothing else of this process uses it.
    package init(_ spool: Spool) throws(SpoolError) {
        self.spool = spool
        maintenance = try SpoolMaintenance(spool: spool, reader: SpoolReader(path: spool.path))
    }

    /// Pages that hold nothing.
    package func freePages() throws(SpoolError) -> Int64 {
        try spool.write { writer throws(SpoolError) in try writer.connection.integer("PRAGMA freelist_count") }
    }

    /// Gives some of the free pages back. Returns how many are left; `nil` if none can be given back, for whoever made the
    /// file did not provide for it.
    package func giveBackSlice(of free: Int64) throws(SpoolError) -> Int64? {
        try spool.write { writer throws(SpoolError) in try writer.vacuum(pages: Self.slice) }
        try maintenance.whileBusy()
        try spool.giveWay()
        let left = try freePages()
        return left < free ? left : nil
    }

    /// Copies the write-ahead log into the database and cuts its file, to a page or two. False if another process reads
    /// or writes, so that it can not be done now.
    package func emptyWAL() throws(SpoolError) -> Bool {
        try maintenance.restartWAL(SQLITE_CHECKPOINT_TRUNCATE)
    }
}
