#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Takes what is readable out of a damaged spool, and puts it into a good one.
package enum Salvage {
    /// Scans the whole file and writes what it finds to `target`: a new spool, or one that exists, to which it is appended
    /// in the order in which it was logged; with what the journals of dead processes beside it hold, and it does not.
    /// Nothing is ever changed in the damaged file, nor in its write-ahead log or a journal.
    ///
    /// What is appended goes in slices, each of which is committed with all that it holds; if the process dies in between,
    /// some of them are there, and a second run would append them again.
    ///
    /// - Parameters:
    ///   - target: where to write; beside the file, with `.salvaged.db` at the end of the name, if `nil`. That must not
    ///     exist.
    ///   - progress: is told again and again how far the scan is.
    package static func run(
        _ path: String,
        into target: String? = nil,
        progress: @escaping (SalvageReport) -> Void = { _ in }
    ) throws(SpoolError) -> SalvageReport {
        let database = try DatabaseFile(path: path)
        let place = target ?? path + ".salvaged.db"
        let existing: Spool? = if let target { try open(target, besides: database.file, path) } else { nil }
        // SQLite would take a log or a journal that lies there for one of the new file.
        if existing == nil, let occupied = [place, place + "-wal", place + "-journal"].first(where: exists) {
            throw SpoolError(.occupied, path: occupied, message: "the file exists already")
        }
        guard let draft = SpoolSafety.makeDraft(beside: existing?.path ?? place, owner: database.file.path) else {
            throw .unwritable(place, "can not be made")
        }
        defer {
            for suffix in ["", "-wal", "-shm"] { unlink(draft + suffix) }
        }
        var report = try fill(draft, from: database, progress: progress)
        report.into = place
        if let existing {
            try existing.append(fromDraft: draft)
        } else if link(draft, place) != 0 {
            guard errno != EEXIST else { throw SpoolError(.occupied, path: place, message: "the file exists already") }
            throw .unwritable(place, "can not be made")
        }
        return report
    }

    /// The spool to append to; `nil` if it must be made.
    private static func open(
        _ target: String,
        besides file: ReadOnlyFile,
        _ path: String
    ) throws(SpoolError) -> Spool? {
        guard !file.isSame(as: target), ![file.path, path].contains(where: { SpoolSafety.leads(target, toSpool: $0) })
        else {
            throw SpoolError(
                .occupied,
                path: target,
                message: "that is the damaged spool itself, or belongs to it, and is not changed"
            )
        }
        guard exists(target) else { return nil }
        return try Spool(path: target, options: Spool.Options(commitTimeout: .seconds(30)))
    }

    private static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// The connection closes here, and takes the write-ahead log of the draft with it.
    private static func fill(
        _ path: String,
        from database: DatabaseFile,
        progress: @escaping (SalvageReport) -> Void
    ) throws(SpoolError) -> SalvageReport {
        let draft = try SalvageDraft(path: path)
        var scan = SalvageScan(database, progress: progress) { (row, isCertain) throws(SpoolError) in
            try draft.take(row, isCertain: isCertain)
        }
        try scan.run()
        var report = scan.report
        let isSpool = report.rows > 0 || report.isComplete
        report.namelessStreams = try draft.finish()
        try draft.takeJournals(besideSpool: database.file.path, &report)
        guard isSpool || report.journalRecords > 0 else {
            throw SpoolError(.notASpool, path: report.file, message: "nothing of a spool can be read in the file")
        }
        report.altered = draft.altered
        return report
    }
}
