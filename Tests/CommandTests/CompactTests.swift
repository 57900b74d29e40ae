import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("compact", .onOwnThreads)
struct CompactTests {
    private let command: Command
    private let endpoint: LocalEndpoint

    /// A spool from which 10 MB were shipped.
    init() throws {
        endpoint = try LocalEndpoint()
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        self.command = command
        let process = try command.start(Command.appendArguments)
        try process.write(repeatElement(String(repeating: "x", count: 999) + "\n", count: 10_000).joined())
        try #require(Ended(process).code == 0)
        // Deleted by hand: drain itself would give most of it back.
        _ = try command.runShell("sqlite3 '\(command.spoolPath)' 'DELETE FROM records'")
        try command.fill(["kept"])
    }

    private var size: SpoolSize { SpoolSize.of(path: command.spoolPath) }

    @Test("gives back what is not needed, and says how much, in fields, as JSON and for people")
    func compacts() throws {
        let before = size
        #expect(before.database > 10_000_000)
        let ended = try command.run(["compact"])
        #expect(ended.code == 0 && ended.error.isEmpty)
        #expect(size.database < 100_000 && size.log == 0)
        #expect(ended.output == "before\t\(before.database)\t\(before.log)\nafter\t\(size.database)\t\(size.log)\n")
        #expect(try command.pending() == ["kept"])
        let json = try command.run(["compact", "--json"]).output
        #expect(
            json == #"{"before":{"database":\#(size.database),"log":0},"after":{"database":\#(size.database),"log":0}}"#
                + "\n"
        )
        #expect(try command.runOnTerminal(["compact"]).output.hasPrefix("before  "))
        #expect(try command.run(["check"]).code == 0)
    }

    @Test("works beside a program that logs, which loses nothing")
    func live() throws {
        let writer = try command.start(Command.appendArguments + ["--tee"])
        let lines = (0..<20_000).map { "line \($0)" }
        let feeder = Thread {
            for line in lines { try? writer.write(line + "\n") }
            writer.closeInput()
        }
        feeder.start()
        try writer.waitForOutput { $0.contains("line 100\n") }
        let ended = try command.run(["compact", "--timeout", "60"])
        #expect(ended.code == 0, "\(ended.error)")
        #expect(size.database < 10_000_000)
        #expect(try writer.wait().exitCode == 0)
        #expect(try command.pending() == ["kept"] + lines)
    }

    @Test("ends with 75 where somebody reads the log for longer than --timeout, and the rest is done")
    func reader() throws {
        let reader = try ChildProcess("/usr/bin/sqlite3", ["-bail", command.spoolPath])
        try reader.write("BEGIN; SELECT count(*) FROM records;\n")
        try reader.waitForOutput { $0 == "1\n" }
        let ended = try command.run(["compact", "--timeout", "0.1"])
        #expect(ended.code == 75)
        #expect(ended.error.contains("another process is reading or writing"))
        #expect(try SQLiteShell.query("PRAGMA freelist_count", in: command.spoolPath) == ["0"])
        try reader.write("COMMIT;\n")
        #expect(try command.run(["compact"]).code == 0)
        #expect(size.database < 100_000)
        #expect(try Ended(reader).code == 0)
    }

    @Test("ends with 75 where somebody keeps the spool locked for longer than --timeout")
    func locked() throws {
        let lock = try SQLiteShell.lock(command.spoolPath)
        let process = try command.start(["compact", "--timeout", "0.5"])
        // Without the option it would be 30 s.
        #expect(try process.wait(within: .seconds(25)).exitCode == 75)
        #expect(process.text(.standardError).contains("another process holds the write lock"))
        _ = try Ended(lock)
        #expect(try command.run(["compact"]).code == 0)
    }

    @Test("No spool: 66; a timeout that is none: 64")
    func usage() throws {
        #expect(try command.run(["compact", "--spool", command.directory.file("missing.db")]).code == 66)
        #expect(try command.run(["compact", "--timeout", "nan"]).code == 64)
    }
}
