internal import CSQLite
internal import LogbeamCore

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The spool into which salvaged rows go, under the ids that they had: so each is taken once, and they stand in the order
/// in which they were committed, wherever in the damaged file they were found.
///
/// Nobody else knows the file before all is in it.
final class SalvageDraft {
    private let connection: Connection
    private let insertStream: Statement
    private let insertRecord: Statement
    private let insertOtherRecord: Statement
    private let insertRejected: Statement
    private let insertOtherRejected: Statement
    private let insertGap: Statement
    private let selectStream: Statement
    /// How far journals were moved into the damaged spool, by their names.
    private var moved: [String: UInt64] = [:]
    private var uncommitted = 0
    private(set) var altered = 0

    /// Rows that are written in one transaction.
    private static let transactionSize = 10_000
    /// From the year 1970 to 9999, in milliseconds since 1970-01-01T00:00:00Z.
    private static let times: ClosedRange<Int64> = 0...253_402_300_799_999

    /// - Parameter path: an empty file.
    init(path: String) throws(SpoolError) {
        connection = try SpoolFile.openForWriting(path: path, create: true, powerLossSafe: false)
        insertStream = try connection.prepare(
            "INSERT OR IGNORE INTO streams (id, log_group, log_stream) VALUES (?1, ?2, ?3)"
        )
        insertRecord = try connection.prepare(
            "INSERT OR IGNORE INTO records (id, stream_id, timestamp, message) VALUES (?1, ?2, ?3, ?4)"
        )
        insertOtherRecord = try connection.prepare(
            """
            INSERT INTO records (id, stream_id, timestamp, message) SELECT \(Self.otherID("records")), ?2, ?3, ?4
            WHERE NOT EXISTS (SELECT 1 FROM records WHERE id = ?1 AND stream_id = ?2 AND timestamp = ?3 AND message = ?4)
            """
        )
        insertRejected = try connection.prepare(
            """
            INSERT OR IGNORE INTO rejected (id, stream_id, timestamp, message, reason, rejected_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            """
        )
        insertOtherRejected = try connection.prepare(
            """
            INSERT INTO rejected (id, stream_id, timestamp, message, reason, rejected_at)
            SELECT \(Self.otherID("rejected")), ?2, ?3, ?4, ?5, ?6
            WHERE NOT EXISTS (SELECT 1 FROM rejected WHERE id = ?1 AND stream_id = ?2 AND timestamp = ?3 AND message = ?4)
            """
        )
        insertGap = try connection.prepare(
            "INSERT OR IGNORE INTO gaps (stream_id, reason, records, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5)"
        )
        selectStream = try connection.prepare("SELECT id FROM streams WHERE log_group = ?1 AND log_stream = ?2")
        try connection.execute("BEGIN")
    }

    /// Ids are microseconds since 1970; those of its first quarter of an hour are free for rows whose id is another's.
    private static func otherID(_ table: String) -> String {
        "1 + coalesce((SELECT max(id) FROM \(table) WHERE id < 1000000000), 0)"
    }

    /// False if the same was taken before.
    ///
    /// - Parameter isCertain: that the row is one of the file. Then one of two records with the same id and different
    ///   content has a damaged id: both are taken, the second under another id.
    func take(_ row: SalvagedRow, isCertain: Bool) throws(SpoolError) -> Bool {
        // To take a record twice is better than to believe what can not be verified.
        if !isCertain, case .counter = row { return true }
        var isAltered = false
        var isNew = try insert(row, as: false, &isAltered)
        if !isNew, isCertain {
            isNew = try insert(row, as: true, &isAltered)
            if isNew { isAltered = true }
        }
        if isNew, isAltered { altered += 1 }
        uncommitted += 1
        if uncommitted == Self.transactionSize {
            uncommitted = 0
            try connection.execute("COMMIT; BEGIN")
        }
        return isNew
    }

    /// - Parameter isOther: under another id, if the row that has its id is another row.
    private func insert(_ row: SalvagedRow, as isOther: Bool, _ isAltered: inout Bool) throws(SpoolError) -> Bool {
        let statement: Statement
        switch row {
        case .stream(let id, let destination):
            statement = insertStream
            try statement.bind(id, at: 1)
            try statement.bind(destination.logGroup, at: 2)
            try statement.bind(destination.logStream, at: 3)
        case .record(let id, let stream, let timestamp, let message):
            statement = isOther ? insertOtherRecord : insertRecord
            try statement.bind(id, at: 1)
            try statement.bind(stream, at: 2)
            try statement.bind(Self.time(timestamp, &isAltered), at: 3)
            try statement.bind(Self.text(message, &isAltered), at: 4)
        case .rejected(let id, let stream, let timestamp, let message, let reason, let rejectedAt):
            statement = isOther ? insertOtherRejected : insertRejected
            try statement.bind(id, at: 1)
            try statement.bind(stream, at: 2)
            try statement.bind(Self.time(timestamp, &isAltered), at: 3)
            try statement.bind(Self.text(message, &isAltered), at: 4)
            try statement.bind(Self.text(reason, &isAltered), at: 5)
            try statement.bind(Self.time(rejectedAt, &isAltered), at: 6)
        case .gap(let stream, let reason, let records, let first, let last):
            statement = insertGap
            try statement.bind(stream, at: 1)
            try statement.bind(Self.text(reason, &isAltered), at: 2)
            try statement.bind(records, at: 3)
            try statement.bind(Self.time(first, &isAltered), at: 4)
            try statement.bind(Self.time(last, &isAltered), at: 5)
        case .counter(let name, let value):
            note(name, value)
            return true
        case .delivery, .schema:
            return true
        }
        try statement.run()
        return sqlite3_changes(connection.handle) > 0
    }

    private func note(_ counter: ArraySlice<UInt8>, _ value: Int64?) {
        let prefix = AppendProgress.moved(fromJournal: "", through: nil).counter.utf8
        guard let value, counter.starts(with: prefix),
            let name = String(validating: counter.dropFirst(prefix.count), as: UTF8.self)
        else { return }
        // An old page may hold an older one.
        moved[name] = max(moved[name] ?? 0, UInt64(clamping: value))
    }

    private static func time(_ time: Int64, _ isAltered: inout Bool) -> Int64 {
        if !times.contains(time) { isAltered = true }
        return min(max(time, times.lowerBound), times.upperBound)
    }

    private static func text(_ bytes: ArraySlice<UInt8>, _ isAltered: inout Bool) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        isAltered = true
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Gives names to the streams whose names are lost. Returns how many there are.
    func finish() throws(SpoolError) -> Int {
        let named = try connection.integer("SELECT count(*) FROM streams")
        // A file that was salvaged before may have such a name already, for another stream.
        try connection.execute(
            """
            INSERT INTO streams (id, log_group, log_stream)
            SELECT stream_id, 'logbeam-salvaged', 'salvaged-' || stream_id || CASE
                WHEN EXISTS (SELECT 1 FROM streams WHERE log_stream = 'salvaged-' || lost.stream_id)
                THEN strftime('-%s') ELSE '' END
            FROM (SELECT stream_id FROM records UNION SELECT stream_id FROM rejected UNION SELECT stream_id FROM gaps)
                AS lost
            WHERE stream_id NOT IN (SELECT id FROM streams);
            COMMIT
            """
        )
        return Int(try connection.integer("SELECT count(*) FROM streams") - named)
    }

    // MARK: Journals

    /// Takes the records that stand in the journals of dead processes beside the damaged spool, and were not moved into it:
    /// behind all others, for they were logged last. To be called when the streams have their names.
    ///
    /// Where the draft takes the place of the damaged spool, they are not moved into it once more.
    func takeJournals(besideSpool path: String, _ report: inout SalvageReport) throws(SpoolError) {
        for journal in JournalFile.paths(besideSpool: path) {
            switch JournalFile.examine(journal, ofSpool: path, adopts: false, flags: O_RDONLY) {
            case .nothing: break
            case .living: report.journalsInUse += 1
            case .stranded(let journal):
                report.damagedJournals.append(.init(path: journal.path, problem: journal.cause))
            case .journal(let file):
                do throws(SpoolError) {
                    try file.withFrames(after: moved[file.name] ?? file.moved) { (frames) throws(SpoolError) in
                        try take(frames, of: file, &report)
                    }
                    report.journals += 1
                } catch  where error.kind == .failedIO && error.path == file.path {
                    report.damagedJournals.append(.init(path: file.path, problem: error.message))
                }
            }
        }
    }

    private func take(
        _ frames: [JournalFormat.Frame],
        of file: JournalFile,
        _ report: inout SalvageReport
    ) throws(SpoolError) {
        guard let last = frames.last else { return }
        try connection.execute("BEGIN")
        var id = try connection.integer("SELECT coalesce(max(id), 0) FROM records")
        var streams: [Destination: Int64] = [:]
        for frame in frames {
            let destination = frame.destination
            if streams[destination] == nil { streams[destination] = try streamID(for: destination, &report) }
            id += 1
            var isAltered = false
            try insertRecord.bind(id, at: 1)
            try insertRecord.bind(streams[destination] ?? 0, at: 2)
            try insertRecord.bind(Self.time(frame.timestamp, &isAltered), at: 3)
            try insertRecord.bind(Self.text(ArraySlice(frame.message), &isAltered), at: 4)
            try insertRecord.run()
            if isAltered { altered += 1 }
        }
        report.records += frames.count
        report.journalRecords += frames.count
        var notes = [AppendProgress.moved(fromJournal: file.name, through: Int64(clamping: last.number))]
        let lost = JournalFormat.holes(between: frames, after: max(moved[file.name] ?? 0, file.moved))
            .reduce(0) { $0 + $1.records }
        if lost > 0 {
            let noun = lost == 1 ? "record is" : "records are"
            report.damagedJournals.append(.init(path: file.path, problem: "\(lost.grouped) \(noun) missing in it"))
            notes.append(.damaged(journal: file.name, 1))
        }
        for note in notes {
            let insert = try connection.prepare("INSERT INTO counters (name, value) VALUES (?1, ?2)")
            try insert.bind(note.counter, at: 1)
            try insert.bind(note.value ?? 0, at: 2)
            try insert.run()
        }
        try connection.execute("COMMIT")
    }

    private func streamID(
        for destination: Destination,
        _ report: inout SalvageReport
    ) throws(SpoolError) -> Int64 {
        try selectStream.bind(destination.logGroup, at: 1)
        try selectStream.bind(destination.logStream, at: 2)
        defer { selectStream.reset() }
        if try selectStream.step() { return selectStream.integer(0) }
        let id = try connection.integer("SELECT coalesce(max(id), 0) + 1 FROM streams")
        try insertStream.bind(id, at: 1)
        try insertStream.bind(destination.logGroup, at: 2)
        try insertStream.bind(destination.logStream, at: 3)
        try insertStream.run()
        report.streams += 1
        return id
    }
}
