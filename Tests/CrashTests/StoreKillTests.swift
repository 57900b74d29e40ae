#if os(Linux)
import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Synchronization
import Testing

/// What a process leaves to others lies in files, which change by system calls alone, and in the index of SQLite's log, which
/// they share by memory. So where a process is killed between two calls, it is killed after one of the steps that changed the
/// index, and ``KillPointTests`` has the rest. Somebody else has the spool open all the while: else the index is made anew by
/// whoever comes next.
///
/// An ordinary run takes some of these steps; `KILL_POINTS=all` takes every one.
@Suite("Killed between two system calls", .serialized)
struct StoreKillTests {
    private static let records = 9
    private static let takesAll = ProcessInfo.processInfo.environment["KILL_POINTS"] == "all"
    private static let someSteps = 8

    /// What the one who lives on does first.
    private enum Next: CaseIterable {
        case append, copy, read
        /// Nothing: another process opens the spool now, and copies the log.
        case join
    }

    @Test(
        "a writer that commits, copies the log and begins it anew loses nothing, and harms nobody who lives on",
        .disabled(if: Sanitizer.isThread, "a program with ThreadSanitizer has a second thread")
    )
    func writer() async throws {
        let watched = try await onOwnThread { try Self.trial(StorePoint(), .append).run }
        let counted = try await onOwnThread {
            try Self.trial(StorePoint(after: Array(watched.counts.keys)), .append).run
        }
        // In each commit: two copies of the head of the index, and what it has of a frame.
        #expect(counted.total > Self.records * 6)

        var random = SeededGenerator(seed: 5)
        func points(_ counts: [Int: Int]) -> [StorePoint] {
            counts.sorted { $0.key < $1.key }.flatMap { call, count in
                (1...count).map { StorePoint(after: [call], number: $0) }
            }
        }
        // The log is begun anew in few steps, of which there are as many each time: of each length, the steps after one call.
        let short = counted.counts.filter { $0.value < 10 }.sorted { $0.key < $1.key }
        let oneOfEach = points(
            Dictionary(short.map { ($0.value, $0.key) }) { $1 }.reduce(into: [:]) { $0[$1.value] = $1.key }
        )
        let some = points(counted.counts).shuffled(using: &random).prefix(Self.someSteps)
        let chosen =
            (Self.takesAll ? points(counted.counts) : oneOfEach).flatMap { point in Next.allCases.map { (point, $0) } }
            + zip(some, Next.allCases + Next.allCases)
        let state = Monitor((next: 0, kills: 0, halves: 0))
        @Sendable func takePoint() -> (StorePoint, Next)? {
            state.withLock { state in
                state.next += 1
                return state.next <= chosen.count ? chosen[state.next - 1] : nil
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    try await onOwnThread {
                        while let (point, next) = takePoint() {
                            let (run, isHalfBegun) = try Self.trial(point, next)
                            state.withLock { state in
                                if run.wasKilled { state.kills += 1 }
                                if isHalfBegun { state.halves += 1 }
                            }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let (_, kills, halves) = state.withLock { $0 }
        #expect(kills > chosen.count * 3 / 4)
        #expect(halves > 0, "no writer was killed while it began the log anew")
        print("killed after \(kills) of \(chosen.count) steps that changed the index; the log half begun: \(halves)")
    }

    /// - Returns: the run, and whether it left a log that is said to be empty, and copied nevertheless.
    private static func trial(_ point: StorePoint, _ next: Next) throws -> (run: TracedRun, isHalfBegun: Bool) {
        let bed = try TestBed()
        let spool = try Spool(path: bed.spool)
        let stream = try spool.streamID(for: TestBed.stream)
        let maintenance = try SpoolMaintenance(spool: spool, reader: SpoolReader(path: bed.spool))
        let message = [UInt8](repeating: UInt8(ascii: "o"), count: 3_000)
        var mine: [Int64] = []
        func append(_ count: Int) throws {
            for _ in 0..<count {
                mine.append(
                    try message.withUnsafeBufferPointer { message throws(SpoolError) in
                        try spool.append(stream: stream, timestamp: 1, message: message)
                    }
                )
            }
        }
        try append(20)
        try maintenance.whileFull()

        let exerciser = try BuiltProducts.executable("logbeam-spool-exerciser")
        let command = try point.command(sharing: bed.spool + "-shm") + [exerciser, "renew", bed.spool, "\(records)"]
        let victim = try ChildProcess(command[0], Array(command.dropFirst()), environment: bed.environment)
        let run = try TracedRun(victim)
        let theirs = victim.text().split(separator: "\n").compactMap { Int64($0) }
        if !run.wasKilled { #expect(theirs.count == records) }
        let isHalfBegun = try isHalfBegun(bed.spool + "-shm")

        func look(_ when: String) throws {
            let found = try bed.query("SELECT id FROM records").compactMap { Int64($0) }
            #expect(Set(mine + theirs).subtracting(found).isEmpty, "lost: \(point), \(next), \(when)")
            #expect(found.count <= mine.count + theirs.count + 1, "\(point), \(next), \(when)")
            #expect(try bed.query("PRAGMA integrity_check") == ["ok"], "\(point), \(next), \(when)")
        }
        switch next {
        case .append: try append(3)
        case .copy: try maintenance.whileFull()
        case .read: try look("at once")
        case .join:
            let compact = try ChildProcess(
                BuiltProducts.executable("logbeam-spool"),
                ["compact", "--spool", bed.spool],
                environment: bed.environment
            )
            #expect(try compact.wait().exitCode == 0, "\(compact.text(.standardError)): \(point)")
        }
        try append(30)
        try look("after more records")
        try maintenance.whileFull()
        try append(1)
        try look("after the log was copied")
        return (run, isHalfBegun)
    }

    /// By the first header of the index: frames that are copied, and none that are there
    /// (https://www.sqlite.org/walformat.html#the_wal_index_file_format).
    private static func isHalfBegun(_ index: String) throws -> Bool {
        // By another process: to close the file in this one lets go of the locks that SQLite has on it.
        let reader = try ChildProcess("/usr/bin/od", ["-An", "-v", "-tu4", "-N100", index])
        #expect(try reader.wait().exitCode == 0)
        let words = reader.text().split { $0 == " " || $0 == "\n" }.compactMap { UInt32($0) }
        try #require(words.count == 25)
        return words[24] > words[4]
    }
}
#endif
