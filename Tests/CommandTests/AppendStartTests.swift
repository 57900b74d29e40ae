import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("append, when the spool can not be written at the start", .onOwnThreads)
struct AppendStartTests {
    private let command: Command

    init() throws {
        command = try Command()
    }

    private func start() throws -> ChildProcess {
        try command.start(Command.appendArguments + ["--tee"])
    }

    @Test("lines wait for a lock that comes free, and are committed: 0")
    func released() throws {
        try command.fill(["before"])
        let lock = try SQLiteShell.lock(command.spoolPath)
        let process = try start()
        try process.write("a\n")
        _ = try Ended(lock)
        try process.waitForOutput { $0 == "a\n" }
        #expect(try Ended(process).code == 0)
        #expect(try command.pending() == ["before", "a"])
    }

    #if os(Linux)
    @Test(
        "a signal ends the waiting for a lock: what is read goes to standard error, and is not shown as committed: 74"
    )
    func locked() throws {
        try command.fill(["before"])
        let lock = try SQLiteShell.lock(command.spoolPath)
        let process = try start()
        try process.write("a\nb")
        // A thread of its own takes the signal from here on.
        let status = "/proc/\(process.processIdentifier)/status"
        #expect(
            try eventually { try String(contentsOfFile: status, encoding: .utf8).contains("SigBlk:\t0000000000004003") }
        )
        process.kill(SIGTERM)
        // It would wait for 30 s.
        #expect(try process.wait(within: .seconds(25)).exitCode == 74)
        #expect(process.text().isEmpty)
        let error = process.text(.standardError)
        #expect(error.contains("logbeam-spool: not spooled: a\n"), "\(error)")
        #expect(error.contains("logbeam-spool: not spooled: b\n"), "\(error)")
        _ = try Ended(lock)
        #expect(try command.pending() == ["before"])
    }

    @Test(
        "a disk that is full for a while: lines go to standard error and are counted, and the next are committed: 74",
        .disabled(if: Sanitizer.isThread, "a program with ThreadSanitizer does not run where files may not grow"),
        arguments: [true, false]
    )
    func full(isThere: Bool) throws {
        if isThere { try command.fill(["before"]) }
        let arguments = Command.appendArguments.joined(separator: " ")
        let process = try command.startShell("ulimit -S -f 4; exec \"$command\" \(arguments) --tee")
        try process.write("a\n")
        try process.waitForOutput(.standardError) { $0.contains("logbeam-spool: not spooled: a\n") }
        let lifting = try ChildProcess(
            "/usr/bin/prlimit",
            ["--pid", "\(process.processIdentifier)", "--fsize=unlimited"]
        )
        try #require(lifting.wait().exitCode == 0)
        try process.write("b\n")
        try process.waitForOutput { $0 == "b\n" }
        #expect(try Ended(process).code == 74)
        #expect(try command.pending().filter { !$0.hasPrefix("logbeam: ") } == (isThere ? ["before", "b"] : ["b"]))
        #expect(try command.status().dropped == 1)
    }
    #endif

    @Test("what is no spool is an error at once, though the input stays open: 65")
    func foreign() throws {
        try Data("this is something else, and long enough to be a file".utf8)
            .write(to: URL(fileURLWithPath: command.spoolPath))
        let process = try start()
        #expect(try process.wait().exitCode == 65)
    }
}
