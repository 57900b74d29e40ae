#if os(Linux)
import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

/// Where the system has no descriptor left, or no thread.
extension ShipTests {
    @Test("Where too many files are open to look for spools, that is told, and none of them is gone")
    func descriptors() throws {
        try fill("one")
        let pattern = command.directory.file("*/logs.db")
        let process = try start(["--spool", pattern])
        #expect(arrives("from one"))
        let one = command.directory.file("one/logs.db")
        #expect(try eventually { try SpoolStatus.read(path: one).pending == 0 })
        func limitFiles(to number: Int) throws {
            let arguments = ["--pid", "\(process.processIdentifier)", "--nofile=\(number):1024"]
            try #require(ChildProcess("/usr/bin/prlimit", arguments).wait().exitCode == 0)
        }
        try limitFiles(to: 3)
        try process.waitForOutput(.standardError) { $0.contains("spool \(pattern): ") && $0.contains("LimitNOFILE") }
        // Which it does when it has told all that it had seen in that look.
        process.kill(SIGHUP)
        try process.waitForOutput(.standardError) { $0.contains("reading credentials") }
        try limitFiles(to: 1_024)
        try fill("two")
        #expect(arrives("from two"))
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 0)
        let told = process.text(.standardError)
        #expect(told.components(separatedBy: "LimitNOFILE").count == 2, "\(told)")
        #expect(!told.contains(" is gone"), "\(told)")
    }

    // MARK: No threads left

    /// Its threads have stacks such that ``ThreadLimit`` leaves it without any more.
    private func startThreadHungry(_ arguments: String) throws -> ChildProcess {
        let process = try command.startShell(
            "\(ThreadLimit.largeStacks); exec \"$command\" ship --buffer-duration 0.02 \(arguments)"
        )
        process.closeInput()
        return process
    }

    /// Starts it, lets it upload when the system has no thread left to send with, and waits until it tells so.
    private func startWithoutSenders(_ arguments: String = "") throws -> (ChildProcess, ThreadLimit) {
        let (process, limit) = try {
            let lease = try command.takeLease()
            let process = try startThreadHungry(arguments)
            try process.waitForOutput(.standardError) { $0.contains("standing by") }
            return try withExtendedLifetime(lease) { (process, try ThreadLimit(of: process.processIdentifier)) }
        }()
        try process.waitForOutput(.standardError) {
            $0.contains("logbeam-spool: spool \(command.spoolPath): the system has no thread left: ")
        }
        return (process, limit)
    }

    @Test("Without threads to send with it tells so once, and ships as soon as there are some")
    func noSenders() throws {
        try command.fill(["a"])
        let (process, limit) = try startWithoutSenders()
        try limit.lift()
        try process.waitForOutput(.standardError) { $0.contains("\(command.spoolPath): all is well again\n") }
        #expect(arrives("a"))
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 0)
        #expect(process.text(.standardError).components(separatedBy: "no thread left").count == 2)
    }

    @Test("Without threads to send with its end is: 75, and where records remain")
    func noSendersAtTheEnd() throws {
        try command.fill(["a"])
        let (process, _) = try startWithoutSenders("--stop-timeout 0.3")
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 75)
        #expect(process.text(.standardError).hasSuffix("stopped by a signal; records remain in \(command.spoolPath)\n"))
    }

    @Test("A spool for which there is no thread is in trouble, and is shipped as soon as there is one")
    func noThread() throws {
        try fill("first")
        let process = try startThreadHungry("--spool '\(command.directory.file("*/logs.db"))'")
        #expect(arrives("from first"))
        let limit = try ThreadLimit(of: process.processIdentifier)
        try fill("second")
        let path = command.directory.file("second/logs.db")
        try process.waitForOutput(.standardError) { $0.contains("spool \(path): the system has no thread left: ") }
        try limit.lift()
        #expect(arrives("from second"))
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 0)
        #expect(process.text(.standardError).components(separatedBy: "no thread left").count == 2)
    }

    @Test("A spool for which there is no thread remains: 75")
    func noThreadAtTheEnd() throws {
        try fill("first")
        let process = try startThreadHungry("--spool '\(command.directory.file("*/logs.db"))'")
        #expect(arrives("from first"))
        _ = try ThreadLimit(of: process.processIdentifier)
        try fill("second")
        try process.waitForOutput(.standardError) { $0.contains("no thread left") }
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 75)
        let path = command.directory.file("second/logs.db")
        #expect(process.text(.standardError).hasSuffix("stopped by a signal; records remain in \(path)\n"))
    }
}
#endif
