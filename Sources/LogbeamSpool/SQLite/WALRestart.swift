internal import CSQLite

/// What a writer leaves behind that is killed while it begins the log anew: it says first that the log is empty, and then that
/// nothing of it is copied (`walRestartHdr` in wal.c). In between the index is whole, and nobody recovers it: as long as
/// somebody has the spool open, what is committed to the new log counts as copied, and is seen by no other connection.
enum WALRestart {
    /// Says the second as well, if somebody has died over it. To be called with SQLite's write lock held, which whoever begins
    /// the log anew has as well.
    ///
    /// - Returns: whether it was so. Then what this connection reads is not to be built on.
    static func finish(_ database: UnsafeMutablePointer<sqlite3_file>, _ methods: sqlite3_io_methods) -> Bool {
        var index: UnsafeMutableRawPointer?
        guard methods.xShmMap(database, 0, WALLayout.Index.regionSize, 0, &index) == SQLITE_OK, let index else {
            return false
        }
        let copied = index + WALLayout.Index.copiedFrames
        let committed = index.load(fromByteOffset: WALLayout.Index.committedFrames, as: UInt32.self)
        guard copied.load(as: UInt32.self) > committed else { return false }
        copied.storeBytes(of: 0, as: UInt32.self)
        return true
    }
}
