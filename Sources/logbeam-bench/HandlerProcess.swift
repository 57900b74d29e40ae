import Foundation
import LogbeamTestSupport

/// What it cost a process to log records through a handler, and to ship them.
struct HandlerFigures: Codable {
    var p50Microseconds: Double
    var p99Microseconds: Double
    var p999Microseconds: Double
    var worstMicroseconds: Double
    var records: Int
    /// From the first call to the end of the last.
    var loggedSeconds: Double
    /// From the first call until everything was acknowledged.
    var shippedSeconds: Double
    /// Of the whole process meanwhile, in user mode and in the kernel together.
    var cpuSeconds: Double
    /// What it caused to be written to disks (`/proc/self/io`, write_bytes).
    var writtenBytes: Int
    /// The largest resident set since the process began.
    var peakMemoryBytes: Int
    /// Whether something of the backlog that the process found was left when it had logged its last; nil if it found none.
    var backlogOutlasted: Bool?

    var recordsPerSecond: Double { Double(records) / loggedSeconds }
    var cpuMicrosecondsPerRecord: Double { cpuSeconds * 1e6 / Double(records) }
    /// Of one core, in percent.
    var cpuShare: Double { 100 * cpuSeconds / shippedSeconds }
    var writtenBytesPerRecord: Double { Double(writtenBytes) / Double(records) }

    /// The median of each figure by itself.
    static func median(of rounds: [HandlerFigures]) -> HandlerFigures {
        func median(_ figure: (HandlerFigures) -> Double) -> Double { rounds.map(figure).median }
        return HandlerFigures(
            p50Microseconds: median(\.p50Microseconds),
            p99Microseconds: median(\.p99Microseconds),
            p999Microseconds: median(\.p999Microseconds),
            worstMicroseconds: median(\.worstMicroseconds),
            records: rounds.first?.records ?? 0,
            loggedSeconds: median(\.loggedSeconds),
            shippedSeconds: median(\.shippedSeconds),
            cpuSeconds: median(\.cpuSeconds),
            writtenBytes: Int(median { Double($0.writtenBytes) }),
            peakMemoryBytes: Int(median { Double($0.peakMemoryBytes) }),
            backlogOutlasted: rounds.compactMap(\.backlogOutlasted).reduce(nil) { ($0 ?? true) && $1 }
        )
    }
}

/// What is measured of a handler, and how.
struct HandlerRow: Codable {
    var handler: Handler
    var threads: Int
    /// Records a second, of all threads together; zero for as many as went.
    var rate = 0
    var figures: HandlerFigures
}

/// Runs handlers, each in a process of its own, with the same lines, against the same sink over TLS.
struct HandlerProcess {
    var directory: TemporaryDirectory
    /// The interpreter that has what is compared; without one, no Python handler is run.
    var python: String?
    var sink: TLSSink

    /// What a process is to log.
    struct Load {
        var lines: SampleLines
        var threads: Int
        var records: Int
        /// Records a second, of all threads together; zero for as many as go.
        var rate = 0
        /// How long the process goes on when everything is shipped, in seconds: not part of the figures.
        var linger = 0
    }

    /// - Parameter body: told the path of the spool before the process starts; returns what is called when it has ended.
    func run(
        _ handler: Handler,
        _ load: Load,
        watching body: (_ spool: String) throws -> () -> Void = { _ in {} }
    ) throws -> HandlerFigures {
        let scratch = try TemporaryDirectory(in: directory.path)
        let spool = scratch.file("spool.db")
        let end = try body(spool)
        defer { end() }
        let arguments = [handler.rawValue, "\(load.threads)", "\(load.records)", sink.url, "\(load.rate)"]
        let environment = DrainBench.environment.merging([
            "AWS_CA_BUNDLE": sink.authorityFile, "LOGBEAM_SPOOL": spool,
            // boto3 knows no AWS_REGION.
            "AWS_DEFAULT_REGION": "eu-central-1",
        ]) { $1 }
        let process =
            if handler.isPython {
                try ChildProcess(python ?? "", [Self.script] + arguments, environment: environment)
            } else {
                try ChildProcess(
                    try BuiltProducts.executable("logbeam-bench"),
                    ["emit"] + arguments + ["--linger", "\(load.linger)"],
                    environment: environment
                )
            }
        try process.write(load.lines.all.joined(separator: "\n"))
        process.closeInput()
        let ended = try process.wait(within: .seconds(1800))
        guard ended.exitCode == 0 else {
            throw BenchError("\(handler.name) ended with \(ended): \(process.text(.standardError))")
        }
        return try JSONDecoder().decode(HandlerFigures.self, from: Data(process.output()))
    }

    /// Those of them that can be run.
    func available(_ handlers: [Handler]) -> [Handler] { handlers.filter { python != nil || !$0.isPython } }

    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Python/emit.py").path
}
