/// How a write-ahead log and its index lie on the disk, in bytes:
/// https://www.sqlite.org/fileformat2.html#the_write_ahead_log, https://www.sqlite.org/walformat.html.
enum WALLayout {
    static let headerSize = 32
    static let frameHeaderSize = 24
    /// In the header; the index has both salts as they are there.
    static let saltOffset = 16
    /// The number of the lock of who writes.
    static let writeLock: Int32 = 0
    /// That of the lock of who copies the log.
    static let checkpointLock: Int32 = 1
    /// That of the first mark of readers.
    static let firstReaderLock: Int32 = 4

    enum Index {
        static let regionSize: Int32 = 32_768
        /// `mxFrame` of the first copy of the header.
        static let committedFrames = 16
        /// `nPage` there: the pages of the database.
        static let pages = 20
        /// `aSalt`, eight bytes.
        static let salts = 32
        /// `nBackfill`.
        static let copiedFrames = 96
    }
}
