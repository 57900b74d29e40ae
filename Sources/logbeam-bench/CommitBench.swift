import CSQLite
import Foundation
import Logbeam
import LogbeamSpool
import LogbeamTestSupport
import Synchronization

/// How long calls took, and how many there were in a second.
struct CommitFigures: Codable {
    var p50Microseconds: Double
    var p99Microseconds: Double
    var p999Microseconds: Double
    /// Of the committing threads alone: what other programs on the machine disturb least.
    var cpuMicrosecondsPerRecord: Double
    var recordsPerSecond: Double

    /// Figure by figure.
    func combined(with other: CommitFigures, by combine: (Double, Double) -> Double) -> CommitFigures {
        CommitFigures(
            p50Microseconds: combine(p50Microseconds, other.p50Microseconds),
            p99Microseconds: combine(p99Microseconds, other.p99Microseconds),
            p999Microseconds: combine(p999Microseconds, other.p999Microseconds),
            cpuMicrosecondsPerRecord: combine(cpuMicrosecondsPerRecord, other.cpuMicrosecondsPerRecord),
            recordsPerSecond: combine(recordsPerSecond, other.recordsPerSecond)
        )
    }

    /// The median of each figure by itself.
    static func median(of rounds: some Collection<CommitFigures>) -> CommitFigures {
        CommitFigures(
            p50Microseconds: rounds.map(\.p50Microseconds).median,
            p99Microseconds: rounds.map(\.p99Microseconds).median,
            p999Microseconds: rounds.map(\.p999Microseconds).median,
            cpuMicrosecondsPerRecord: rounds.map(\.cpuMicrosecondsPerRecord).median,
            recordsPerSecond: rounds.map(\.recordsPerSecond).median
        )
    }
}

/// `log()` beside the same number of bare commits, in rounds that take turns so that what drifts meets both alike.
struct CommitComparison: Codable {
    var threads: Int
    var rounds: Int
    var recordsPerRound: Int
    var log: CommitFigures
    var bareCommit: CommitFigures
    /// `log` by `bareCommit`, the median of the ratios of the rounds.
    var ratio: CommitFigures
    /// The records a second of `log` by those of one thread of bare commits, the median of the ratios of the rounds.
    var rateByOneThread: Double
    /// What two cores give together: the records a second of two threads of bare commits, each into a file of its own, by
    /// those of one, the median of the ratios of the rounds.
    var twoFilesByOneThread: Double
    /// `log` while the uploader ships what is logged, in rounds that are so long that several batches are sent in each.
    var logWhileShipping: CommitFigures
    /// `log` into a journal, which another thread moves into the spool meanwhile.
    var journal: CommitFigures
    /// The settings of SQLite, read from the connection of the bare commits.
    var settings: String
}

struct CommitBench {
    var directory: TemporaryDirectory
    var lines: SampleLines
    var rounds: Int
    /// At somewhat more than a page of the write-ahead log a commit, so many stay below the 8,192 pages at which, with the
    /// spool's default limit, a commit runs a checkpoint itself where no uploader does.
    var recordsPerRound: Int

    /// Of what shares commits: threads that do write fewer pages. A round of 32 threads with as many as one has would be over
    /// after 15 ms, and a good part of it go by until all of them are at work.
    private func sharedRecordsPerRound(threads: Int) -> Int {
        recordsPerRound * (threads < 8 ? 1 : threads < 32 ? 2 : 3)
    }

    func run(threads: Int) async throws -> CommitComparison {
        func path(_ name: String) -> String { directory.file("\(name)-\(threads).db") }
        let log = try LoggingCommitter(path: path("log"), lines: lines, isShipping: false)
        let bare = try BareCommitter(path: path("bare"), lines: lines, threads: threads)
        let oneThread = try BareCommitter(path: path("one"), lines: lines, threads: 1)
        let twoFiles = try ["first", "second"].map { try BareCommitter(path: path($0), lines: lines, threads: 1) }
        let sharedRecords = sharedRecordsPerRound(threads: threads)
        let compared: [(committer: any Committer, threads: Int, records: Int)] = [
            (log, threads, sharedRecords), (bare, threads, recordsPerRound), (oneThread, 1, recordsPerRound),
        ]
        var figures: [String: [CommitFigures]] = [:]
        var ratesOfTwoFiles: [Double] = []
        // The first round fills caches and is thrown away.
        for round in 0...rounds {
            // Now the one goes first, now the other.
            for (committer, threads, records) in round % 2 == 0 ? compared : compared.reversed() {
                let measured = try measure(committer, threads: threads, records: records)
                if round > 0 { figures[committer.path, default: []].append(measured) }
            }
            let rateOfTwoFiles = try rate(of: twoFiles)
            if round > 0 { ratesOfTwoFiles.append(rateOfTwoFiles) }
        }
        await log.end()
        // Both have threads of their own, which go on when a round is over: not what the others are to meet.
        let journal = try LoggingCommitter(path: path("journal"), lines: lines, isShipping: false) {
            $0.usesJournal = true
        }
        let intoJournal = try measureAlone(journal, threads: threads, records: sharedRecords)
        await journal.end()
        // Its uploader copies the log, so more records go into a round. With as few as in the others' most rounds would have
        // ended before a batch is sent.
        let shipping = try LoggingCommitter(path: path("shipping"), lines: lines, isShipping: true)
        let whileShipping = try measureAlone(shipping, threads: threads, records: 10 * recordsPerRound)
        await shipping.end()
        func all(_ committer: some Committer) -> [CommitFigures] { figures[committer.path] ?? [] }
        return CommitComparison(
            threads: threads,
            rounds: rounds,
            recordsPerRound: recordsPerRound,
            log: .median(of: all(log)),
            bareCommit: .median(of: all(bare)),
            ratio: .median(of: zip(all(log), all(bare)).map { $0.combined(with: $1, by: /) }),
            rateByOneThread: zip(all(log), all(oneThread)).map { $0.recordsPerSecond / $1.recordsPerSecond }
                .median,
            twoFilesByOneThread: zip(ratesOfTwoFiles, all(oneThread)).map { $0 / $1.recordsPerSecond }.median,
            logWhileShipping: whileShipping,
            journal: intoJournal,
            settings: bare.settings
        )
    }

    /// All rounds of one that is compared with nothing.
    private func measureAlone(_ committer: some Committer, threads: Int, records: Int) throws -> CommitFigures {
        let all = try (0...rounds).map { _ in try measure(committer, threads: threads, records: records) }
        return .median(of: all.suffix(rounds))
    }

    /// One round.
    func measure(_ committer: some Committer, threads: Int, records: Int? = nil) throws -> CommitFigures {
        try restartLog(committer.path)
        // The first commit of a log that was restarted syncs its header: not what is measured.
        committer.commit(0)
        let calls = try Calls.make(threads: threads, count: records ?? recordsPerRound) { committer.commit($0) }
        let percentile = Percentiles(calls)
        return CommitFigures(
            p50Microseconds: percentile(0.5),
            p99Microseconds: percentile(0.99),
            p999Microseconds: percentile(0.999),
            cpuMicrosecondsPerRecord: Double(calls.cpuTime) / 1000 / Double(calls.count),
            recordsPerSecond: Double(calls.count) / calls.seconds
        )
    }

    /// The records a second of all committers together, each of which has a thread of its own.
    private func rate(of committers: [BareCommitter]) throws -> Double {
        let rates = Mutex<[Result<Double, any Error>]>([])
        for committer in committers {
            try restartLog(committer.path)
            committer.commit(0)
        }
        DispatchQueue.concurrentPerform(iterations: committers.count) { index in
            let rate = Result {
                let calls = try Calls.make(threads: 1, count: recordsPerRound) { committers[index].commit($0) }
                return Double(calls.count) / calls.seconds
            }
            rates.withLock { $0.append(rate) }
        }
        return try rates.withLock { $0 }.reduce(0) { try $0 + $1.get() }
    }

    /// Copies the write-ahead log into the file, so that the next commit starts it anew: the uploader's task otherwise.
    private func restartLog(_ path: String) throws {
        var pages: Int32 = -1
        var connection: OpaquePointer?
        defer { sqlite3_close_v2(connection) }
        guard sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE, nil) == SQLITE_OK,
            sqlite3_busy_timeout(connection, 10_000) == SQLITE_OK,
            // A connection that has read nothing knows no log, and its checkpoints do nothing.
            sqlite3_exec(connection, "PRAGMA schema_version", nil, nil, nil) == SQLITE_OK
        else { throw BenchError("can not open \(path): \(String(cString: sqlite3_errmsg(connection)))") }
        let deadline = ContinuousClock.now + .seconds(10)
        var code: Int32
        repeat {
            code = sqlite3_wal_checkpoint_v2(connection, nil, SQLITE_CHECKPOINT_RESTART, &pages, nil)
            // For the end of another one SQLite does not wait.
        } while code == SQLITE_BUSY && ContinuousClock.now < deadline
        guard code == SQLITE_OK, pages >= 0
        else { throw BenchError("no checkpoint of \(path): \(String(cString: sqlite3_errmsg(connection)))") }
    }
}

extension [Double] {
    var median: Double {
        let sorted = sorted()
        return isEmpty ? 0 : (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }
}
