import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

/// What can not be undone is asked for: with `rejected purge`, on a terminal and without one.
@Suite("A question before what can not be undone", .onOwnThreads)
struct ConfirmationTests {
    private let command: Command
    private static let purge = ["rejected", "purge", "--all"]

    init() throws {
        command = try Command()
        try command.fill(["a", "b"])
        let pending = try StoredRecords(path: command.spoolPath).page(after: 0).records
        try command.takeLease().reject(pending.map { RefusedRecord(id: $0.id, reason: .tooOld) })
    }

    /// Runs it up to its question.
    private func ask() throws -> ChildProcess {
        let process = try command.startOnTerminal(Self.purge)
        let question = "This will delete 2 rejected records of \(command.spoolPath) for good. Go on? [y/N] "
        try process.waitForOutput { $0.hasSuffix(question) }
        #expect(try command.status().rejected == 2)
        return process
    }

    @Test("Yes does it", arguments: ["y", "YES"])
    func yes(answer: String) throws {
        let process = try ask()
        try process.write(answer + "\n")
        #expect(try process.wait().exitCode == 0)
        #expect(process.text().hasSuffix("\(answer)\r\n2 records deleted\r\n"))
        #expect(try command.status().rejected == 0)
    }

    @Test("Anything else changes nothing, and says so: 1", arguments: ["n\n", "\n", "yes, all\n", Key.controlD])
    func no(answer: String) throws {
        let process = try ask()
        try process.write(answer)
        #expect(try process.wait().exitCode == 1)
        #expect(process.text().hasSuffix("\r\nlogbeam-spool: nothing was changed\r\n"), "\(process.text())")
        #expect(try command.status().rejected == 2)
    }

    @Test("Ctrl-C at the question ends it, and changes nothing")
    func interrupted() throws {
        let process = try ask()
        try process.write(Key.controlC)
        #expect(try process.wait().signal == SIGINT)
        #expect(try command.status().rejected == 2)
    }

    @Test("Without a terminal it refuses with the remedy: 64; with --yes it does it, and never asks")
    func noTerminal() throws {
        let refused = try command.run(Self.purge)
        #expect(refused.code == 64)
        #expect(refused.error.contains("there is no terminal to ask on; use --yes"))
        #expect(try command.status().rejected == 2)
        let done = try command.run(Self.purge + ["--yes"])
        #expect(done.code == 0 && done.error.isEmpty)
        #expect(try command.status().rejected == 0)
    }
}
