import ArgumentParser
import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport

/// What it cost a process to ship a backlog to a service that takes its time to answer.
struct LatencyFigures: Codable {
    /// From the end of a request to its answer.
    var latencyMilliseconds: Int
    /// `maximumInFlight`.
    var inFlight: Int
    var records: Int
    var recordsPerSecond: Double
    /// In user mode and in the kernel together, of the shipping process alone.
    var cpuSeconds: Double
    var peakMemoryBytes: Int
}

/// How much of a service's latency several batches in flight hide.
struct LatencyBench {
    static let latencies = [0, 20, 80]
    static let inFlight = [1, 2, 4, 8]

    var drainBench: DrainBench

    func run(latency: Int, inFlight: Int, records: Int) throws -> LatencyFigures {
        let path = drainBench.directory.file("latency-\(latency)-\(inFlight).db")
        defer { for suffix in ["", "-wal", "-shm", "-uploader"] { unlink(path + suffix) } }
        _ = try drainBench.fill(path, records: records)
        let sink = try CountingSink(answerDelay: .milliseconds(latency))
        let bench = try BuiltProducts.executable("logbeam-bench")
        let process = try ChildProcess(
            bench,
            ["measure", bench, "ship", path, sink.url, "\(inFlight)"],
            environment: DrainBench.environment
        )
        let ended = try process.wait(within: .seconds(1800))
        let status = try SpoolStatus.read(path: path)
        guard ended.exitCode == 0, status.pending == 0, status.delivered == records else {
            throw BenchError("\(status.pending) of \(records) records were left: \(process.text(.standardError))")
        }
        let cost = try JSONDecoder().decode(Cost.self, from: Data(process.output()))
        return LatencyFigures(
            latencyMilliseconds: latency,
            inFlight: inFlight,
            records: records,
            recordsPerSecond: Double(records) / cost.seconds,
            cpuSeconds: cost.cpuSeconds,
            peakMemoryBytes: cost.peakMemoryBytes
        )
    }
}

/// Ships what a spool holds, as a service would.
struct Ship: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Ships what a spool holds.", shouldDisplay: false)

    @Argument
    var spool: String
    @Argument
    var endpointURL: String
    @Argument
    var inFlight: Int

    func run() async throws {
        let shipper = try LogShipper(
            LogShipper.Configuration(
                logGroupName: DrainBench.destination.logGroup,
                logStreamName: DrainBench.destination.logStream,
                spool: spool,
                maximumInFlight: inFlight,
                endpointURL: endpointURL
            )
        )
        guard await shipper.flush(timeout: .seconds(1800)) else { throw BenchError("not all was sent") }
        await shipper.shutdown()
    }
}
