/// How much room a spool may take on the disk, and what becomes of a record when that is used up.
package struct SpoolLimit: Sendable, Equatable {
    /// What becomes of a record for which there is no room.
    package enum WhenFull: Sendable, Equatable {
        /// It takes the place of the records that were committed first, of whatever stream.
        case dropOldest
        /// It is refused.
        case dropNewest
        /// It waits for room, and is refused when so much time has passed.
        case block(timeout: Duration)
    }

    /// The database and its write-ahead log together.
    package var bytes: Int64
    package var whenFull: WhenFull

    package init(bytes: Int64, whenFull: WhenFull = .dropOldest) {
        self.bytes = bytes
        self.whenFull = whenFull
    }

    /// What is set apart for the write-ahead log: a quarter, and 64 MiB at the most. It holds copies of pages until they
    /// are in the database, so it can not be made to shrink by dropping records.
    var walBytes: Int64 { min(64 << 20, bytes / 4) }
    /// What is left for the pages of the database.
    var databaseBytes: Int64 { bytes - walBytes }
    /// What costs more is refused: all that might be dropped would not make room for it, or for hardly anything else.
    var largestRoom: Int64 { databaseBytes * 3 / 4 }
    /// What `rejected` may take of it.
    var rejectedBytes: Int64 { min(Int64(RejectedTable.byteLimit), databaseBytes / 4) }

    /// At which length of the log, in pages, a commit itself copies it into the database: when half of its part is used.
    var safetyPages: Int { Int(walBytes / 2 / Self.pageSize) }
    /// At which length, in pages, the uploader does that: long before a commit has to, and at 16 MiB at the latest. A
    /// longer log makes every commit slower (the kernel writes it back), a shorter one is synced too often.
    var busyPages: Int { min(4_096, safetyPages / 2) }

    /// The pages of a spool: see ``Schema/migrate(_:)``.
    static let pageSize: Int64 = 4_096
    /// What a page takes in the log (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
    static let frameSize: Int64 = pageSize + Int64(WALLayout.frameHeaderSize)

    /// What must be free for one transaction of a cost: its pages stand in the log first, and a long one outgrows the part
    /// that is set apart.
    func room(for cost: Int64) -> Int64 { cost + max(0, cost - walBytes) }

    /// About what a record takes in the database, and rather more than less: the message, its row, and for a long one the
    /// rest of a page that it leaves unused.
    static func cost(ofMessage bytes: Int) -> Int64 {
        Int64(bytes) + 32 + min(Int64(bytes), pageSize)
    }
}
