/// Handlers under a load that is no load: so many records a second for a while, at even times.
///
/// What pacing itself takes is measured beside it, in both languages.
struct SteadyBench {
    static let handlers: [Handler] = [
        .nothing, .stream, .logbeam, .logbeamJournal, .pythonNothing, .pythonLogbeam, .watchtower,
    ]
    static let recordsPerSecond = 5_000

    var process: HandlerProcess
    var lines: SampleLines
    var seconds: Int

    func run(_ handler: Handler) throws -> HandlerRow {
        // What does nothing does the same all the time.
        let seconds = [.nothing, .pythonNothing, .stream].contains(handler) ? min(10, seconds) : seconds
        let load = HandlerProcess.Load(
            lines: lines,
            threads: 1,
            records: Self.recordsPerSecond * seconds,
            rate: Self.recordsPerSecond
        )
        return HandlerRow(handler: handler, threads: 1, rate: load.rate, figures: try process.run(handler, load))
    }
}
