import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// Spools that are damaged at random places, in random ways.
@Suite("Whatever happens to the files of a spool")
struct SalvageDamageTests {
    private static let fixtures = Result { () throws -> [SalvageFixture] in
        try [
            // With a log that is empty, one that has a part of it, and one that has nearly all.
            SalvageFixture(seed: 1, beforeCheckpoint: 40, afterCheckpoint: 0),
            SalvageFixture(seed: 2, beforeCheckpoint: 30, afterCheckpoint: 8),
            SalvageFixture(seed: 3, beforeCheckpoint: 0, afterCheckpoint: 25),
        ]
    }

    /// Seeds that failed once. When a test below names a seed, put it here.
    @Test("every record outside of the damage is found, in the cases that once went wrong", arguments: [] as [UInt64])
    func pinned(seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        try Case(seed: seed, in: Self.fixtures.get(), path: directory.file("spool.db")).scan()
    }

    /// `DAMAGE_SEEDS` asks for more than an ordinary run has.
    @Test("every record outside of the damage is found, and none that never was")
    func scans() throws {
        try many(250) { try $0.scan() }
    }

    /// `DAMAGE_SEEDS` asks for more than an ordinary run has.
    @Test("checking, reading, opening and salvaging end in a result or an error, and the salvaged spool is sound")
    func commands() throws {
        try many(40) { try $0.useAll() }
    }

    private func many(_ ordinary: UInt64, _ body: (Case) throws -> Void) throws {
        let fixtures = try Self.fixtures.get()
        let directory = try TemporaryDirectory()
        let count = ProcessInfo.processInfo.environment["DAMAGE_SEEDS"].flatMap(UInt64.init) ?? ordinary
        var failures = 0
        for seed in 1...max(1, count) {
            do {
                try body(Case(seed: seed, in: fixtures, path: directory.file("spool.db")))
            } catch {
                failures += 1
                // The first few are enough to read.
                if failures <= 3 { Issue.record(error, "seed \(seed)") }
            }
        }
        #expect(failures == 0)
    }
}

/// One spool, damaged in one place.
private struct Case {
    let fixture: SalvageFixture
    let damage: Damage
    let path: String
    private let lost: Set<Block>

    init(seed: UInt64, in fixtures: [SalvageFixture], path: String) throws {
        var random = SeededGenerator(seed: seed)
        fixture = fixtures[Int(seed % UInt64(fixtures.count))]
        damage = Damage.random(in: fixture, &random)
        lost = damage.blocks(in: fixture)
        self.path = path
        try damage.applied(to: fixture).write(to: path)
    }

    /// Whether all that a row consists of lies outside of the damage.
    private func isWhole(_ id: Int64) -> Bool { fixture.blocks[id]?.isDisjoint(with: lost) ?? true }

    private func broken(_ what: String) -> CaseFailure {
        CaseFailure(description: "\(what); \(damage.file) \(damage.range), \(damage.bytes.prefix(4))...")
    }

    /// What the rows that were found must be.
    private func judge(
        _ found: [Int64: Set<LoggedRecord>],
        _ table: String,
        expected: [Int64: LoggedRecord]
    ) throws {
        for (id, record) in expected where isWhole(id) {
            guard found[id]?.contains(record) == true else { throw broken("\(table) \(id) is missing") }
        }
        // A row that never was can only come of one that was in the damage: a bit of its id or its text is another.
        let strangers = found.flatMap { id, rows in rows.filter { fixture.history[id] != $0 } }
        let suspects = fixture.blocks.count { !$0.value.isDisjoint(with: lost) } + fixture.cells(on: lost)
        guard strangers.count <= suspects else { throw broken("\(strangers.count) \(table) never were") }
    }

    func scan() throws {
        var records: [Int64: Set<LoggedRecord>] = [:]
        var rejected: [Int64: Set<LoggedRecord>] = [:]
        func take(
            _ row: LoggedRecord,
            _ id: Int64,
            _ isCertain: Bool,
            into rows: inout [Int64: Set<LoggedRecord>]
        ) -> Bool {
            guard rows[id] == nil || isCertain else { return false }
            return rows[id, default: []].insert(row).inserted
        }
        var scan = SalvageScan(try DatabaseFile(path: path)) { (row, isCertain) throws(SpoolError) in
            switch row {
            case .record(let id, let stream, let timestamp, let message):
                let row = LoggedRecord(stream: stream, timestamp: timestamp, message: Array(message))
                return take(row, id, isCertain, into: &records)
            case .rejected(let id, let stream, let timestamp, let message, _, _):
                let row = LoggedRecord(stream: stream, timestamp: timestamp, message: Array(message))
                return take(row, id, isCertain, into: &rejected)
            default:
                return true
            }
        }
        try scan.run()
        try judge(records, "record", expected: fixture.records)
        try judge(rejected, "rejected", expected: fixture.rejected)
        let isLess = records.values.map(\.count).reduce(0, +) < fixture.records.count
        // A log that was cut after a frame, or whose end is damaged, can not be told from one that never had more.
        guard !isLess || !scan.report.isComplete || damage.file == .log else { throw broken("a loss is not told") }
    }

    func useAll() throws {
        let before = try contents()
        let salvaged = path + ".salvaged.db"
        defer {
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: salvaged + suffix) }
        }
        do {
            _ = try Salvage.run(path)
            try examine(salvaged)
        } catch let error as SpoolError {
            // Without any row there is nothing to make a spool of.
            guard error.kind == .notASpool, fixture.records.keys.allSatisfy({ !isWhole($0) }) else { throw error }
        }
        guard try contents() == before else { throw broken("the damaged files were changed") }

        let sqlite = sqliteVerdict()
        let check = Result { try SpoolCheck.run(path: path) }
        switch check {
        case .success(let check):
            // It also finds what SQLite does not: damage in the names of columns, or a record of no stream.
            guard !check.isGood || sqlite == "ok" else { throw broken("check says \(check), SQLite \(sqlite)") }
        case .failure(let error as SpoolError):
            guard error.kind == .notASpool || error.kind == .newerVersion else { throw error }
        case .failure(let error):
            throw error
        }
        try read()
    }

    /// The spool that was made of it.
    private func examine(_ salvaged: String) throws {
        guard try integrity(of: salvaged) == "ok", try mode(salvaged) == 0o600 else {
            throw broken("made no good spool")
        }
        let check = try SpoolCheck.run(path: salvaged)
        guard check.isGood, check.counts?.strayRecords == 0 else { throw broken("made no good spool: \(check)") }
        let connection = try Connection(path: salvaged, mode: .readOnly)
        let statement = try connection.prepare(
            """
            SELECT r.id, s.log_stream, r.timestamp, r.message FROM records AS r JOIN streams AS s ON s.id = r.stream_id
            """
        )
        var found: [Int64: LoggedRecord] = [:]
        while try statement.step() {
            let id = statement.integer(0)
            let stream = fixture.streams.first { $0.value.logStream == statement.text(1) }?.key
            found[id] = LoggedRecord(
                // Names can be lost with the pages that hold them; numbers not.
                stream: stream ?? Int64(statement.text(1).dropFirst("salvaged-".count)) ?? 0,
                timestamp: statement.integer(2),
                message: Array(statement.bytes(3))
            )
        }
        for (id, record) in fixture.records where isWhole(id) {
            // Where a damaged id is the same as this one, one of the two has another.
            let row = LoggedRecord(stream: record.stream, timestamp: record.timestamp, message: record.message)
            guard found[id] == row || found.values.contains(row) else { throw broken("record \(id) is missing") }
        }
        // It is one that can be used.
        let spool = try Spool(path: salvaged, options: .init(create: false))
        let id = try spool.append("after", stream: 1)
        guard id > found.keys.max() ?? 0 else { throw broken("an id was used again") }
    }

    /// All ways of reading; they may fail, but must end.
    private func read() throws {
        _ = try? SpoolStatus.read(path: path)
        if let reader = try? SpoolReader(path: path) {
            var after: Int64 = 0
            // As many turns as there are records, if none moves the place forward.
            for _ in 0...fixture.history.count {
                guard let last = try? reader.headers(after: after, limit: 100).headers.last, last.id > after else {
                    break
                }
                let range = BatchRange(stream: last.stream, first: after, last: last.id, latest: .max)
                _ = try? reader.batch(range, for: Destination(logGroup: "g", logStream: "s"))
                after = last.id
            }
            _ = try? reader.deliveries()
        }
        let before = try contents()
        do throws(SpoolError) {
            let spool = try Spool(path: path, options: .init(create: false))
            _ = try? spool.append("one more", stream: 1)
        } catch  where error.kind == .notASpool || error.kind == .newerVersion {
            guard try contents() == before else { throw broken("refused, and changed: \(error)") }
        } catch {}
    }

    private func sqliteVerdict() -> String {
        do {
            return try integrity(of: path)
        } catch {
            return "\(error)"
        }
    }

    private func contents() throws -> [Data?] {
        ["", "-wal"].map { try? Data(contentsOf: URL(fileURLWithPath: path + $0)) }
    }
}

private struct CaseFailure: Error, CustomStringConvertible {
    var description: String
}
