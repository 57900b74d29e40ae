/// `log()` while the uploader of the same process drains a backlog.
struct BacklogBench {
    static let handlers: [Handler] = [.logbeam, .logbeamJournal]
    /// A service that has more to do than to log, which waits for locks at most; and as many as go, where it waits for its
    /// turn on the processor too: the threads that ship, and the sink, want both cores.
    static let loads: [(threads: Int, rate: Int)] = [(1, SteadyBench.recordsPerSecond), (1, 0), (8, 0)]

    var process: HandlerProcess
    var drainBench: DrainBench
    /// How many are pending when the process starts.
    var backlog: Int
    /// How many it logs as fast as they go: not so many that the backlog would be gone before. At a rate, for two seconds.
    var records: Int
    /// What few calls in a thousand wait for is another thing each time.
    var rounds: Int

    func run(_ handler: Handler, threads: Int, rate: Int) throws -> HandlerRow {
        let load = HandlerProcess.Load(
            lines: drainBench.lines,
            threads: threads,
            records: rate > 0 ? min(2 * rate, records) : records,
            rate: rate
        )
        let figures = try (1...rounds).map { _ in
            try process.run(handler, load) { spool in
                _ = try drainBench.fill(spool, records: backlog)
                return {}
            }
        }
        return HandlerRow(handler: handler, threads: threads, rate: rate, figures: .median(of: figures))
    }
}
