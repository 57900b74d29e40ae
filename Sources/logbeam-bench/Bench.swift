import ArgumentParser
import Foundation
import LogbeamTestSupport

/// Measures what logging and shipping cost. No product: `Scripts/bench` builds and runs it.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logbeam-bench",
        abstract: "Measures what log() and a drain cost on this machine.",
        subcommands: [Run.self, Measure.self, Ship.self, Emit.self],
        defaultSubcommand: Run.self
    )
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Measures, prints a table and writes a JSON file.")

    @Flag(help: "A short run with rough figures.")
    var quick = false

    @Option(help: ArgumentHelp("Where to write the figures as JSON.", valueName: "file"))
    var json: String?

    @Option(
        help: ArgumentHelp(
            "Where the spools are written; must lie on a disk, not in memory. About 1 GB is needed.",
            valueName: "directory"
        )
    )
    var directory = "/var/tmp"

    @Option(
        help: ArgumentHelp(
            "A Python that has the handlers to compare with; they are left out without one.",
            valueName: "interpreter"
        )
    )
    var python: String?

    func run() async throws {
        let machine = try Machine(directory: directory)
        guard !machine.isInMemory else {
            throw ValidationError("\(directory) lies in memory (\(machine.fileSystem)): name a directory on a disk.")
        }
        let scratch = try TemporaryDirectory(in: directory)
        let lines = SampleLines()
        let date = Date()

        let commitBench = CommitBench(
            directory: scratch,
            lines: lines,
            rounds: quick ? 3 : 15,
            recordsPerRound: quick ? 2_000 : 10_000
        )
        var commits: [CommitComparison] = []
        for threads in [1, 2, 8, 32] {
            progress("log() and bare commits, \(threads) at a time")
            commits.append(try await commitBench.run(threads: threads))
        }

        var handlers: [HandlerBench.Row] = []
        if let python {
            let sink = try TLSSink()
            let handlerBench = HandlerBench(directory: scratch, lines: lines, python: python, sink: sink)
            for threads in [1, 8] {
                progress("handlers side by side, \(threads) at a time")
                handlers += try handlerBench.run(
                    threads: threads,
                    records: quick ? 8_000 : 100_000,
                    rounds: quick ? 1 : 3
                )
            }
        }

        let durabilityBench = DurabilityBench(
            directory: scratch,
            lines: lines,
            rounds: quick ? 1 : 5,
            recordsPerRound: quick ? 200 : 2_000
        )
        var durabilities: [DurabilityFigures] = []
        for threads in [1, 8] {
            progress("levels of durability, \(threads) at a time")
            durabilities += try await durabilityBench.run(threads: threads)
        }

        let sizes = quick ? [20_000, 100_000, 200_000] : [100_000, 1_000_000, 2_000_000]
        let drainBench = DrainBench(directory: scratch, lines: lines)
        var appends: [[AppendFigures]] = sizes.map { _ in [] }
        var drains: [[DrainFigures]] = sizes.map { _ in [] }
        for round in 1...(quick ? 1 : 3) {
            for (index, records) in sizes.enumerated() {
                progress("append and drain, \(records) records, round \(round)")
                let figures = try drainBench.run(records: records)
                appends[index].append(figures.append)
                drains[index].append(figures.drain)
            }
        }
        let latencyBench = LatencyBench(drainBench: drainBench)
        var latencies: [LatencyFigures] = []
        for latency in LatencyBench.latencies {
            progress("ship to a service that takes \(latency) ms to answer")
            for inFlight in LatencyBench.inFlight {
                let records = quick ? 50_000 : 200_000
                latencies.append(try latencyBench.run(latency: latency, inFlight: inFlight, records: records))
            }
        }
        let drainMedians = drains.map(DrainFigures.median)
        let report = Report(
            date: date,
            isQuick: quick,
            machine: machine,
            commits: commits,
            handlers: handlers,
            durabilities: durabilities,
            append: .median(of: appends[1]),
            drains: drainMedians,
            latencies: latencies,
            targets: Report.targets(commits: commits, drains: drainMedians)
        )
        print(report.text)
        if let json { try report.json.write(to: URL(fileURLWithPath: json), options: .atomic) }
    }

    private func progress(_ text: String) {
        FileHandle.standardError.write(Data("bench: \(text)\n".utf8))
    }
}

struct Measure: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a command and prints, as JSON, what it cost.",
        shouldDisplay: false
    )

    @Argument(parsing: .captureForPassthrough)
    var command: [String]

    func run() throws {
        let cost = try Cost.ofRunning(command[0], Array(command.dropFirst()))
        FileHandle.standardOutput.write(try JSONEncoder().encode(cost))
    }
}
