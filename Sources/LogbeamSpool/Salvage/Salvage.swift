internal import LogbeamCore

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Takes what is readable out of a damaged spool, and puts it into a good one.
package enum Salvage {
    /// Scans the whole file and writes what it finds to `target`: a new spool, or one that exists, to which it is appended
    /// in the order in which it was logged. Nothing is ever changed in the damaged file, nor in its write-ahead log.
    ///
    /// What is appended goes in slices, each of which is committed with all that it holds; if the process dies in between,
    /// some of them are there, and a second run would append them again.
    ///
    /// - Parameters:
    ///   - target: where to write; beside the file, with `.salvaged.db` at the end of the name, if `nil`. That must not exist.
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
            throw SpoolError(.unwritable, path: place, message: "can not be made: \(String(cString: strerror(errno)))")
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
            throw SpoolError(.unwritable, path: place, message: "can not be made: \(String(cString: strerror(errno)))")
        }
        return report
    }

    /// The spool to append to; `nil` if it must be made.
    private static func open(
        _ target: String,
        besides file: ReadOnlyFile,
        _ path: String
    ) throws(SpoolError) -> Spool? {
        // What lies beside a spool under these names is taken for a part of it.
        let isPart = ["-wal", "-shm", "-journal", "-uploader"].contains {
            target == file.path + $0 || target == path + $0
        }
        guard !file.isSame(as: target), !isPart else {
            throw SpoolError(.occupied, path: target, message: "that is the damaged spool itself, which is not changed")
        }
        guard exists(target) else { return nil }
        return try Spool(path: target, options: Spool.Options(create: false, commitTimeout: .seconds(30)))
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
        if report.rows == 0, !report.isComplete {
            throw SpoolError(.notASpool, path: report.file, message: "nothing of a spool can be read in the file")
        }
        report.namelessStreams = try draft.finish()
        report.altered = draft.altered
        return report
    }
}

extension Spool {
    /// Appends all that is in another spool, which nobody else uses: under new ids, for those that upload from this one
    /// look only for higher ones; in the same order.
    fileprivate func append(fromDraft path: String) throws(SpoolError) {
        let draft = try SpoolFile.openForReading(path: path)
        var streams: [Int64: Int64] = [:]
        let names = try draft.prepare("SELECT id, log_group, log_stream FROM streams ORDER BY id")
        while try names.step() {
            streams[names.integer(0)] = try streamID(
                for: Destination(logGroup: names.text(1), logStream: names.text(2))
            )
        }
        let records = try draft.prepare("SELECT message, stream_id, timestamp FROM records ORDER BY id")
        try appendSlices(of: records) { (writer, row) throws(SpoolError) in
            _ = try writer.append(
                stream: streams[row.integer(1)] ?? 0,
                timestamp: row.integer(2),
                message: row.bytes(0).assumingMemoryBound(to: UInt8.self)
            )
        }
        let rejected = try draft.prepare(
            "SELECT message, id, stream_id, timestamp, reason, rejected_at FROM rejected ORDER BY id"
        )
        try appendSlices(of: rejected) { (writer, row) throws(SpoolError) in
            // An id that is taken is that of a record of another spool.
            let insert = try writer.connection.prepare(
                """
                INSERT INTO rejected (id, stream_id, timestamp, message, reason, rejected_at)
                SELECT CASE WHEN EXISTS (SELECT 1 FROM rejected WHERE id = ?1)
                    THEN (SELECT max(id) + 1 FROM rejected) ELSE ?1 END, ?2, ?3, ?4, ?5, ?6
                """
            )
            try insert.bind(row.integer(1), at: 1)
            try insert.bind(streams[row.integer(2)] ?? 0, at: 2)
            try insert.bind(row.integer(3), at: 3)
            try insert.bind(row.text(0), at: 4)
            try insert.bind(row.text(4), at: 5)
            try insert.bind(row.integer(5), at: 6)
            try insert.run()
        }
        let gaps = try draft.prepare("SELECT reason, stream_id, records, first_at, last_at FROM gaps")
        try appendSlices(of: gaps) { (writer, row) throws(SpoolError) in
            let insert = try writer.connection.prepare(
                """
                INSERT INTO gaps (reason, stream_id, records, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT DO UPDATE SET records = records + excluded.records,
                    first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)
                """
            )
            try insert.bind(row.text(0), at: 1)
            try insert.bind(streams[row.integer(1)] ?? 0, at: 2)
            for column in 2...4 as ClosedRange<Int32> { try insert.bind(row.integer(column), at: column + 1) }
            try insert.run()
        }
    }

    /// Writes rows, whose first columns are their texts, in short transactions, so that no other writer waits for long.
    private func appendSlices(
        of rows: Statement,
        _ append: (Writer, Statement) throws(SpoolError) -> Void
    ) throws(SpoolError) {
        var isMore = try rows.step()
        while isMore {
            try write { writer throws(SpoolError) in
                try writer.connection.transaction { () throws(SpoolError) in
                    var bytes = 0
                    for _ in 0..<Writer.sliceSize where isMore && bytes < Self.sliceBytes {
                        bytes += rows.byteCount(0)
                        try append(writer, rows)
                        isMore = try rows.step()
                    }
                }
            }
            lock.giveWay()
        }
    }

    /// Messages of a mebibyte in all are written within milliseconds.
    private static let sliceBytes = 1 << 20
}
