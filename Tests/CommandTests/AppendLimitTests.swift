import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("append, when the spool is full")
struct AppendLimitTests {
    private static let limit = ["--max-spool-size", "16777216"]
    private static let lines = (0..<1_500).map { "\($0) \(String(repeating: "x", count: 20_000))" }

    private let command: Command
    private let endpoint: LocalEndpoint

    init() throws {
        endpoint = try LocalEndpoint()
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        self.command = command
    }

    private func start(_ options: [String], through input: String = "< \"$input\"") throws -> ChildProcess {
        let file = command.directory.file("input")
        try (Self.lines.joined(separator: "\n") + "\n").write(toFile: file, atomically: false, encoding: .utf8)
        let arguments = (Command.appendArguments + Self.limit + options).joined(separator: " ")
        return try command.startShell("input='\(file)'; exec \"$command\" \(arguments) \(input)")
    }

    @Test("lines wait until drain has made room, and none is lost")
    func wait() async throws {
        try await onOwnThread {
            let process = try start([])
            try process.waitForOutput(.standardError) { $0.contains("waiting for room") }
            #expect(try command.run(["drain"]).code == 0)
            #expect(try process.wait().exitCode == 0)
            #expect(process.text(.standardError).split(separator: "\n").count == 1, "it is told once")
            #expect(try command.run(["drain"]).code == 0)
            #expect(endpoint.messages(in: Command.destination).sorted() == Self.lines.sorted())
            #expect(try command.status().dropped == 0)
        }
    }

    @Test("a signal ends the waiting: what is not committed goes to standard error, and is counted")
    func signal() async throws {
        try await onOwnThread {
            let process = try start([])
            try process.waitForOutput(.standardError) { $0.contains("waiting for room") }
            process.kill(SIGTERM)
            #expect(try process.wait().exitCode == 74)
            let prefix = "logbeam-spool: not spooled: "
            let told = process.text(.standardError).split(separator: "\n").filter { $0.hasPrefix(prefix) }
            let pending = try command.pending().filter { !$0.hasPrefix("logbeam: ") }
            let seen = pending + told.map { String($0.dropFirst(prefix.count)) }
            // The reading may have ended inside a line, which is a record as it is.
            let whole = Set(seen).intersection(Self.lines)
            #expect(seen.count - whole.count <= 1)
            #expect(whole == Set(Self.lines.prefix(whole.count)))
            #expect(!told.isEmpty)
            #expect(try command.status().dropped == told.count)
        }
    }

    @Test("after a signal only one refused part waits, of all that still lies in the pipe", arguments: [true, false])
    func haste(isFull: Bool) async throws {
        try await onOwnThread {
            try command.fill([])
            let lock = isFull ? nil : try SQLiteShell.lock(command.spoolPath)
            let mark = command.directory.file("begun")
            // More than a pipe holds has gone into it when the mark is set.
            let feed = "head -c 100000 \"$input\"; touch '\(mark)'; cat \"$input\""
            let process = try start([], through: "< <(\(feed))")
            #expect(eventually { FileManager.default.fileExists(atPath: mark) })
            if isFull { try process.waitForOutput(.standardError) { $0.contains("waiting for room") } }
            process.kill(SIGTERM)
            // Each of the 16 parts that a pipe is read in after a signal would wait for a second.
            #expect(try process.wait(within: .seconds(10)).exitCode == 74)
            #expect(process.text(.standardError).contains("logbeam-spool: not spooled: "))
            if let lock { _ = try Ended(lock) }
        }
    }

    @Test("the oldest make room if that is asked for, and the stream is told")
    func dropOldest() async throws {
        try await onOwnThread {
            let process = try start(["--when-full", "drop-oldest"])
            #expect(try process.wait().exitCode == 0)
            let pending = try command.pending()
            let kept = pending.filter { !$0.hasPrefix("logbeam: ") }
            #expect(kept == Array(Self.lines.suffix(kept.count)))
            #expect(try command.status().dropped == Self.lines.count - kept.count)
            #expect(pending.count == kept.count + 1)
        }
    }

    @Test("what a spool never has room for at once is committed in parts")
    func parts() async throws {
        try await onOwnThread {
            let file = command.directory.file("input")
            try String(repeating: "\n", count: 300_000).write(toFile: file, atomically: false, encoding: .utf8)
            let ended = try command.run(Command.appendArguments + Self.limit + [file])
            // For a part it may wait, where the log has to be copied first.
            #expect(ended.code == 0 && !ended.error.contains("not spooled"), "\(ended.error)")
            #expect(try command.status().pending == 300_000)
        }
    }
}
