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

    var recordsPerSecond: Double { Double(records) / loggedSeconds }
    var cpuMicrosecondsPerRecord: Double { cpuSeconds * 1e6 / Double(records) }
    var writtenBytesPerRecord: Double { Double(writtenBytes) / Double(records) }
}

/// Handlers side by side: each in a process of its own, with the same lines, against the same sink over TLS.
struct HandlerBench {
    struct Row: Codable {
        var name: String
        var threads: Int
        var figures: HandlerFigures
    }

    /// What is compared: a name for people, and one for the process that does it.
    static let handlers: [(name: String, handler: String, isPython: Bool)] = [
        ("write(2) to a file", "write", false),
        ("swift-log's stream handler, to a file", "stream", false),
        ("logbeam", "logbeam", false),
        ("logbeam, gzip off", "logbeam-plain", false),
        ("Python logbeam 1.0", "logbeam", true),
        ("Python logbeam 1.0, its emit() alone", "logbeam-emit", true),
        ("watchtower 3.4", "watchtower", true),
    ]

    var directory: TemporaryDirectory
    var lines: SampleLines
    /// The interpreter that has what is compared.
    var python: String
    var sink: TLSSink

    /// - Parameter records: of each process, at most as many as nobody has to wait for long.
    func run(threads: Int, records: Int, rounds: Int) throws -> [Row] {
        var figures: [[HandlerFigures]] = Self.handlers.map { _ in [] }
        for _ in 1...rounds {
            for (index, handler) in Self.handlers.enumerated() {
                figures[index].append(
                    try measure(handler.handler, isPython: handler.isPython, threads: threads, records: records)
                )
            }
        }
        return zip(Self.handlers, figures).map { Row(name: $0.name, threads: threads, figures: .median(of: $1)) }
    }

    private func measure(_ handler: String, isPython: Bool, threads: Int, records: Int) throws -> HandlerFigures {
        let scratch = try TemporaryDirectory(in: directory.path)
        let arguments = [handler, "\(threads)", "\(records)", sink.url]
        let environment = DrainBench.environment.merging([
            "AWS_CA_BUNDLE": sink.authorityFile, "LOGBEAM_SPOOL": scratch.file("spool.db"),
            // boto3 knows no AWS_REGION.
            "AWS_DEFAULT_REGION": "eu-central-1",
        ]) { $1 }
        let process =
            if isPython {
                try ChildProcess(python, [Self.script] + arguments, environment: environment)
            } else {
                try ChildProcess(
                    try BuiltProducts.executable("logbeam-bench"),
                    ["emit"] + arguments,
                    environment: environment
                )
            }
        try process.write(lines.all.joined(separator: "\n"))
        process.closeInput()
        let ended = try process.wait(within: .seconds(1800))
        guard ended.exitCode == 0 else {
            throw BenchError("\(handler) ended with \(ended): \(process.text(.standardError))")
        }
        return try JSONDecoder().decode(HandlerFigures.self, from: Data(process.output()))
    }

    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Python/emit.py").path
}

extension HandlerFigures {
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
            peakMemoryBytes: Int(median { Double($0.peakMemoryBytes) })
        )
    }
}
