internal import LogbeamCore

extension Spool {
    /// Moves into the spool what stands in the journals of processes that have died, each record once, whenever this
    /// process is killed. Costs a look into the directory where there are none.
    ///
    /// A journal that is damaged gives what is whole in it. One that the disk does not give, or the spool does not take now,
    /// stays as it is: who opens a spool, or uploads, does not wait for the room that only an upload makes, and where another
    /// process keeps the spool locked no more than once for that.
    ///
    /// - Returns: how many records were moved. It throws only if none was: there may be room for the others later.
    @discardableResult
    package func takeInJournals() throws(SpoolError) -> Int {
        var records = 0
        var failure: SpoolError?
        for file in JournalFile.abandoned(besideSpool: path) {
            do throws(SpoolError) {
                records += try takeIn(file)
            } catch {
                failure = error
                if error.kind == .busy { break }
            }
        }
        if let failure, records == 0 { throw failure }
        return records
    }

    /// Forgets how far journals were moved that are not there any more: somebody has deleted them.
    func forgetJournals() throws(SpoolError) {
        let known = try write { writer throws(SpoolError) in
            try writer.connection.rows("SELECT substr(name, 9) FROM counters WHERE name LIKE 'journal %'")
        }
        guard !known.isEmpty else { return }
        // In this order: a journal is there before its row is.
        let paths = JournalFile.paths(besideSpool: path)
        for name in known where !paths.contains(where: { $0.hasSuffix(JournalFile.infix + name) }) {
            try note(.moved(fromJournal: name, through: nil))
        }
    }

    private func takeIn(_ file: JournalFile) throws(SpoolError) -> Int {
        let known = try value(of: .moved(fromJournal: file.name, through: nil))
        // The spool knows best; another one, which was here when that was moved, may have been deleted since.
        let moved = known.map { UInt64(clamping: $0) } ?? file.moved
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * JournalFormat.regionSize, alignment: 8)
        defer { memory.deallocate() }
        var frames: [JournalFormat.Frame] = []
        for index in [0, 1] {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: memory[(index * JournalFormat.regionSize)...].prefix(JournalFormat.regionSize)
            )
            let region = try file.read(at: JournalFormat.offset(ofRegion: index), into: part)
            frames += JournalFormat.frames(in: region, after: moved, salt: file.salt)
        }
        try append(frames.sorted { $0.number < $1.number }, of: file)
        // What was moved before may be in the spool alone: the last process at it may have ended ahead of its sync.
        if frames.isEmpty { try sync() }
        file.remove()
        // Afterwards: as long as the file is there, its records must not be taken for new ones.
        try note(.moved(fromJournal: file.name, through: nil))
        return frames.count
    }

    private func append(_ frames: [JournalFormat.Frame], of file: JournalFile) throws(SpoolError) {
        var streams: [Destination: Int64] = [:]
        var rest = frames[...]
        while let last = rest.prefix(Writer.longestSlice).last {
            var records: [NewRecord] = []
            for frame in rest.prefix(Writer.longestSlice) {
                let destination = Destination(
                    logGroup: String(decoding: frame.group, as: UTF8.self),
                    logStream: String(decoding: frame.stream, as: UTF8.self)
                )
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
            // The journal may be on the disk for long: it must not say that the records were moved before they are there too.
            try sync()
            // For the case that this spool is not there any more when the rest is moved.
            file.note(moved: last.number)
            rest = rest.dropFirst(records.count)
        }
    }
}
