import Foundation
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
        defer { DrainBench.removeSpool(path) }
        _ = try drainBench.fill(path, records: records)
        let sink = try CountingSink(answerDelay: .milliseconds(latency))
        let cost = try ShipProcess(endpointURL: sink.url, inFlight: inFlight).run(path, records: records)
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
