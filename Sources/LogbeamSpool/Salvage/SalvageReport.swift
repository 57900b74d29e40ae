/// What a salvage found, what it took, and what it could not take.
package struct SalvageReport: Sendable, Equatable {
    package struct Damage: Sendable, Equatable {
        /// Counts from 1.
        package var page: Int
        package var problem: String
    }

    package struct DamagedJournal: Sendable, Equatable {
        package var path: String
        package var problem: String
    }

    /// The damaged file.
    package var file: String
    /// The spool that has now what was taken.
    package var into = ""

    package var records = 0
    package var rejected = 0
    /// The streams whose names were found.
    package var streams = 0
    /// The streams of which there are rows, and no name.
    package var namelessStreams = 0
    package var gaps = 0
    /// Batches of which nobody knows whether they arrived, or which were being deleted: their records are pending again.
    package var deliveries = 0
    /// Rows whose text was not UTF-8, whose time was none of the years 1970 to 9999, or whose id was also that of another
    /// row: taken, and made so.
    package var altered = 0
    /// Records that were found where no tree leads: some may have been acknowledged before.
    package var orphanRecords = 0

    /// The journals of dead processes that were read.
    package var journals = 0
    /// Records of ``journals`` that were not in the file: among ``records``.
    package var journalRecords = 0
    /// Those of living processes, which move them into the file by themselves: left out.
    package var journalsInUse = 0
    /// Journals that could not be read, or not wholly.
    package var damagedJournals: [DamagedJournal] = []

    /// In bytes.
    package var pageSize: Int
    package var pages: Int
    package var scannedPages = 0
    package var freePages = 0
    package var orphanPages = 0
    /// Pages that should have been readable and are not, or not wholly.
    package var damagedPages = 0
    /// The first of them.
    package var damage: [Damage] = []
    /// Rows on pages that are readable otherwise.
    package var unreadableRows = 0
    /// Pages of which is not known whether they ever held rows.
    package var unknownPages = 0
    package var damagedWALFrames = 0
    /// Pages of a commit that never came to its end.
    package var uncommittedWALFrames = 0

    /// At most so many damaged pages are told one by one.
    package static let damageLimit = 20

    var rows: Int { records + rejected + streams + gaps + deliveries }

    /// Whether everything was readable.
    package var isComplete: Bool {
        damagedPages == 0 && unknownPages == 0 && damagedWALFrames == 0 && altered == 0 && damagedJournals.isEmpty
    }
}
