#if os(Linux)
import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

/// Subcommands that move records, killed at one system call in each run: at some of them, or with `KILL_POINTS=all` at every
/// one that writes to the spool and at many of the others.
@Suite("Killed at a system call, a subcommand loses no record and doubles none", .onOwnThreads)
struct CommandKillPointTests {
    private static let takesAll = ProcessInfo.processInfo.environment["KILL_POINTS"] == "all"
    private static let count = 1_100
    private static let writes = SystemCall.files.filter { $0.name == "pwrite64" }

    /// Runs a subcommand on a copy of a spool, or on none, killed at a call; `trial` looks what is left.
    private func sweep(
        _ arguments: [String],
        on origin: Command?,
        seed: UInt64,
        _ trial: (Command, KillPoint) throws -> Void
    ) throws {
        func run(_ point: KillPoint) throws -> TracedRun {
            let command = try Command()
            for suffix in ["", "-wal"] {
                guard let source = origin.map({ $0.spoolPath + suffix }) else { break }
                guard FileManager.default.fileExists(atPath: source) else { continue }
                try FileManager.default.copyItem(atPath: source, toPath: command.spoolPath + suffix)
            }
            let line = try point.command() + [command.executable] + arguments
            let process = try ChildProcess(line[0], Array(line.dropFirst()), environment: command.environment)
            process.closeInput()
            let traced = try TracedRun(process)
            if traced.wasKilled || point.number == 0 { try trial(command, point) }
            return traced
        }
        let whole = try run(KillPoint(number: 0))
        let writes = Self.writes.map(whole.count).reduce(0, +)
        #expect(writes > 10)
        var random = SeededGenerator(seed: seed)
        let chosen =
            Self.takesAll ? Array(1...writes) : (0..<8).map { _ in .random(in: 1...writes, using: &random) }
        let any = (0..<(Self.takesAll ? 60 : 6)).map { _ in Int.random(in: 1...whole.total, using: &random) }
        let points = chosen.map { KillPoint(Self.writes, number: $0) } + any.map { KillPoint(number: $0) }
        var kills = 0
        for point in points where try run(point).wasKilled { kills += 1 }
        #expect(kills > points.count / 2)
    }

    private func rejectedSpool() throws -> Command {
        let command = try Command()
        let messages = (0..<Self.count).map { "record \($0)" }
        try command.fill(messages)
        let ids = try (StoredRecords(path: command.spoolPath).page(after: 0).records).map(\.id)
        try command.takeLease().reject(ids.map { RefusedRecord(id: $0, reason: .invalid) })
        return command
    }

    private func messages(_ command: Command, _ table: StoredRecords.Table) throws -> [String] {
        var messages: [String] = []
        try StoredRecords(path: command.spoolPath).forEachPage(of: table) { page throws(SpoolError) in
            messages += page.map { String(decoding: $0.message, as: UTF8.self) }
            return false
        }
        return messages
    }

    private static let all = (0..<count).map { "record \($0)" }

    @Test("rejected requeue: each is in one place, and the next run ends the work")
    func requeue() throws {
        try sweep(["rejected", "requeue", "--all"], on: rejectedSpool(), seed: 1) { command, point throws in
            #expect(try messages(command, .pending) + messages(command, .rejected) == Self.all, "\(point)")
            #expect(try command.run(["rejected", "requeue", "--all"]).code == 0)
            #expect(try messages(command, .pending) == Self.all, "\(point)")
            #expect(try command.run(["check"]).code == 0, "\(point)")
        }
    }

    @Test("rejected purge: each is there or counted")
    func purge() throws {
        try sweep(["rejected", "purge", "--all", "--yes"], on: rejectedSpool(), seed: 2) { command, point throws in
            let status = try command.status()
            #expect(status.rejected + status.dropped == Self.count, "\(point)")
            #expect(try messages(command, .rejected) == Array(Self.all.suffix(status.rejected)), "\(point)")
            #expect(try command.run(["check"]).code == 0, "\(point)")
        }
    }

    @Test("import: the next run goes on, and each record is there once, in order")
    func importing() throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("lines.jsonl")
        // Each record fills a read, and so a transaction: with lines of white space, that most calls are those of commits.
        let filling = String(repeating: String(repeating: " ", count: 1_023) + "\n", count: Input.readSize / 1_024)
        let expected = (0..<12).map { "record \($0)" }
        let lines = expected.map { #"{"time":1,"log_group":"g","log_stream":"s","message":"\#($0)"}"# + "\n" + filling }
        try lines.joined().write(toFile: file, atomically: false, encoding: .utf8)
        try sweep(["import", file], on: nil, seed: 3) { command, point throws in
            guard point.number > 0 else { return }
            if FileManager.default.fileExists(atPath: command.spoolPath) {
                let before = try messages(command, .pending)
                #expect(before == Array(expected.prefix(before.count)), "\(point)")
                // It was at its end, and is forgotten.
                if before.count == expected.count, try unfinished(command) == 0 { return }
            }
            #expect(try command.run(["import", file]).code == 0)
            #expect(try messages(command, .pending) == expected, "\(point)")
            #expect(try unfinished(command) == 0)
        }
    }

    private func unfinished(_ command: Command) throws -> Int {
        let rows = try SQLiteShell.query(
            "SELECT count(*) FROM counters WHERE name LIKE 'import%'",
            in: command.spoolPath
        )
        return Int(rows.first ?? "") ?? -1
    }

    @Test("export: a file that is there is whole, and the same command makes one that is not")
    func export() throws {
        let command = try Command()
        // Several pages, which are written one by one.
        try command.fill((0..<30).map { "\($0) \(String(repeating: "x", count: 100_000))" })
        let file = command.directory.file("export.jsonl")
        let expected = try command.run(["export"]).output
        let calls = SystemCall.files + SystemCall.others.filter { $0.name == "write" }
        var number = 0
        var wasKilled = true
        while wasKilled {
            number += 1
            let line = try KillPoint(calls, number: number).command() + [command.executable, "export", "--to", file]
            let process = try ChildProcess(line[0], Array(line.dropFirst()), environment: command.environment)
            process.closeInput()
            wasKilled = try TracedRun(process).wasKilled
            if !FileManager.default.fileExists(atPath: file) {
                #expect(try command.run(["export", "--to", file]).code == 0, "\(number)")
            }
            #expect(try String(contentsOfFile: file, encoding: .utf8) == expected, "\(number)")
            try FileManager.default.removeItem(atPath: file)
        }
        #expect(number > 5)
    }

    @Test("compact: all is as it was")
    func compact() throws {
        let origin = try Command()
        try origin.fill(Self.all.map { "\($0) \(String(repeating: "x", count: 2_000))" })
        _ = try origin.runShell("sqlite3 '\(origin.spoolPath)' 'DELETE FROM records WHERE id % 2'")
        let expected = try messages(origin, .pending)
        try sweep(["compact"], on: origin, seed: 4) { command, point throws in
            #expect(try messages(command, .pending) == expected, "\(point)")
            #expect(try command.run(["check"]).code == 0, "\(point)")
        }
    }
}
#endif
