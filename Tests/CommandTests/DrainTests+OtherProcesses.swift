import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

/// Beside programs that log and upload.
extension DrainTests {
    @Test("Another uploader: 69 with its process id and host, and nothing is sent")
    func held() throws {
        try command.fill(["a"])
        let lease = try command.takeLease()
        let ended = try command.run(["drain"])
        #expect(ended.code == 69)
        let holder = try #require(UploadLease.holder(spool: command.spoolPath))
        #expect(holder.processID == getpid())
        #expect(ended.error.contains("process \(getpid()) on \(holder.host) is uploading"))
        #expect(endpoint.records.requests.isEmpty)
        withExtendedLifetime(lease) {}
    }

    @Test("Another uploader that shows no sign of life: 69, and it says so")
    func hung() throws {
        try command.fill(["a"])
        let lease = try command.takeLease()
        let note = command.spoolPath + "-uploader"
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -125)], ofItemAtPath: note)
        let ended = try command.run(["drain"])
        #expect(ended.code == 69)
        #expect(
            ended.error.contains(/\(it has shown no sign of life for \d min \d+ s\); leave it to it, or use --wait or/)
        )
        withExtendedLifetime(lease) {}
    }

    @Test("--take-over ships beside a live uploader, which has lost the lease then and can have it back afterwards")
    func takeOver() throws {
        try command.fill(["a"])
        let lease = try command.takeLease()
        let ended = try command.run(["drain", "--take-over"])
        #expect(ended.code == 0 && ended.error.isEmpty, "\(ended.error)")
        #expect(endpoint.messages(in: Command.destination) == ["a"])
        #expect(!lease.beat())
        #expect(lease.spool.path == command.spoolPath)
        let again = try command.takeLease()
        #expect(again.beat() && !lease.beat())
    }

    @Test("--take-over takes over where nobody uploads as well")
    func takeOverFromNobody() throws {
        try command.fill(["a"])
        #expect(try command.run(["drain", "--take-over"]).code == 0)
        #expect(endpoint.messages(in: Command.destination) == ["a"])
    }

    @Test("One that is taken over itself: 69, what remains, and it deletes nothing any more")
    func takenOver() throws {
        try command.fill(["a"])
        endpoint.create(Command.destination)
        let gate = Gate()
        endpoint.enqueue(.hangAfterAccepting(gate))
        let process = try command.start(["drain"])
        #expect(gate.waitForArrivals())
        let lease = try #require(try UploadLease.takeOver(Spool(path: command.spoolPath)))
        let ended = try Ended(process)
        #expect(ended.code == 69)
        #expect(
            ended.error.contains("another process has taken over the uploads from \(command.spoolPath); 1 record rem")
        )
        gate.open()
        #expect(try command.status().inDoubt == 1)
        #expect(lease.beat())
    }

    @Test("Another file in the place of the spool: 75, and how much remains in that", arguments: [1, 20_000])
    func replaced(count: Int) throws {
        try command.fill((0..<count).map { "\($0)" })
        endpoint.create(Command.destination)
        let gate = Gate()
        endpoint.enqueue(.hangAfterAccepting(gate))
        let process = try command.start(["drain"])
        #expect(gate.waitForArrivals())
        // It is there at once with all that is in it, for drain may look at any time.
        let other = command.directory.file("other.db")
        try command.fill((0..<7).map { "new \($0)" }, spool: other)
        let path = command.spoolPath
        #expect(try command.runShell("rm -f '\(path)-wal' '\(path)-shm'; mv '\(other)' '\(path)'").code == 0)
        gate.open()
        let ended = try Ended(process)
        #expect(ended.code == 75, "\(ended.error)")
        let told = "\(command.spoolPath) was replaced by another file meanwhile; 7 records remain in the new one"
        #expect(ended.error.contains(told), "\(ended.error)")
        #expect(try command.pending().count == 7)
    }

    @Test("--wait asks the other uploader to send everything, and ends with 0 when that has")
    func waitForEmpty() throws {
        try command.fill(["a"])
        let lease = try command.takeLease()
        let process = try command.start(["drain", "--wait"])
        process.closeInput()
        let reader = try SpoolReader(path: command.spoolPath)
        let last = try #require(try reader.lastID())
        #expect(try eventually { try reader.requestedFlush() == last })
        // The other one sends it, and what came meanwhile is waited for too.
        try command.fill(["b"])
        let range = BatchRange(stream: 1, first: last, last: last, latest: .max)
        try lease.begin(range)
        try lease.acknowledge(range, refused: [], delivered: 1)
        try lease.finish(range)
        let next = try #require(try reader.lastID())
        #expect(next > last)
        #expect(try eventually { try reader.requestedFlush() == next })
        try lease.begin(BatchRange(stream: 1, first: next, last: next, latest: .max))
        try lease.acknowledge(BatchRange(stream: 1, first: next, last: next, latest: .max), refused: [], delivered: 1)
        try lease.finish(BatchRange(stream: 1, first: next, last: next, latest: .max))
        #expect(try process.wait().exitCode == 0)
        #expect(endpoint.records.requests.isEmpty)
    }

    #if os(Linux)
    @Test("Without threads to send with: 74")
    func noThreads() throws {
        try command.fill(["a"])
        var lease: UploadLease? = try command.takeLease()
        let process = try command.startShell("\(ThreadLimit.largeStacks); exec \"$command\" drain --wait")
        let reader = try SpoolReader(path: command.spoolPath)
        #expect(try eventually { try reader.requestedFlush() > 0 })
        // The one that waits for a signal is started first.
        _ = try ThreadLimit(of: process.processIdentifier, threads: 1)
        #expect(lease?.beat() == true)
        lease = nil
        let ended = try Ended(process)
        #expect(ended.code == 74)
        #expect(ended.error.hasPrefix("logbeam-spool: the system has no thread left: "), "\(ended.error)")
    }
    #endif

    @Test("--wait ships the rest itself when the other uploader ends")
    func waitForEnd() throws {
        try command.fill(["a"])
        var lease: UploadLease? = try command.takeLease()
        let process = try command.start(["drain", "--wait"])
        process.closeInput()
        let reader = try SpoolReader(path: command.spoolPath)
        #expect(try eventually { try reader.requestedFlush() > 0 })
        #expect(endpoint.records.requests.isEmpty && lease?.beat() == true)
        lease = nil
        #expect(try process.wait().exitCode == 0)
        #expect(endpoint.messages(in: Command.destination) == ["a"])
    }

    @Test("--wait ends with the time, or a signal: 75", arguments: [["--timeout", "0.5"], []])
    func waitStops(arguments: [String]) throws {
        try command.fill(["a"])
        let lease = try command.takeLease()
        let process = try command.start(["drain", "--wait"] + arguments)
        process.closeInput()
        let reader = try SpoolReader(path: command.spoolPath)
        #expect(try eventually { try reader.requestedFlush() > 0 })
        if arguments.isEmpty { process.kill(SIGTERM) }
        #expect(try process.wait().exitCode == 75)
        #expect(process.text(.standardError).contains("; 1 record remains in \(command.spoolPath); run drain again"))
        #expect(lease.beat())
    }

    @Test(
        "A write lock of another process is waited for until the time is over, or a signal comes: 75, and why",
        arguments: [[], ["--take-over"], ["--wait"], ["--to", "-"]]
    )
    func locked(options: [String]) throws {
        try command.fill(["a"])
        let lock = try SQLiteShell.lock(command.spoolPath)
        let ended = try command.run(["drain", "--timeout", "0.2"] + options)
        #expect(ended.code == 75)
        let reason = "spool \(command.spoolPath): database is locked (SQLite 5); another process holds the write lock\n"
        #expect(ended.error == "logbeam-spool: the time is over; \(reason)")

        let process = try command.start(["drain"] + options)
        try process.waitForOutput(.standardError) { $0 == "logbeam-spool: trying again: \(reason)" }
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 75)
        #expect(process.text(.standardError).hasSuffix("logbeam-spool: stopped by a signal; \(reason)"))
        _ = try Ended(lock)
        #expect(try command.pending() == ["a"])
    }

    @Test("Once the write lock is let go, everything is shipped")
    func unlocked() throws {
        try command.fill(["a"])
        let lock = try SQLiteShell.lock(command.spoolPath)
        let process = try command.start(["drain", "--timeout", "600"])
        try process.waitForOutput(.standardError) { $0.contains("trying again") }
        _ = try Ended(lock)
        #expect(try process.wait().exitCode == 0)
        #expect(endpoint.messages(in: Command.destination) == ["a"])
    }

    @Test("--wait and --take-over exclude each other")
    func waitOrTakeOver() throws {
        try command.fill(["a"])
        #expect(try command.run(["drain", "--wait", "--take-over"]).code == 64)
    }

    @Test("What others append meanwhile is sent too, once")
    func appendedMeanwhile() throws {
        try command.fill(["a"])
        endpoint.create(Command.destination)
        // Each request brings another record: there is no end to it.
        endpoint.setScript { [command] request in
            try? command.fill(["during \(request.number)"])
            return nil
        }
        let ended = try command.run(["drain"])
        #expect(ended.code == 0)
        #expect(endpoint.messages(in: Command.destination) == ["a", "during 1"])
        #expect(try command.pending() == ["during 2"])
    }

    @Test("What a killed drain left in doubt is sent again by the next one")
    func killed() throws {
        try command.fill(["a", "b"])
        endpoint.create(Command.destination)
        let gate = Gate()
        endpoint.enqueue(.hangBeforeAccepting(gate))
        let process = try command.start(["drain"])
        #expect(gate.waitForArrivals())
        #expect(try command.status().inDoubt == 1)
        process.kill(SIGKILL)
        #expect(try process.wait().signal == SIGKILL)
        #expect(try command.run(["drain"]).code == 0)
        #expect(endpoint.messages(in: Command.destination) == ["a", "b"])
        gate.open()
    }
}
