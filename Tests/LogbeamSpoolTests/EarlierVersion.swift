import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// Spools as earlier versions left them, from the folder `Fixtures`: each was written by the code of its version.
struct EarlierVersion: Sendable, CustomTestStringConvertible {
    var number: Int64
    /// Killed, so that the last of what it wrote stands in the write-ahead log alone.
    var isKilled: Bool

    static let all = (1..<Schema.version).flatMap { number in
        [false, true].map { EarlierVersion(number: number, isKilled: $0) }
    }

    var testDescription: String { "version \(number)\(isKilled ? ", killed" : "")" }

    /// Makes the spool.
    func write(to path: String) throws {
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/version-\(number).sql")
        let process = try ChildProcess("/usr/bin/sqlite3", ["-bail", path])
        try process.write(try String(contentsOf: fixture, encoding: .utf8))
        if isKilled {
            try process.write(
                """
                UPDATE records SET message = message || ' (in the log)';
                INSERT INTO records SELECT id + 1, stream_id, timestamp, 'in the log' FROM records ORDER BY id DESC LIMIT 1;
                DELETE FROM rejected WHERE id = (SELECT min(id) FROM rejected);
                SELECT 'written';

                """
            )
            try process.waitForOutput { $0.hasSuffix("written\n") }
            process.kill(SIGKILL)
        }
        process.closeInput()
        let termination = try process.wait()
        try #require(isKilled || termination.exitCode == 0, "\(process.text(.standardError))")
    }
}

/// What a spool of version 1 holds, each row as text, in the columns that version 1 had.
func contentsOfVersionOne(_ path: String) throws -> [String] {
    let tables = [
        ("streams", "id log_group log_stream last_delivery_at last_error_at last_error"),
        ("records", "id stream_id timestamp message"),
        ("deliveries", "id stream_id first_id last_id latest_timestamp started_at acknowledged"),
        ("rejected", "id stream_id timestamp message reason rejected_at"),
        ("gaps", "stream_id reason records first_at last_at"),
        ("counters WHERE name IN ('last_id', 'delivered', 'flush_through')", "name value"),
        // Before version 4 the view had those too that were acknowledged and still to be deleted.
        ("pending WHERE message NOT LIKE 'acknowledged%'", "id time log_group log_stream message"),
    ]
    return try tables.flatMap { table, columns in
        let columns = columns.split(separator: " ").map { "quote(\($0))" }.joined(separator: " || ' ' || ")
        return try texts("SELECT \(columns) FROM \(table) ORDER BY 1", in: path).map { "\(table): \($0)" }
    }
}

/// The tables, views, indices and triggers of a spool, as the statements that made them.
func schema(of path: String) throws -> [String] {
    try texts("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1", in: path)
}

private func texts(_ sql: String, in path: String) throws -> [String] {
    let statement = try Connection(path: path, mode: .readOnly).prepare(sql)
    var texts: [String] = []
    while try statement.step() { texts.append(statement.text(0)) }
    return texts
}
