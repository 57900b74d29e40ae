import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("A lease that is taken from a holder that lives", .onOwnThreads)
struct SupersedeTests {
    private let test: TestSpool
    private let path: String

    init() throws {
        test = try TestSpool()
        path = test.path
    }

    private func acquire() throws -> UploadLease { try #require(try UploadLease.acquire(test.spool)) }
    private func sighting() throws -> LeaseSighting { try #require(UploadLease.sighting(path)) }
    private func epoch() throws -> Int64 { try test.number("SELECT value FROM counters WHERE name = 'lease_epoch'") }

    private func supersede(_ sighting: LeaseSighting, by spool: Spool? = nil) throws -> UploadLease? {
        try UploadLease.supersede(sighting, of: spool ?? test.spool, lapse: .seconds(1))
    }

    // MARK: What the old holder can do

    @Test("changes nothing any more, whatever it does")
    func fenced() throws {
        let old = try acquire()
        let ids = try test.append(6)
        let begun = test.range(ids[0], ids[1])
        let acknowledged = test.range(ids[2], ids[3])
        try old.begin(begun)
        try old.begin(acknowledged)
        try test.spool.write { writer throws(SpoolError) in
            try writer.acknowledge(acknowledged, refused: [], delivered: 2, in: nil)
        }
        let new = try #require(try UploadLease.takeOver(test.spool))

        let before = try contents()
        let calls: [(String, () throws -> Void)] = [
            ("begin", { try old.begin(test.range(ids[4], ids[5])) }),
            ("abandon", { try old.abandon(begun) }),
            ("acknowledge", { try old.acknowledgeAndFinish(begun, refused: [], delivered: 2) }),
            (
                "acknowledge, refused",
                {
                    let refused = [RefusedRecord(id: ids[0], reason: .tooOld)]
                    try old.acknowledgeAndFinish(begun, refused: refused, delivered: 1)
                }
            ),
            ("finish", { try old.finish(acknowledged) }),
            ("reject", { try old.reject([RefusedRecord(id: ids[4], reason: .invalid)]) }),
            ("noteFailure", { try old.noteFailure(stream: test.stream, message: "no", failures: 1, time: 1) }),
            ("check", { try old.check(SpoolReader(path: path)) }),
        ]
        for (name, call) in calls {
            #expect(spoolError(call)?.kind == .superseded, "\(name)")
            #expect(try contents() == before, "\(name)")
        }
        #expect(!old.beat() && !old.isInPlace)

        // And the new one can do all of it.
        #expect(new.beat() && new.isInPlace)
        try new.check(SpoolReader(path: path))
        try new.noteFailure(stream: test.stream, message: "no", failures: 1, time: 1)
        try new.abandon(begun)
        try new.begin(begun)
        try new.acknowledgeAndFinish(begun, refused: [], delivered: 2)
        try new.finish(acknowledged)
        try new.reject([RefusedRecord(id: ids[4], reason: .invalid)])
        #expect(try test.ids() == [ids[5]])
    }

    @Test("does not go on with a deletion that it was in the midst of")
    func fencedSlice() throws {
        let old = try acquire()
        try test.appendGroups(2)
        let ids = try test.ids()
        let range = test.range(ids[0], ids[1_999])
        try old.begin(range)
        var new: UploadLease?
        var slices = 0
        var left: [Int64] = []
        let error = spoolError {
            try test.spool.acknowledge(range, refused: [], delivered: 2_000, in: 1)
            try test.spool.finish(range, in: 1) {
                slices += 1
                guard slices == 2 else { return }
                new = try? UploadLease.takeOver(test.spool)
                left = (try? test.ids()) ?? []
            }
        }
        #expect(error?.kind == .superseded)
        #expect(!left.isEmpty && left.count < 2_000)
        #expect(try test.ids() == left)
        try #require(new).finish(range)
        #expect(try test.ids() == [])
        #expect(try test.ids("deliveries") == [])
    }

    private func contents() throws -> String { try sqlite3(path, ".dump") }

    // MARK: Who gets it

    @Test("is had by one alone: the old file is locked, and is not the one that others open")
    func oneHolder() throws {
        let old = try acquire()
        let new = try #require(try UploadLease.takeOver(test.spool))
        #expect(try UploadLease.acquire(test.spool) == nil)
        #expect(try epoch() == 2)
        #expect(UploadLease.sighting(path)?.note.beat?.epoch == 2)
        withExtendedLifetime((old, new)) {}
    }

    @Test("comes free when the new holder ends, though the old one has not let go of its file")
    func afterwards() throws {
        let old = try acquire()
        do { _ = try UploadLease.takeOver(test.spool) }
        #expect(UploadLease.holder(spool: path) == nil)
        let third = try acquire()
        #expect(try epoch() == 3)
        #expect(third.isInPlace && !old.isInPlace)
    }

    @Test("stays with the old holder if that shows a sign of life at the last moment")
    func wakesUp() throws {
        let old = try #require(try UploadLease.acquire(test.spool, lapse: .seconds(1)))
        let seen = try sighting()
        while try sighting() == seen { try #require(old.beat()) }
        #expect(try supersede(seen) == nil)
        #expect(old.isInPlace)
        #expect(try epoch() == 1)
        try old.begin(test.range(1, 2))
    }

    @Test("goes to one of many who supersede the same holder at once, each in a process of its own in all but name")
    func manySuperseders() async throws {
        let old = try acquire()
        let seen = try sighting()
        let spools = try (0..<16).map { _ in try Spool(path: path) }
        let start = Gate()
        let leases = Monitor<[UploadLease]>([])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for spool in spools {
                group.addTask {
                    start.pass()
                    if let lease = try supersede(seen, by: spool) { leases.withLock { $0.append(lease) } }
                }
            }
            #expect(start.waitForArrivals(16))
            start.open()
            try await group.waitForAll()
        }
        let winners = leases.withLock { $0 }
        #expect(winners.count == 1)
        #expect(try epoch() == 2)
        #expect(winners.first?.isInPlace == true)
        #expect(!FileManager.default.fileExists(atPath: path + "-uploader-next"))
        withExtendedLifetime(old) {}
    }

    @Test("is no lease for whoever opened the old file before, and locked it when its holder had ended")
    func openedBefore() throws {
        var old: UploadLease? = try acquire()
        let opened = try LeaseFile.inPlace(ofSpool: path)
        let new = try #require(try UploadLease.takeOver(test.spool))
        #expect(old != nil)
        old = nil
        #expect(try opened.lock())
        #expect(try UploadLease.claim(opened, of: test.spool, lapse: .seconds(30)) == nil)
        #expect(new.isInPlace)
        #expect(try epoch() == 2)
        try new.begin(test.range(1, 2))
    }

    @Test(
        "can be taken after a process that died between the new file and the new epoch, and fences the old holder then"
    )
    func diedInBetween() throws {
        let old = try acquire()
        do {
            let note = LeaseNote(processID: 1, host: "h", beat: LeaseNote.Beat(epoch: 2, number: 0, interval: 100))
            _ = try LeaseFile.replacement(ofSpool: path, note: note)
        }
        #expect(try epoch() == 1)
        #expect(!old.beat(), "it can know")
        try old.begin(test.range(1, 2))
        let new = try acquire()
        #expect(try epoch() == 2)
        #expect(spoolError { try old.begin(test.range(3, 4)) }?.kind == .superseded)
        #expect(new.isInPlace)
    }

    @Test("is not half taken where the spool can not be written: the file is free, and the next one has it")
    func failedCommit() throws {
        let old = try acquire()
        try test.execute(
            """
            CREATE TRIGGER full BEFORE UPDATE ON counters WHEN new.name = 'lease_epoch'
            BEGIN SELECT raise(ABORT, 'disk full'); END
            """
        )
        #expect(spoolError { _ = try UploadLease.takeOver(test.spool) } != nil)
        #expect(try epoch() == 1)
        #expect(UploadLease.holder(spool: path) == nil)
        try test.execute("DROP TRIGGER full")
        let new = try acquire()
        #expect(spoolError { try old.begin(test.range(1, 2)) }?.kind == .superseded)
        try new.begin(test.range(1, 2))
    }

    @Test("is lost by who lets others have it by the removal of its file, and two do not upload")
    func removedFile() throws {
        let old = try acquire()
        try FileManager.default.removeItem(atPath: path + "-uploader")
        #expect(!old.beat())
        let new = try acquire()
        #expect(spoolError { try old.begin(test.range(1, 2)) }?.kind == .superseded)
        try new.begin(test.range(1, 2))
    }

    @Test("is not taken from a holder of an earlier version, which would not know it")
    func earlierVersion() throws {
        let file = try LeaseFile.inPlace(ofSpool: path)
        #expect(try file.lock())
        file.write(LeaseNote(processID: 42, host: "host", beat: nil), isFirst: true)
        #expect(try UploadLease.takeOver(test.spool) == nil)
        #expect(UploadLease.holder(spool: path) == UploadLease.Holder(processID: 42, host: "host"))
        #expect(try epoch() == 0)
    }

    @Test("puts a file in place of what a process left that died, be it a link to a file of someone else's")
    func leftOver() throws {
        let target = test.directory.file("target")
        try Data("precious".utf8).write(to: URL(fileURLWithPath: target))
        try FileManager.default.createSymbolicLink(atPath: path + "-uploader-next", withDestinationPath: target)
        let old = try acquire()
        let new = try #require(try UploadLease.takeOver(test.spool))
        #expect(new.isInPlace)
        #expect(try mode(path + "-uploader") == 0o600)
        #expect(try String(contentsOfFile: target, encoding: .utf8) == "precious")
        withExtendedLifetime(old) {}
    }

    // MARK: Those who stand by

    @Test("is found free, and after the lapse of a silent holder taken, by who seeks it")
    func seeker() throws {
        let clock = Monitor<Int64>(0)
        var seeker = LeaseSeeker(spool: test.spool, lapse: .seconds(4)) { clock.withLock { $0 } }
        var free = try seeker.seek()
        #expect(free != nil)
        free = nil

        let old = try acquire()
        // By its own word it beats every three seconds: twelve are to be waited for.
        for _ in 0..<12 {
            let lease = try seeker.seek()
            #expect(lease == nil)
            clock.withLock { $0 += 1_000 }
        }
        let new = try seeker.seek()
        #expect(new?.beat() == true && !old.beat())
    }

    @Test("goes to the next within a second when its holder is killed, and to one of many")
    func killed() async throws {
        let holder = try exerciser("hold", path)
        try holder.waitForOutput { $0 == "held\n" }
        let leases = Monitor<[UploadLease]>([])
        let looks = Monitor(0)
        async let seekers: [Void] = onThreads(8) { number in
            let spool = try Spool(path: path)
            var seeker = LeaseSeeker(spool: spool)
            while leases.withLock({ $0.isEmpty }) {
                if let lease = try seeker.seek() { leases.withLock { $0.append(lease) } }
                looks.withLock { $0 += 1 }
                #expect(seeker.pause(chance: Double(number) / 8) <= 1_000)
                usleep(2_000)
            }
        }
        #expect(looks.wait(within: patience) { $0 >= 40 ? true : nil } == true)
        #expect(leases.withLock { $0.isEmpty })
        holder.kill(SIGKILL)
        _ = try holder.wait()
        _ = try await seekers
        #expect(leases.withLock { $0.count } == 1)
        #expect(UploadLease.holder(spool: path)?.processID == getpid())
        #expect(try epoch() == 2)
    }
}
