import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport

/// How fast records went into a spool, many in a transaction.
struct AppendFigures: Codable {
    var records: Int
    var recordsPerTransaction: Int
    var recordsPerSecond: Double

    /// The median, of runs with as many records.
    static func median(of runs: [AppendFigures]) -> AppendFigures {
        AppendFigures(
            records: runs.first?.records ?? 0,
            recordsPerTransaction: runs.first?.recordsPerTransaction ?? 0,
            recordsPerSecond: runs.map(\.recordsPerSecond).median
        )
    }
}

/// What it cost a process to ship what was pending.
struct DrainFigures: Codable {
    var records: Int
    var recordsPerSecond: Double
    /// From the start of the process to its end.
    var seconds: Double
    /// In user mode and in the kernel together, of the draining process alone.
    var cpuSeconds: Double
    var peakMemoryBytes: Int
    var requests: Int
    /// The bodies of the requests, as they went over the wire.
    var bodyBytes: Int

    /// The median of each figure by itself, of runs with as many records.
    static func median(of runs: [DrainFigures]) -> DrainFigures {
        DrainFigures(
            records: runs.first?.records ?? 0,
            recordsPerSecond: runs.map(\.recordsPerSecond).median,
            seconds: runs.map(\.seconds).median,
            cpuSeconds: runs.map(\.cpuSeconds).median,
            peakMemoryBytes: Int(runs.map { Double($0.peakMemoryBytes) }.median),
            requests: Int(runs.map { Double($0.requests) }.median),
            bodyBytes: Int(runs.map { Double($0.bodyBytes) }.median)
        )
    }
}

struct DrainBench {
    var directory: TemporaryDirectory
    var lines: SampleLines

    static let destination = Destination(logGroup: "bench", logStream: "bench")
    /// All that a shipping process knows.
    static let environment = [
        "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark",
    ]
    private static let recordsPerTransaction = 1_000

    /// Fills a spool, and lets `logbeam-spool drain` ship it to a sink in this process.
    func run(records: Int) throws -> (append: AppendFigures, drain: DrainFigures) {
        let spool = directory.file("drain-\(records).db")
        defer { Self.removeSpool(spool) }
        let append = try fill(spool, records: records)
        return (append, try drain(spool, records: records))
    }

    static func removeSpool(_ path: String) {
        for suffix in ["", "-wal", "-shm", "-uploader"] { unlink(path + suffix) }
    }

    /// Makes a spool with so many records. The disk has them when this returns: to write them is no part of what comes next.
    func fill(_ path: String, records: Int) throws -> AppendFigures {
        let spool = try Spool(path: path)
        let stream = try spool.streamID(for: Self.destination)
        let begin = MonotonicClock.nanoseconds()
        for start in stride(from: 0, to: records, by: Self.recordsPerTransaction) {
            let numbers = start..<min(start + Self.recordsPerTransaction, records)
            _ = try lines.withMessages(numbers) { messages in
                let time = WallClock.milliseconds()
                return try spool.append(messages.map { NewRecord(stream: stream, timestamp: time, message: $0) })
            }
        }
        let seconds = secondsSince(begin)
        for file in [path, path + "-wal"] {
            let descriptor = open(file, O_RDONLY | O_CLOEXEC)
            fsync(descriptor)
            close(descriptor)
        }
        return AppendFigures(
            records: records,
            recordsPerTransaction: Self.recordsPerTransaction,
            recordsPerSecond: Double(records) / seconds
        )
    }

    private func drain(_ path: String, records: Int) throws -> DrainFigures {
        let sink = try CountingSink()
        let command = [
            try BuiltProducts.executable("logbeam-spool"), "drain", "--spool", path, "--endpoint-url", sink.url,
        ]
        let cost = try Cost.ofShipping(path, records: records, command)
        return DrainFigures(
            records: records,
            recordsPerSecond: Double(records) / cost.seconds,
            seconds: cost.seconds,
            cpuSeconds: cost.cpuSeconds,
            peakMemoryBytes: cost.peakMemoryBytes,
            requests: sink.counts.requests,
            bodyBytes: sink.counts.bodyBytes
        )
    }
}

/// What a process cost.
struct Cost: Codable {
    var seconds: Double
    var cpuSeconds: Double
    var peakMemoryBytes: Int

    /// Runs a command to its end.
    ///
    /// In a process of its own that has done nothing else: the kernel counts what the parent holds when it starts a
    /// process as part of that process's peak.
    static func ofRunning(_ executable: String, _ arguments: [String]) throws -> Cost {
        let begin = MonotonicClock.nanoseconds()
        let process = try ChildProcess(executable, arguments)
        let ended = try process.wait(within: .seconds(1800))
        let seconds = secondsSince(begin)
        guard ended.exitCode == 0 else {
            throw BenchError("\(executable) ended with \(ended): \(process.text(.standardError))")
        }
        return Cost(
            seconds: seconds,
            cpuSeconds: ended.cpuTime / .seconds(1),
            peakMemoryBytes: ended.peakResidentBytes
        )
    }

    /// Runs a command that ships all that a spool holds.
    ///
    /// - Parameter authorityFile: what it has to trust.
    static func ofShipping(
        _ path: String,
        records: Int,
        _ command: [String],
        authorityFile: String? = nil
    ) throws -> Cost {
        var environment = DrainBench.environment
        environment["AWS_CA_BUNDLE"] = authorityFile
        let bench = try BuiltProducts.executable("logbeam-bench")
        let process = try ChildProcess(bench, ["measure"] + command, environment: environment)
        let ended = try process.wait(within: .seconds(1800))
        let status = try SpoolStatus.read(path: path)
        guard ended.exitCode == 0, status.pending == 0, status.delivered == records else {
            throw BenchError(
                "of \(records) records \(status.pending) were left, exit code \(ended.exitCode ?? -1): "
                    + process.text(.standardError)
            )
        }
        return try JSONDecoder().decode(Cost.self, from: Data(process.output()))
    }
}
