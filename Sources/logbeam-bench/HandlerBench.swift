/// Handlers side by side, in rounds that take turns.
struct HandlerBench {
    static let handlers: [Handler] = [
        .write, .stream, .logbeam, .logbeamPlain, .logbeamJournal, .pythonLogbeam, .pythonEmit, .watchtower,
    ]

    var process: HandlerProcess
    var lines: SampleLines

    /// - Parameter records: of each process, at most as many as nobody has to wait for long.
    func run(threads: Int, records: Int, rounds: Int) throws -> [HandlerRow] {
        let handlers = process.available(Self.handlers)
        let load = HandlerProcess.Load(lines: lines, threads: threads, records: records)
        var figures: [[HandlerFigures]] = handlers.map { _ in [] }
        for _ in 1...rounds {
            for (index, handler) in handlers.enumerated() { figures[index].append(try process.run(handler, load)) }
        }
        return zip(handlers, figures).map { HandlerRow(handler: $0, threads: threads, figures: .median(of: $1)) }
    }
}
