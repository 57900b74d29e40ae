import Foundation

/// All figures of a run, as they are written to the JSON file.
struct Report: Codable {
    var date: Date
    /// A short run, whose figures are rough.
    var isQuick: Bool
    var machine: Machine
    var commits: [CommitComparison]
    /// Empty where there was no Python to compare with.
    var handlers: [HandlerBench.Row]
    var durabilities: [DurabilityFigures]
    var append: AppendFigures
    /// Ascending by the number of records.
    var drains: [DrainFigures]
    var latencies: [LatencyFigures]
    var targets: [Target]

    struct Target: Codable {
        var name: String
        var limit: String
        var value: String
        var isMet: Bool
    }

    var json: Data {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            return try encoder.encode(self) + Data("\n".utf8)
        }
    }
}

extension Report {
    /// What logbeam promises itself.
    static func targets(commits: [CommitComparison], drains: [DrainFigures]) -> [Target] {
        let ratio = commits.first { $0.threads == 1 }?.ratio.p50Microseconds ?? .infinity
        let drain = drains.isEmpty ? nil : drains[drains.count / 2]
        let rate = drain?.recordsPerSecond ?? 0
        let peaks = drains.map { Double($0.peakMemoryBytes) }
        let growth = (peaks.last ?? .infinity) / (peaks.first ?? 1)
        return [
            Target(
                name: "log() at one thread, p50, by a bare commit",
                limit: "at most 1.3",
                value: ratio.with(decimals: 2),
                isMet: ratio <= 1.3
            ),
            Target(
                name: "drain of \((drain?.records ?? 0).grouped) records, records/s",
                limit: "at least 300,000",
                value: rate.grouped,
                isMet: rate >= 300_000
            ),
            Target(
                name: "drain, peak memory",
                limit: "at most 64 MiB",
                value: "\(((peaks.max() ?? .infinity) / 1_048_576).with(decimals: 1)) MiB",
                isMet: (peaks.max() ?? .infinity) <= 64 * 1_048_576
            ),
            Target(
                name: "drain, peak memory of the largest backlog by that of the smallest",
                limit: "at most 1.1",
                value: growth.with(decimals: 2),
                isMet: growth <= 1.1
            ),
        ]
    }

    /// For people.
    var text: String {
        let kind = isQuick ? "a short run: rough figures" : "medians of rounds that take turns"
        let settings = commits.first?.settings ?? ""
        return """
            logbeam-bench, \(date.formatted(.iso8601)), \(kind)
            \(machine.description)
            \(settings)

            One record of 128 bytes a commit
            \(commitTable)

            Handlers side by side, records of 128 bytes, against nginx over TLS on loopback
            \(handlerTable)

            What a level of durability costs: one error in \(DurabilityBench.errorEvery) records
            \(durabilityTable)

            Append and drain, records of 128 bytes
            \(drainTable)

            Ship \((latencies.first?.records ?? 0).grouped) records, by the time that the service takes to answer
            \(latencyTable)

            Targets
            \(targetTable)
            """
    }

    private var commitTable: String {
        var table = Table(columns: ["", "threads", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs", "records/s"])
        func add(_ name: String, _ threads: Int, _ figures: CommitFigures, decimals: Int) {
            let times = [
                figures.p50Microseconds, figures.p99Microseconds, figures.p999Microseconds,
                figures.cpuMicrosecondsPerRecord,
            ]
            let rate = figures.recordsPerSecond
            table.add(
                [name, "\(threads)"] + times.map { $0.with(decimals: decimals) }
                    + [decimals == 1 ? rate.grouped : rate.with(decimals: decimals)]
            )
        }
        for comparison in commits {
            add("log()", comparison.threads, comparison.log, decimals: 1)
            add("bare commit", comparison.threads, comparison.bareCommit, decimals: 1)
            add("  ratio", comparison.threads, comparison.ratio, decimals: 2)
            add("log() while shipping", comparison.threads, comparison.logWhileShipping, decimals: 1)
        }
        return table.text
    }

    private var handlerTable: String {
        var table = Table(columns: [
            "", "threads", "p50 µs", "p99 µs", "p99.9 µs", "worst µs", "records/s", "CPU µs", "disk B", "peak MiB",
        ])
        for row in handlers {
            let figures = row.figures
            let times = [
                figures.p50Microseconds, figures.p99Microseconds, figures.p999Microseconds, figures.worstMicroseconds,
            ]
            table.add(
                [row.name, "\(row.threads)"] + times.map { $0.with(decimals: 1) } + [
                    figures.recordsPerSecond.grouped, figures.cpuMicrosecondsPerRecord.with(decimals: 1),
                    figures.writtenBytesPerRecord.with(decimals: 0),
                    (Double(figures.peakMemoryBytes) / 1_048_576).with(decimals: 1),
                ]
            )
        }
        return table.text
    }

    private var durabilityTable: String {
        var table = Table(columns: ["", "threads", "p50 µs", "p99 µs", "p99.9 µs", "records/s"])
        for figures in durabilities {
            let times = [
                figures.commits.p50Microseconds, figures.commits.p99Microseconds, figures.commits.p999Microseconds,
            ]
            table.add(
                [figures.name, "\(figures.threads)"] + times.map { $0.with(decimals: 1) }
                    + [figures.commits.recordsPerSecond.grouped]
            )
        }
        return table.text
    }

    private var drainTable: String {
        var table = Table(columns: ["", "records", "records/s", "CPU s", "peak MiB", "requests", "MB sent"])
        let name = "append, \(append.recordsPerTransaction.grouped) a transaction"
        table.add([name, append.records.grouped, append.recordsPerSecond.grouped, "", "", "", ""])
        for drain in drains {
            table.add([
                "drain", drain.records.grouped, drain.recordsPerSecond.grouped, drain.cpuSeconds.with(decimals: 2),
                (Double(drain.peakMemoryBytes) / 1_048_576).with(decimals: 1), drain.requests.grouped,
                (Double(drain.bodyBytes) / 1e6).with(decimals: 1),
            ])
        }
        return table.text
    }

    private var latencyTable: String {
        var table = Table(columns: ["latency", "in flight", "records/s", "CPU s", "peak MiB"])
        for figures in latencies {
            table.add([
                "\(figures.latencyMilliseconds) ms", "\(figures.inFlight)", figures.recordsPerSecond.grouped,
                figures.cpuSeconds.with(decimals: 2), (Double(figures.peakMemoryBytes) / 1_048_576).with(decimals: 1),
            ])
        }
        return table.text
    }

    private var targetTable: String {
        var table = Table(columns: ["", "limit", "value", ""])
        for target in targets {
            table.add([target.name, target.limit, target.value, target.isMet ? "met" : "MISSED"])
        }
        return table.text
    }
}

/// Text in columns: the first aligned to the left, the others to the right.
struct Table {
    private var rows: [[String]]

    init(columns: [String]) { rows = [columns] }

    mutating func add(_ row: [String]) { rows.append(row) }

    var text: String {
        let widths = rows.reduce(into: [Int](repeating: 0, count: rows[0].count)) { widths, row in
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
        }
        return rows.map { row in
            row.enumerated().map { index, cell in
                let padding = String(repeating: " ", count: widths[index] - cell.count)
                return index == 0 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

extension Double {
    func with(decimals: Int) -> String { String(format: "%.\(decimals)f", self) }
    /// Without decimals, the digits in groups of three.
    var grouped: String { isFinite ? Int(self).grouped : "-" }
}

extension Int {
    fileprivate var grouped: String {
        let digits = Array(String(self))
        return digits.indices.map { index in
            let separates = index > 0 && (digits.count - index).isMultiple(of: 3) && digits[index - 1] != "-"
            return (separates ? "," : "") + String(digits[index])
        }.joined()
    }
}
