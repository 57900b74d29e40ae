#if os(Linux)
import Foundation
import LogbeamSpool
import LogbeamTestSupport
import Synchronization
import Testing

/// A short life of a service, and one of a drain, that are killed at one system call in each run.
///
/// An ordinary run takes some of the calls of each kind; `KILL_POINTS=all` takes every one.
@Suite("Killed at a system call", .serialized)
struct KillPointTests {
    private static let threads = 2
    /// Small batches on two ways, and rests in which the log is emptied.
    private static let settings = [
        "BUFFER_MS": "1", "BATCH_COUNT": "5", "PAUSE_US": "3000", "STREAMS": "2", "EXIT_FLUSH_MS": "60000",
    ]
    private static let streams = ["stream", "stream-2"]

    @Test(
        "a service loses nothing that it had logged, and sends nothing twice but what is in doubt",
        arguments: [false, true]
    )
    func service(usesJournal: Bool) async throws {
        try await Sweep(seed: 1, must: ["pwrite64", "link", "unlink", "fsync", "fdatasync", "fcntl", "sendto"]) {
            point throws in
            let bed = try TestBed()
            let service = try bed.startService(
                logging: 24,
                threads: Self.threads,
                settings: Self.settings.merging(usesJournal ? ["JOURNAL": "1"] : [:]) { $1 },
                killedAt: point
            )
            let run = try TracedRun(service)
            let logged = TestBed.logged(by: service)
            guard bed.hasSpool else {
                #expect(logged.isEmpty, "\(point)")
                return run
            }
            if usesJournal { #expect(try SpoolStatus.read(path: bed.spool).journals == [], "\(point)") }
            try Self.finish(bed, logged: logged, unreported: run.wasKilled ? Self.threads : 0, point)
            return run
        }.run()
    }

    @Test("a drain loses nothing either, and the next one ends its work")
    func drain() async throws {
        let (origin, logged) = try await leftBehind()
        try await Sweep(seed: 2, must: ["pwrite64", "ftruncate", "unlink", "fdatasync", "fcntl", "sendto"]) {
            point throws in
            let bed = try TestBed()
            try bed.copySpool(of: origin)
            let run = try TracedRun(bed.startDrain(killedAt: point))
            try Self.finish(bed, logged: logged, unreported: 0, point)
            return run
        }.run()
    }

    @Test("a drain that takes in the journals of dead processes takes each record once, and the next one ends its work")
    func journals() async throws {
        let origin = try TestBed()
        let logged = try await onOwnThread {
            let services = try (1...2).map { _ in try origin.startExerciser("stage", 40) }
            for service in services { try service.waitForLines(40) }
            for service in services { service.closeInput() }
            for service in services { #expect(try service.wait().signal == SIGKILL) }
            return services.flatMap { $0.text().split(separator: "\n").map(String.init) }
        }
        #expect(logged.count == 80)
        #expect(try origin.journals().count == 2)
        try await Sweep(seed: 4, must: ["pwrite64", "unlink", "fdatasync", "fcntl", "sendto"]) { point throws in
            let bed = try TestBed()
            try bed.copySpool(of: origin)
            let run = try TracedRun(bed.startDrain(killedAt: point))
            // The journals are in the spool before anything is looked at, or the numbers would not be those of one history.
            #expect(try SpoolStatus.read(path: bed.spool).journals == [], "\(point)")
            try Self.finish(bed, logged: logged, unreported: 0, point)
            #expect(try bed.journals() == [], "\(point)")
            #expect(try bed.query("SELECT name FROM counters WHERE name LIKE 'journal%'").isEmpty, "\(point)")
            return run
        }.run()
    }

    @Test("a drain into a file loses nothing, and the next one adds the rest; at most one batch is there twice")
    func drainIntoFile() async throws {
        let (origin, logged) = try await leftBehind()
        try await Sweep(seed: 3, must: ["pwrite64", "ftruncate", "unlink", "write", "fsync", "fcntl"]) { point throws in
            let bed = try TestBed()
            try bed.copySpool(of: origin)
            let file = bed.path + "/records.jsonl"
            let run = try TracedRun(bed.startDrain(["--to", file], killedAt: point))
            let next = try bed.startDrain(["--to", file])
            #expect(try next.wait().exitCode == 0, "\(next.text(.standardError)): \(point)")
            #expect(try bed.query("SELECT 1 FROM records UNION ALL SELECT 1 FROM deliveries").isEmpty, "\(point)")

            let text = try String(contentsOfFile: file, encoding: .utf8)
            #expect(text.hasSuffix("\n"))
            let lines = try text.split(separator: "\n").map {
                try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String], "\($0): \(point)")
            }
            // A stream has so few records that they are one batch.
            let counts = lines.reduce(into: [:]) { $0[$1["message"] ?? "", default: 0] += 1 }
            #expect(Set(counts.keys) == Set(logged), "\(point)")
            #expect(counts.allSatisfy { $1 <= 2 }, "\(point)")
            #expect(
                Set(lines.filter { counts[$0["message"] ?? ""] == 2 }.map { $0["log_stream"] }).count <= 1,
                "\(point)"
            )
            #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
            return run
        }.run()
    }

    /// A spool as one service left it for all, and what that had logged.
    private func leftBehind() async throws -> (TestBed, [String]) {
        let origin = try TestBed()
        return try await onOwnThread {
            let settings = Self.settings.merging(TestBed.cutOff) { $1 }
            let service = try origin.startService(logging: 24, threads: Self.threads, settings: settings)
            #expect(try service.wait().exitCode == 0)
            return (origin, TestBed.logged(by: service))
        }
    }

    /// Looks at what was left, has it drained, and counts.
    ///
    /// - Parameter unreported: how many records may be there of which nobody was told.
    private static func finish(_ bed: TestBed, logged: [String], unreported: Int, _ point: KillPoint) throws {
        #expect(try bed.query("PRAGMA integrity_check") == ["ok"], "\(point)")
        let inDoubt = Set(try bed.inDoubt())
        #expect(try bed.deliveries().count { !$0.isAcknowledged } <= 2, "\(point)")
        try bed.drain()
        #expect(try bed.query("PRAGMA integrity_check") == ["ok"], "\(point)")
        #expect(try bed.query("SELECT 1 FROM records UNION ALL SELECT 1 FROM deliveries").isEmpty, "\(point)")

        let counts = streams.flatMap { bed.shipped(to: $0) }.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        #expect(Set(logged).subtracting(counts.keys).isEmpty, "logged, and never arrived: \(point)")
        #expect(Set(counts.keys).subtracting(logged).count <= unreported, "arrived, and never logged: \(point)")
        #expect(counts.filter { $1 > (inDoubt.contains($0) ? 2 : 1) }.isEmpty, "arrived too often: \(point)")
        #expect(try bed.query("SELECT value FROM counters WHERE name = 'delivered'") == ["\(counts.count)"], "\(point)")
        #expect(bed.endpoint.records.refusals.isEmpty, "\(point)")
    }
}

/// Goes through the system calls of a program.
private struct Sweep: Sendable {
    let seed: UInt64
    /// The kinds of calls that the program makes for sure, or the sweep would show little.
    let must: Set<String>
    /// Runs the program, and looks what became of its work.
    let trial: @Sendable (KillPoint) throws -> TracedRun

    private static let takesAll = ProcessInfo.processInfo.environment["KILL_POINTS"] == "all"
    /// How many calls of each kind an ordinary run takes, and how many of all.
    private static let calls = 5
    private static let anyCalls = 20
    /// The threads of a program do not run alike each time: so often it ends by itself before all of its calls were taken.
    private static let ends = 5

    func run() async throws {
        let whole = try await onOwnThread { try trial(KillPoint(number: 0)) }
        let kinds = (SystemCall.files + SystemCall.others).filter { whole.count($0) > 0 }
        #expect(must.subtracting(kinds.map(\.name)).isEmpty)

        var random = SeededGenerator(seed: seed)
        let some =
            kinds.flatMap { kind in
                let stride = Swift.max(1, whole.count(kind) / Self.calls)
                return Swift.stride(from: 1, through: whole.count(kind), by: stride).map {
                    KillPoint([kind], number: min(whole.count(kind), $0 + .random(in: 0..<stride, using: &random)))
                }
            } + (0..<Self.anyCalls).map { _ in KillPoint(number: .random(in: 1...whole.total, using: &random)) }

        let state = Monitor((next: 0, kills: 0, ends: 0))
        @Sendable func takePoint() -> KillPoint? {
            state.withLock { state in
                state.next += 1
                if Self.takesAll {
                    // Some runs are shorter than the first one, by a third where there is a journal: they end none of this.
                    let isTaken = state.next <= whole.total || state.ends < Self.ends
                    return isTaken ? KillPoint(number: state.next) : nil
                }
                return state.next <= some.count ? some[state.next - 1] : nil
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    try await onOwnThread {
                        while let point = takePoint() {
                            let wasKilled = try trial(point).wasKilled
                            state.withLock { if wasKilled { $0.kills += 1 } else { $0.ends += 1 } }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let kills = state.withLock { $0.kills }
        #expect(kills > (Self.takesAll ? whole.total * 3 / 4 : some.count / 2))
        print("killed at \(kills) system calls of about \(whole.total)")
    }
}

extension TestBed {
    /// With what stands in the log alone. The index of the log is of no account.
    func copySpool(of other: TestBed) throws {
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: other.spool + suffix) {
            try FileManager.default.copyItem(atPath: other.spool + suffix, toPath: spool + suffix)
        }
        for name in try other.journals() {
            try FileManager.default.copyItem(atPath: other.path + "/" + name, toPath: path + "/" + name)
        }
    }
}
#endif
