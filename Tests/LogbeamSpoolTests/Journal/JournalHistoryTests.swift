import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// Random histories: records of all lengths, a spool that takes nothing for a while, files that are deleted, processes that
/// die, at any of these moments. In the end each record is there once, and in its place.
@Suite("A journal keeps its promises in random histories", .onOwnThreads)
struct JournalHistoryTests {
    private static let seeds = Int(ProcessInfo.processInfo.environment["JOURNAL_SEEDS"] ?? "") ?? 60

    @Test("in many of them, or more on demand")
    func histories() async throws {
        let next = Monitor(0)
        _ = try await onThreads(4) { _ in
            while let seed = next.withLock({ next in
                next += 1
                return next <= Self.seeds ? next : nil
            }) {
                try Self.run(seed: UInt64(seed))
            }
        }
    }

    private static func run(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let live = try LiveFixture(commitTimeout: .milliseconds(2))
        let other = try Connection(path: live.path, mode: .readWrite)
        var isBusy = false
        var journal = try Journal(spool: live.spool)
        var logged: [String] = []
        // Those that are short leave many frames behind; those that are long fill a region soon.
        let longest = [10, 2_000, 65_536].randomElement(using: &random) ?? 10
        for _ in 0..<Int.random(in: 5...60, using: &random) {
            switch Int.random(in: 0..<12, using: &random) {
            case 0 where !isBusy:
                try other.execute("BEGIN IMMEDIATE")
                isBusy = true
            case 0, 1:
                if isBusy { try other.execute("COMMIT") }
                isBusy = false
            case 2, 3:
                _ = try? journal.move(ignoresPause: true)
            case 4:
                unlink(journal.path)
                journal.renewFileIfGone(interval: 0)
            case 5:
                // The process dies: nothing says so to its journal.
                journal = try Journal(spool: live.spool)
            case 6 where !isBusy:
                try live.spool.current.spool.takeInJournals()
            case 7:
                journal.close()
                journal = try Journal(spool: live.spool)
            default:
                for _ in 0..<Int.random(in: 1...40, using: &random) {
                    let padding = String(repeating: "x", count: .random(in: 0...longest, using: &random))
                    let text = "\(logged.count) \(padding)"
                    let stream = Bool.random(using: &random) ? live.stream : live.other
                    if (try? live.stage(text, in: journal, to: stream)) == true { logged.append(text) }
                }
            }
        }
        if isBusy { try other.execute("COMMIT") }
        journal.close()
        _ = try Spool(path: live.path)
        let pending = try live.pending()
        #expect(pending.count == logged.count && Set(pending) == Set(logged), "seed \(seed)")
        #expect(live.journals == [], "seed \(seed)")
        #expect(try live.notes() == [], "seed \(seed)")
    }
}
