#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// What a look at every page and every row of a spool has found. Takes time that grows with the file.
package struct SpoolCheck: Sendable, Equatable {
    package struct File: Sendable, Equatable {
        package var path: String
        package var bytes: Int
        /// The permission bits.
        package var mode: Int
    }

    package struct Counts: Sendable, Equatable {
        package var records = 0
        package var rejected = 0
        package var streams = 0
        package var gaps = 0
        /// The batches on their way, and those that a process left on their way when it died.
        package var deliveries = 0
        /// Those of them that are not acknowledged.
        package var inDoubt = 0
        /// Deliveries for which no record is left.
        package var emptyDeliveries = 0
        /// Records, rejected ones among them, whose stream the spool does not know: no uploader can send them.
        package var strayRecords = 0

        package init() {}
    }

    package var path: String
    package var version = 0
    /// The version that this program makes.
    package var currentVersion = 0
    package var journalMode = ""
    /// The spool and what lies beside it.
    package var files: [File] = []

    /// `nil` if the damage does not let them be counted.
    package var counts: Counts?

    /// What makes the spool a damaged one, the lines of SQLite's own check among it; at most about ``problemLimit``.
    package var problems: [String] = []
    /// What does no harm to a record, and is still not as it should be.
    package var warnings: [String] = []

    package var isGood: Bool { problems.isEmpty }

    /// SQLite ends its check after so many lines.
    package static let problemLimit = 20

    /// Reads it all in one snapshot, beside any process that uses the spool, and changes nothing. A file that does not
    /// begin like a spool is an error of the kind `notASpool`; all other damage is told in ``problems``.
    package static func run(path: String) throws(SpoolError) -> SpoolCheck {
        var check = SpoolCheck(path: path, currentVersion: Int(Schema.version))
        do throws(SpoolError) {
            let connection = try SpoolFile.openForReading(path: path)
            try connection.execute("BEGIN")
            check.version = Int(try connection.integer("PRAGMA user_version"))
            check.journalMode = try connection.rows("PRAGMA journal_mode").joined()
            check.lookAtFiles()
            let lines = try connection.rows("PRAGMA integrity_check(\(problemLimit))")
            if lines != ["ok"] { check.problems += lines }
            if try check.compareSchema(connection) { try check.count(connection) }
        } catch  where error.isDamage && (check.version > 0 || error.kind == .damaged) {
            if check.files.isEmpty { check.lookAtFiles() }
            check.problems.append(error.message)
        }
        check.warnings += StrandedJournal.beside(spool: path).map(\.description)
        return check
    }

    private mutating func lookAtFiles() {
        for suffix in ["", "-wal", "-shm", "-uploader"] {
            var status = stat()
            guard stat(path + suffix, &status) == 0 else { continue }
            let file = File(path: path + suffix, bytes: Int(status.st_size), mode: Int(status.st_mode & 0o777))
            files.append(file)
            if file.mode != 0o600 {
                warnings.append(
                    "\(file.path) has the mode \(String(file.mode, radix: 8)), not 600: others may read logs"
                )
            }
        }
        let (directory, _) = SpoolSafety.split(path)
        var status = stat()
        if stat(directory, &status) == 0, status.st_mode & S_IWOTH != 0, status.st_mode & S_ISVTX == 0 {
            warnings.append("everybody can put other files in the place of the spool: \(directory) is open to them")
        }
        if version > 0, journalMode != "wal" {
            warnings.append("the journal mode is \(journalMode), not wal; the next program that writes changes it back")
        }
    }

    /// Compares with a spool of the same version that is made in memory. False if something is missing.
    private mutating func compareSchema(_ connection: Connection) throws(SpoolError) -> Bool {
        let model = try Connection(path: ":memory:", mode: .readWrite)
        for migration in Schema.migrations.prefix(version) { try model.execute(migration) }
        let expected = try model.rows(Self.describeSchema)
        let found = Set(try connection.rows(Self.describeSchema))
        let missing = expected.filter { !found.contains($0) }
        problems += missing.map { "the schema lacks \($0)" }
        warnings += found.subtracting(expected).sorted().map { "the schema has more: \($0)" }
        return missing.isEmpty
    }

    private static let describeSchema = """
        SELECT m.type || ' ' || m.name || coalesce(' (' || trim(c.name || ' ' || c.type) ||
            iif(c."notnull", ' NOT NULL', '') || iif(c.pk > 0, ' PRIMARY KEY', '') || ')', '')
        FROM sqlite_schema AS m LEFT JOIN pragma_table_info(m.name) AS c WHERE m.name NOT LIKE 'sqlite_stat%'
        """

    private mutating func count(_ connection: Connection) throws(SpoolError) {
        func count(_ rows: String) throws(SpoolError) -> Int {
            Int(try connection.integer("SELECT count(*) FROM \(rows)"))
        }
        var counts = Counts()
        counts.records = try count("records")
        counts.rejected = try count("rejected")
        counts.streams = try count("streams")
        counts.gaps = try count("gaps")
        counts.deliveries = try count("deliveries")
        counts.inDoubt = try count("deliveries WHERE acknowledged = 0")
        counts.emptyDeliveries = try count(
            """
            deliveries AS d WHERE NOT EXISTS (SELECT 1 FROM records AS r WHERE r.id BETWEEN d.first_id AND d.last_id
                AND r.stream_id = d.stream_id AND r.timestamp <= d.latest_timestamp)
            """
        )
        let stray = "WHERE stream_id NOT IN (SELECT id FROM streams)"
        counts.strayRecords = try count("records \(stray)") + count("rejected \(stray)")
        self.counts = counts
        if counts.strayRecords > 0 { problems.append("\(counts.strayRecords) records belong to no stream") }
        if counts.emptyDeliveries > 0 { warnings.append("\(counts.emptyDeliveries) deliveries name no record") }
    }
}

extension SpoolError {
    /// Whether it is the content of the file that SQLite can not work with. Besides what it calls corrupt, that is any
    /// plain error: the statements are right where the file is.
    fileprivate var isDamage: Bool {
        [.damaged, .notASpool, .other].contains(kind)
    }
}

extension Connection {
    /// The rows of a query with one column, as text.
    func rows(_ sql: String) throws(SpoolError) -> [String] {
        let statement = try prepare(sql)
        var rows: [String] = []
        while try statement.step() { rows.append(statement.text(0)) }
        return rows
    }
}
