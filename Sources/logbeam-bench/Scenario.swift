import ArgumentParser
import Foundation
import LogbeamTestSupport

/// What the benchmark measures, in the order in which it does. Each can be measured alone.
enum Scenario: String, CaseIterable, ExpressibleByArgument {
    case commit, handlers, burst, steady, backlog, size, flat, durability, drain, latency, start, breakdown

    /// For `--help`.
    var abstract: String {
        switch self {
        case .commit: "log() beside bare commits, at 1, 2, 8 and 32 threads"
        case .handlers: "log() beside other handlers, at 1 and 8 threads"
        case .burst: "a million records as fast as they go"
        case .steady: "5,000 records a second for a minute"
        case .backlog: "log() while 2,000,000 records are drained"
        case .size: "messages of 128 B, 2 KiB and 64 KiB"
        case .flat: "log() and shipping beside 10,000 and 5,000,000 pending records"
        case .durability: "log() at each level of durability"
        case .drain: "appends and drains of up to 2,000,000 records"
        case .latency: "shipping to a service that takes its time"
        case .start: "the start of the command beside that of curl"
        case .breakdown: "where the time of one record goes"
        }
    }
}

/// What the scenarios have in common. All that they leave on the disk goes with it.
final class Workbench {
    let isQuick: Bool
    let lines = SampleLines()
    private let directory: TemporaryDirectory
    private let python: String?
    private let tell: (String) -> Void
    /// Started when it is first needed.
    private lazy var sink = Result { try TLSSink() }

    /// - Parameters:
    ///   - python: see ``HandlerProcess/python``.
    ///   - tell: is told what is being measured.
    init(isQuick: Bool, directory: String, python: String?, tell: @escaping (String) -> Void) throws {
        self.isQuick = isQuick
        self.directory = try TemporaryDirectory(in: directory)
        self.python = python
        self.tell = tell
    }

    private var commitBench: CommitBench {
        CommitBench(
            directory: directory,
            lines: lines,
            rounds: isQuick ? 3 : 15,
            recordsPerRound: isQuick ? 2_000 : 7_000
        )
    }

    private var drainBench: DrainBench { DrainBench(directory: directory, lines: lines) }

    private var handlerProcess: HandlerProcess {
        get throws { HandlerProcess(directory: directory, python: python, sink: try sink.get()) }
    }

    func measure(_ scenario: Scenario, into report: inout Report) async throws {
        func tell(_ part: some CustomStringConvertible) { self.tell("\(scenario): \(part)") }
        tell(scenario.abstract)
        switch scenario {
        case .commit:
            for threads in [1, 2, 8, 32] { report.commits.append(try await commitBench.run(threads: threads)) }
        case .handlers:
            let bench = HandlerBench(process: try handlerProcess, lines: lines)
            for threads in [1, 8] {
                tell(threads.asThreads)
                report.handlers += try bench.run(
                    threads: threads,
                    records: isQuick ? 8_000 : 100_000,
                    rounds: isQuick ? 1 : 3
                )
            }
        case .burst:
            let process = try handlerProcess
            let bench = BurstBench(process: process, lines: lines, records: isQuick ? 100_000 : 1_000_000)
            for handler in process.available(BurstBench.handlers) {
                for threads in handler.isLogbeam ? [1, 8] : [1] {
                    tell("\(handler.name), \(threads.asThreads)")
                    report.bursts.append(try bench.run(handler, threads: threads))
                }
            }
        case .steady:
            let process = try handlerProcess
            let bench = SteadyBench(process: process, lines: lines, seconds: isQuick ? 4 : 60)
            for handler in process.available(SteadyBench.handlers) {
                tell(handler.name)
                report.steady.append(try bench.run(handler))
            }
        case .backlog:
            let bench = BacklogBench(
                process: try handlerProcess,
                drainBench: drainBench,
                backlog: isQuick ? 200_000 : 2_000_000,
                records: isQuick ? 4_000 : 80_000,
                rounds: isQuick ? 1 : 3
            )
            for handler in BacklogBench.handlers {
                for load in BacklogBench.loads {
                    report.besideBacklog.append(try bench.run(handler, threads: load.threads, rate: load.rate))
                }
            }
        case .size:
            let bench = SizeBench(process: try handlerProcess, drainBench: drainBench)
            for size in SizeBench.sizes {
                let records = isQuick ? size.records / 10 : size.records
                report.sizes.append(try bench.run(messageBytes: size.messageBytes, records: records))
            }
        case .flat:
            report.flat = try await FlatBench(
                commitBench: commitBench,
                drainBench: drainBench,
                many: isQuick ? 200_000 : 5_000_000,
                rounds: isQuick ? 3 : 31
            ).run()
        case .durability:
            let bench = DurabilityBench(
                directory: directory,
                lines: lines,
                rounds: isQuick ? 1 : 5,
                recordsPerRound: isQuick ? 200 : 2_000
            )
            for threads in [1, 8] { report.durabilities += try await bench.run(threads: threads) }
        case .drain:
            try measureDrains(into: &report)
        case .latency:
            let bench = LatencyBench(drainBench: drainBench)
            for latency in LatencyBench.latencies {
                for inFlight in LatencyBench.inFlight {
                    let records = isQuick ? 50_000 : 200_000
                    report.latencies.append(try bench.run(latency: latency, inFlight: inFlight, records: records))
                }
            }
        case .start:
            report.start = try StartBench.run(runs: isQuick ? 20 : 100)
        case .breakdown:
            report.breakdown = try await BreakdownBench(
                commitBench: commitBench,
                drainBench: drainBench,
                sink: try sink.get(),
                records: isQuick ? 100_000 : 500_000,
                rounds: isQuick ? 1 : 3
            ).run()
        }
    }

    private func measureDrains(into report: inout Report) throws {
        let sizes = isQuick ? [20_000, 100_000, 200_000] : [100_000, 1_000_000, 2_000_000]
        var appends: [[AppendFigures]] = sizes.map { _ in [] }
        var drains: [[DrainFigures]] = sizes.map { _ in [] }
        for _ in 0..<(isQuick ? 1 : 3) {
            for (index, records) in sizes.enumerated() {
                let figures = try drainBench.run(records: records)
                appends[index].append(figures.append)
                drains[index].append(figures.drain)
            }
        }
        report.append = .median(of: appends[1])
        report.drains = drains.map(DrainFigures.median)
    }
}
