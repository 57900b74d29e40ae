import Foundation
import LogbeamCore

/// What logbeam promises itself, and what became of it.
struct Target: Codable, Equatable {
    var name: String
    var limit: String
    var value: String
    var isMet: Bool

    /// A value that must not be larger than a limit.
    init(_ name: String, atMost limit: Double, _ value: Double, unit: String = "") {
        self.name = name
        self.limit = "at most \(limit.trimmed)\(unit)"
        self.value = value.with(decimals: 2) + unit
        isMet = value <= limit
    }

    /// A value that must not be smaller than a limit.
    init(_ name: String, atLeast limit: Double, _ value: Double) {
        self.name = name
        self.limit = "at least \(limit.trimmed)"
        self.value = limit < 1_000 ? value.with(decimals: 2) : value.grouped
        isMet = value >= limit
    }

    /// A value that must be smaller than a limit.
    init(_ name: String, below limit: Double, _ value: Double) {
        self.init(name, atMost: limit, value)
        self.limit = "below \(limit.trimmed)"
        isMet = value < limit
    }
}

extension Report {
    /// All of which both sides were measured. Each compares figures of this run.
    var judged: [Target] {
        commitTargets + rivalTargets + journalTargets + backlogTargets + drainTargets + flatTargets + startTargets
    }

    private var commitTargets: [Target] {
        var targets: [Target] = []
        func comparison(_ threads: Int) -> CommitComparison? { commits.first { $0.threads == threads } }
        if let one = comparison(1) {
            targets.append(
                Target("log(), 1 thread, p50, by a bare commit", atMost: 1.15, one.ratio.p50Microseconds)
            )
        }
        for (threads, limit) in [(8, 2.5), (32, 4.0)] {
            guard let many = comparison(threads) else { continue }
            let name = "log(), \(threads.asThreads), records/s, by 1 thread of bare commits"
            targets.append(Target(name, atLeast: limit, many.rateByOneThread))
        }
        return targets
    }

    private func figures(_ handler: Handler, threads: Int) -> HandlerFigures? {
        handlers.first { $0.handler == handler && $0.threads == threads }?.figures
    }

    /// The two ways in which a record is written down.
    private static let modes: [(handler: Handler, name: String)] = [
        (.logbeam, "log()"), (.logbeamJournal, "log() into a journal"),
    ]

    private var rivalTargets: [Target] {
        Self.modes.flatMap { mode in
            let rivals: [(Handler, String)] = [(.pythonEmit, "emit() alone"), (.pythonLogbeam, "logger.info()")]
            let times = rivals.compactMap { rival, call -> Target? in
                guard let one = figures(mode.handler, threads: 1), let other = figures(rival, threads: 1) else {
                    return nil
                }
                let name = "\(mode.name), 1 thread, p50, by the Python original's \(call)"
                return Target(name, below: 1, one.p50Microseconds / other.p50Microseconds)
            }
            return times + cpuTargets(mode, by: .pythonLogbeam, "the Python original", atMost: 0.25)
        }
    }

    private var journalTargets: [Target] {
        guard let journal = figures(.logbeamJournal, threads: 1) else { return [] }
        let mode = Self.modes[1]
        return [Target("\(mode.name), 1 thread, p50", atMost: 2, journal.p50Microseconds, unit: " µs")]
            + cpuTargets(mode, by: .logbeam, "log()", atMost: 0.5)
    }

    /// The processor's time of a record from `log()` to its deletion.
    private func cpuTargets(
        _ mode: (handler: Handler, name: String),
        by other: Handler,
        _ otherName: String,
        atMost limit: Double
    ) -> [Target] {
        [1, 8].compactMap { threads in
            guard let one = figures(mode.handler, threads: threads), let other = figures(other, threads: threads) else {
                return nil
            }
            let ratio = one.cpuMicrosecondsPerRecord / other.cpuMicrosecondsPerRecord
            return Target(
                "\(mode.name), \(threads.asThreads), CPU a record by that of \(otherName)",
                atMost: limit,
                ratio
            )
        }
    }

    private var backlogTargets: [Target] {
        var targets: [Target] = []
        for mode in Self.modes {
            for row in besideBacklog where row.handler == mode.handler {
                let name = "\(mode.name), \(row.threads.asThreads), pace \(row.pace), p99.9 while a backlog is drained"
                targets.append(Target(name, atMost: 1, row.figures.p999Microseconds / 1000, unit: " ms"))
            }
        }
        let rows = besideBacklog.filter { $0.handler == .logbeam && $0.rate == 0 }
        // In a convoy, who waits for a lock goes to sleep for it, and more threads get less done.
        if let one = rows.first(where: { $0.threads == 1 }), let many = rows.first(where: { $0.threads > 1 }) {
            let name = "no convoy meanwhile: records/s of \(many.threads.asThreads) by those of one"
            targets.append(Target(name, atLeast: 1, many.figures.recordsPerSecond / one.figures.recordsPerSecond))
        }
        return targets
    }

    private var drainTargets: [Target] {
        guard !drains.isEmpty else { return [] }
        let drain = drains[drains.count / 2]
        let peaks = drains.map { Double($0.peakMemoryBytes) / 1_048_576 }
        return [
            Target("drain of \(drain.records.grouped) records, records/s", atLeast: 1_000_000, drain.recordsPerSecond),
            Target("drain, peak memory", atMost: 40, peaks.max() ?? .infinity, unit: " MiB"),
            Target(
                "drain, peak memory of the largest backlog by that of the smallest",
                atMost: 1.1,
                (peaks.last ?? .infinity) / (peaks.first ?? 1)
            ),
        ]
    }

    private var flatTargets: [Target] {
        guard let flat else { return [] }
        let sides = "\(flat.many.grouped) pending by \(flat.few.grouped)"
        return [
            Target("log(), p50, \(sides)", atMost: 1.1, flat.ratio.logP50Microseconds),
            Target("shipping, CPU a record, \(sides)", atMost: 1.1, flat.ratio.shipCPUMicrosecondsPerRecord),
            Target("shipping, records/s, \(sides)", atLeast: 0.9, flat.ratio.shippedRecordsPerSecond),
        ]
    }

    private var startTargets: [Target] {
        start.map { [Target("logbeam-spool --version by curl --version", atMost: 1.3, $0.ratio)] } ?? []
    }
}
