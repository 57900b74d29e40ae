internal import LogbeamCore

extension Spool {
    /// What came of moving journals into a spool.
    package struct JournalIntake: Sendable {
        /// How many records were moved, those of a journal that was moved in part among them.
        package var records = 0
        /// The journals that stay, and may hold records.
        package var stranded: [StrandedJournal] = []
        /// The last thing that kept one from being moved.
        var failure: SpoolError?
    }

    /// Moves into the spool what stands in the journals of processes that have died, each record once, whenever this
    /// process is killed. Costs a look into the directory where there are none.
    ///
    /// A journal that is damaged gives what is whole in it; what is missing between that is counted as a gap, and the file
    /// is set aside. One that the disk does not give, or the spool does not take now, stays as it is: who opens a spool, or
    /// uploads, does not wait for the room that only an upload makes, and where another process keeps the spool locked no
    /// more than once for that.
    @discardableResult
    package func takeInJournals() -> JournalIntake {
        var intake = JournalIntake()
        for found in JournalFile.adopt(besideSpool: path) {
            switch found {
            case .nothing, .living: break
            case .stranded(let journal): intake.stranded.append(journal)
            case .journal(let file):
                if let failure = intake.failure, failure.kind == .busy {
                    intake.stranded.append(StrandedJournal(file.path, failure))
                    continue
                }
                do throws(SpoolError) {
                    try takeIn(file, counting: &intake.records)
                } catch {
                    intake.failure = error
                    intake.stranded.append(StrandedJournal(file.path, error))
                }
            }
        }
        return intake
    }

    /// Forgets how far journals were moved that are not there any more: somebody has deleted them.
    func forgetJournals() throws(SpoolError) {
        let known = try write { writer throws(SpoolError) in
            try writer.connection.rows(
                "SELECT DISTINCT substr(name, 9, \(JournalFile.nameLength)) FROM counters WHERE name LIKE 'journal %'"
            )
        }
        guard !known.isEmpty else { return }
        // In this order: a journal is there before its row is.
        let paths = JournalFile.paths(besideSpool: path)
        for name in known where !paths.contains(where: { $0.hasSuffix(JournalFile.infix + name) }) {
            try forget(name)
        }
    }

    private func takeIn(_ file: JournalFile, counting records: inout Int) throws(SpoolError) {
        let known = try value(of: .moved(fromJournal: file.name, through: nil))
        // The spool knows best; another one, which was here when that was moved, may have been deleted since.
        let moved = known.map { UInt64(clamping: $0) } ?? file.moved
        try file.withFrames(after: moved) { (frames) throws(SpoolError) in
            // What another spool may have is not missing.
            let holes = JournalFormat.holes(between: frames, after: max(moved, file.moved))
            let isDamaged = try noteHoles(holes, of: file)
            try append(frames, of: file, counting: &records)
            // What was moved before may be in the spool alone: the last process at it may have ended ahead of its sync.
            if frames.isEmpty { try sync() }
            if isDamaged { try Quarantine.setAside(file, ofSpool: path) } else { file.remove() }
            // Afterwards: as long as the file is there, its records must not be taken for new ones.
            try forget(file.name)
        }
    }

    /// Counts, once, what damage has taken out of a journal. Nobody knows any more whose the records were: the stream is
    /// told to which the record before them belongs, or where there is none, the one after them.
    ///
    /// - Returns: whether anything is missing, also where that was counted before.
    private func noteHoles(_ holes: [JournalFormat.Hole], of file: JournalFile) throws(SpoolError) -> Bool {
        if try value(of: .damaged(journal: file.name, 1)) != nil { return true }
        guard !holes.isEmpty else { return false }
        let gaps = holes.map { hole in
            let neighbour = hole.before ?? hole.after
            let times = [neighbour.timestamp, hole.after.timestamp].sorted()
            return (
                destination: neighbour.destination,
                gap: Gap(stream: 0, reason: "journal damaged", records: hole.records, first: times[0], last: times[1])
            )
        }
        try noteGaps(gaps, progress: .damaged(journal: file.name, 1))
        return true
    }

    private func forget(_ name: String) throws(SpoolError) {
        try note(.moved(fromJournal: name, through: nil))
        try note(.damaged(journal: name, nil))
    }

    private func append(
        _ frames: [JournalFormat.Frame],
        of file: JournalFile,
        counting count: inout Int
    ) throws(SpoolError) {
        var streams: [Destination: Int64] = [:]
        var rest = frames[...]
        while let last = rest.prefix(Writer.longestSlice).last {
            var records: [NewRecord] = []
            for frame in rest.prefix(Writer.longestSlice) {
                let destination = frame.destination
                if streams[destination] == nil { streams[destination] = try streamID(for: destination) }
                records.append(
                    NewRecord(
                        stream: streams[destination] ?? 0,
                        timestamp: frame.timestamp,
                        message: frame.message.assumingMemoryBound(to: UInt8.self)
                    )
                )
            }
            try append(
                records,
                progress: .moved(fromJournal: file.name, through: Int64(clamping: last.number)),
                mayBlock: false
            )
            count += records.count
            // The journal may be on the disk for long: it must not say that the records were moved before they are there too.
            try sync()
            // For the case that this spool is not there any more when the rest is moved.
            file.note(moved: last.number)
            rest = rest.dropFirst(records.count)
        }
    }
}
