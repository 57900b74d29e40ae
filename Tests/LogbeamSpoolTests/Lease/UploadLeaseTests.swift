import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("The upload lease", .onOwnThreads)
struct UploadLeaseTests {
    private let directory: TemporaryDirectory
    private let path: String
    private let spool: Spool

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("spool.db")
        spool = try Spool(path: path)
    }

    @Test("is had by one at a time within a process, and comes free with its owner")
    func withinProcess() throws {
        #expect(UploadLease.holder(spool: path) == nil)
        var lease = try UploadLease.acquire(spool)
        #expect(lease != nil)
        #expect(try UploadLease.acquire(spool) == nil)
        let holder = try #require(UploadLease.holder(spool: path))
        #expect(holder.processID == getpid())
        #expect(!holder.host.isEmpty)
        // Looking, and failing to get it, did not take it away.
        #expect(try UploadLease.acquire(spool) == nil)
        lease = nil
        #expect(UploadLease.holder(spool: path) == nil)
        #expect(try UploadLease.acquire(spool) != nil)
    }

    @Test("is had, and lost, though a damaged spool names the last epoch of all")
    func lastEpoch() throws {
        try Connection(path: path, mode: .readWrite)
            .execute("UPDATE counters SET value = \(Int64.max) WHERE name = 'lease_epoch'")
        let lease = try #require(try UploadLease.acquire(spool))
        try lease.check(SpoolReader(path: path))
        let next = try #require(try UploadLease.takeOver(spool))
        #expect(next.beat() && !lease.beat())
        try next.check(SpoolReader(path: path))
    }

    @Test("is had by one process at a time, and comes free when that is killed")
    func betweenProcesses() throws {
        let first = try exerciser("hold", path)
        try first.waitForOutput { $0 == "held\n" }
        #expect(try UploadLease.acquire(spool) == nil)
        #expect(UploadLease.holder(spool: path)?.processID == first.processIdentifier)
        let second = try exerciser("hold", path)
        try second.waitForOutput { $0 == "taken\n" }
        #expect(UploadLease.holder(spool: path)?.processID == first.processIdentifier)

        first.kill(SIGKILL)
        #expect(try first.wait().signal == SIGKILL)
        #expect(UploadLease.holder(spool: path) == nil)
        let lease = try UploadLease.acquire(spool)
        #expect(lease != nil)
        #expect(UploadLease.holder(spool: path)?.processID == getpid())
    }

    @Test("can be looked at without being taken")
    func looking() throws {
        do { _ = try UploadLease.acquire(spool) }
        // The file stays; nobody holds it, and to look does not change that.
        for _ in 1...3 { #expect(UploadLease.holder(spool: path) == nil) }
        #expect(try UploadLease.acquire(spool) != nil)
    }

    @Test("is the same by whatever path the spool is known")
    func symbolicLink() throws {
        let link = directory.file("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: directory.path)
        let lease = try UploadLease.acquire(Spool(path: link + path.dropFirst(directory.path.count)))
        #expect(lease != nil)
        #expect(try UploadLease.acquire(spool) == nil)
        #expect(UploadLease.holder(spool: path)?.processID == getpid())
    }

    @Test("follows no symbolic link to a file of someone else's")
    func foreignLink() throws {
        let target = directory.file("target")
        try Data("precious".utf8).write(to: URL(fileURLWithPath: target))
        try FileManager.default.createSymbolicLink(atPath: path + "-uploader", withDestinationPath: target)
        #expect(spoolError { _ = try UploadLease.acquire(spool) }?.kind == .unwritable)
        #expect(UploadLease.holder(spool: path) == nil)
        #expect(try String(contentsOfFile: target, encoding: .utf8) == "precious")
    }

    @Test("can not be had where there is no directory")
    func noDirectory() throws {
        try FileManager.default.removeItem(atPath: directory.path)
        #expect(spoolError { _ = try UploadLease.acquire(spool) }?.kind == .unwritable)
    }

    @Test("tells what it can of a holder whose note says nothing")
    func emptyNote() throws {
        let lease = try UploadLease.acquire(spool)
        try Data().write(to: URL(fileURLWithPath: path + "-uploader"), options: [])
        let holder = try #require(UploadLease.holder(spool: path))
        #expect((holder.processID, holder.host) == (0, "unknown"))
        withExtendedLifetime(lease) {}
    }

    @Test("says who has it in its file alone, though a longer note stood there, and is in no moment without one")
    func shorterNote() throws {
        let file = try LeaseFile.inPlace(ofSpool: path)
        func note(_ host: String) -> LeaseNote {
            LeaseNote(processID: 1, host: host, beat: LeaseNote.Beat(epoch: 1, number: 2, interval: 100))
        }
        file.write(note("one-with-a-long-name"))
        // Then the file is cut.
        file.write(note("other"))
        #expect(file.note == note("other"))
        file.write(note("other"), isFirst: true)
        #expect(file.note == note("other"))
        #expect(try String(contentsOfFile: path + "-uploader", encoding: .utf8) == note("other").text)
    }

    /// In a process of its own: the limit of what may be written is that of the process.
    @Test("keeps the note that its file has where no other can be written")
    func unwritableNote() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let file = try LeaseFile.inPlace(ofSpool: directory.file("spool.db"))
            let beat = LeaseNote.Beat(epoch: 1, number: 2, interval: 100)
            let old = LeaseNote(processID: 1, host: "one-with-a-long-name", beat: beat)
            file.write(old)
            signal(SIGXFSZ, SIG_IGN)
            let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
            var before = rlimit()
            getrlimit(resource, &before)
            var none = rlimit(rlim_cur: 0, rlim_max: before.rlim_max)
            setrlimit(resource, &none)
            file.write(LeaseNote(processID: 2, host: "other", beat: beat), isFirst: true)
            setrlimit(resource, &before)
            #expect(file.note == old)
        }
    }

    @Test(
        "is a file of mode 0600 that belongs to the owner of the spool, whoever takes it",
        .enabled(if: geteuid() == 0)
    )
    func owner() throws {
        try FileManager.default.setAttributes(
            [.ownerAccountID: 65_534, .groupOwnerAccountID: 65_534],
            ofItemAtPath: path
        )
        func expectOwned() throws {
            let attributes = try FileManager.default.attributesOfItem(atPath: path + "-uploader")
            #expect(attributes[.ownerAccountID] as? Int == 65_534)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
        let first = try UploadLease.acquire(spool)
        try expectOwned()
        let second = try UploadLease.takeOver(spool)
        try expectOwned()
        withExtendedLifetime((first, second)) {}
    }

    // MARK: Signs of life

    @Test("shows a sign of life as often as its lapse asks for, and at most so often")
    func beats() throws {
        let start = MonotonicClock.milliseconds()
        let lease = try #require(try UploadLease.acquire(spool, lapse: .seconds(1)))
        #expect(lease.beatInterval == 100)
        let first = try #require(UploadLease.sighting(path)?.note.beat)
        #expect(first == LeaseNote.Beat(epoch: 1, number: 0, interval: 100))
        var beats: Set<UInt64> = []
        while beats.count < 4 {
            #expect(lease.beat())
            try beats.insert(#require(UploadLease.sighting(path)?.note.beat).number)
        }
        #expect(beats.contains(1))
        #expect(MonotonicClock.milliseconds() - start >= 300)
        // By default it is one in three seconds: an idle machine is not to be kept busy.
        let other = try #require(try UploadLease.takeOver(spool))
        #expect(other.beatInterval == 3_000)
    }

    /// What the upload loop may do for seconds.
    @Test("shows signs of life while records are deleted", arguments: ["acknowledge", "finish", "reject"])
    func beatsMeanwhile(call: String) throws {
        let lease = try #require(try UploadLease.acquire(spool, lapse: .seconds(1)))
        let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        let id = try spool.append("one", stream: stream)
        let range = BatchRange(stream: stream, first: id, last: id, latest: .max)
        try lease.begin(range)
        func lastBeat() throws -> UInt64 { try #require(UploadLease.sighting(path)?.note.beat).number }
        let before = try lastBeat()
        // Until the next one is due.
        let end = MonotonicClock.milliseconds() + lease.beatInterval
        #expect(eventually { MonotonicClock.milliseconds() > end })
        #expect(try lastBeat() == before)
        switch call {
        case "acknowledge": try lease.acknowledgeAndFinish(range, refused: [], delivered: 1)
        case "finish": try lease.finish(range)
        default: try lease.reject([RefusedRecord(id: id, reason: .tooOld)])
        }
        #expect(try ids(in: path) == [])
        #expect(try lastBeat() > before)
    }

    @Test("shows when the last sign of life was, and how long is too long")
    func silence() throws {
        let before = WallClock.milliseconds()
        let lease = try UploadLease.acquire(spool)
        let holder = try #require(UploadLease.holder(spool: path))
        let last = try #require(holder.lastBeat)
        // The file system's clock goes in steps of up to 10 ms.
        #expect((before - 10...WallClock.milliseconds()).contains(last))
        #expect(holder.silence(at: last + 12_000) == nil)
        #expect(holder.silence(at: last + 12_001) == 12_001)
        #expect(UploadLease.Holder(processID: 1, host: "h", lastBeat: 5, beatInterval: 100).silence(at: 10_005) == nil)
        #expect(
            UploadLease.Holder(processID: 1, host: "h", lastBeat: 5, beatInterval: 100).silence(at: 10_006) == 10_001
        )
        #expect(UploadLease.Holder(processID: 1, host: "h").silence(at: .max) == nil)
        withExtendedLifetime(lease) {}
    }
}
