import Logbeam
import LogbeamTestSupport
import Logging

/// What `log()` costs at a level of durability, or a bare commit that SQLite syncs.
struct DurabilityFigures: Codable {
    var name: String
    var threads: Int
    var commits: CommitFigures
}

/// The levels of durability beside each other, in rounds that take turns.
struct DurabilityBench {
    /// One record in so many is an error. More than a hundred: so p99 is what a record costs that does not wait for the
    /// disk, and p99.9 what one costs that does.
    static let errorEvery = 200

    var directory: TemporaryDirectory
    var lines: SampleLines
    var rounds: Int
    var recordsPerRound: Int

    func run(threads: Int) async throws -> [DurabilityFigures] {
        let levels: [(name: String, durability: LogShipper.Configuration.Durability, usesJournal: Bool)] = [
            (".processCrash, journal", .processCrash, true), (".processCrash", .processCrash, false),
            (".powerLoss(from: .error), journal", .powerLoss(from: .error), true),
            (".powerLoss(from: .error)", .powerLoss(from: .error), false), (".powerLoss", .powerLoss, false),
        ]
        func path(_ name: some CustomStringConvertible) -> String { directory.file("durability-\(name)-\(threads).db") }
        let loggers = try levels.enumerated().map { index, level in
            try LoggingCommitter(
                path: path(index),
                lines: lines,
                isShipping: false,
                errorEvery: Self.errorEvery
            ) { ($0.durability, $0.usesJournal) = (level.durability, level.usesJournal) }
        }
        let bare = try BareCommitter(path: path("bare"), lines: lines, threads: threads, powerLossSafe: true)
        let committers = zip(levels.map(\.name), loggers as [any Committer]) + [("bare commit, synchronous=FULL", bare)]
        let bench = CommitBench(directory: directory, lines: lines, rounds: rounds, recordsPerRound: recordsPerRound)
        var figures: [[CommitFigures]] = committers.map { _ in [] }
        // The first round fills caches and is thrown away.
        for round in 0...rounds {
            for (index, committer) in committers.enumerated() {
                let measured = try bench.measure(committer.1, threads: threads)
                if round > 0 { figures[index].append(measured) }
            }
        }
        for logger in loggers { await logger.end() }
        return zip(committers, figures).map {
            DurabilityFigures(name: $0.0, threads: threads, commits: .median(of: $1))
        }
    }
}
