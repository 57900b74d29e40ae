/// What messages of a size cost.
struct SizeFigures: Codable {
    var messageBytes: Int
    var log: HandlerFigures
    var drain: DrainFigures

    var loggedMegabytesPerSecond: Double { log.recordsPerSecond * Double(messageBytes) / 1e6 }
    var drainedMegabytesPerSecond: Double { drain.recordsPerSecond * Double(messageBytes) / 1e6 }
}

struct SizeBench {
    /// About as many bytes of each, but for the shortest.
    static let sizes: [(messageBytes: Int, records: Int)] = [(128, 200_000), (2_048, 100_000), (65_536, 4_000)]

    var process: HandlerProcess
    var drainBench: DrainBench

    func run(messageBytes: Int, records: Int) throws -> SizeFigures {
        let lines = SampleLines(byteCount: messageBytes)
        var drainBench = drainBench
        drainBench.lines = lines
        return SizeFigures(
            messageBytes: messageBytes,
            log: try process.run(.logbeam, HandlerProcess.Load(lines: lines, threads: 1, records: records)),
            drain: try drainBench.run(records: records).drain
        )
    }
}
