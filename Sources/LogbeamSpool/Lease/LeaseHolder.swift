extension UploadLease {
    /// Who has a lease, and when it last showed a sign of life.
    package struct Holder: Sendable, Equatable {
        package var processID: Int32
        package var host: String
        /// In milliseconds of the time of day since 1970-01-01T00:00:00Z; `nil` for a holder of an earlier version.
        package var lastBeat: Int64?
        /// The longest time between two beats while all is well, in milliseconds.
        package var beatInterval: Int64

        package init(processID: Int32, host: String, lastBeat: Int64? = nil, beatInterval: Int64 = 0) {
            self.processID = processID
            self.host = host
            self.lastBeat = lastBeat
            self.beatInterval = beatInterval
        }

        /// How long it has shown no sign of life, in milliseconds, where that is so long that it seems to hang; else `nil`.
        /// A hint for people: the time of day may have been set.
        package func silence(at now: Int64) -> Int64? {
            guard let lastBeat, now - lastBeat > max(Self.patience, 4 * beatInterval) else { return nil }
            return now - lastBeat
        }

        /// A wait for SQLite or the disk may take this long on a machine that has much to do, in milliseconds.
        private static let patience: Int64 = 10_000
    }

    /// Who uploads from the spool at `path` now; `nil` if nobody does. Takes no lock itself.
    package static func holder(spool path: String) -> Holder? {
        guard let file = LeaseFile.existing(ofSpool: path), file.isLocked else { return nil }
        let note = file.note
        return Holder(
            processID: note.processID,
            host: note.host,
            lastBeat: note.beat == nil ? nil : file.lastWritten,
            beatInterval: note.beat?.interval ?? 0
        )
    }
}
