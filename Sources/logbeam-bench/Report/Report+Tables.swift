import LogbeamCore

extension Report {
    struct Section {
        var title: String
        var table: Table
    }

    /// What was measured.
    var sections: [Section] {
        var sections: [Section] = []
        func add(_ title: String, _ table: Table, if isMeasured: Bool) {
            if isMeasured { sections.append(Section(title: title, table: table)) }
        }
        add("One record of 128 bytes a commit", commitTable, if: !commits.isEmpty)
        add(
            "Handlers side by side, records of 128 bytes, against nginx over TLS on loopback",
            handlerTable(handlers),
            if: !handlers.isEmpty
        )
        let burst = bursts.first?.figures.records ?? 0
        add("A burst of \(burst.grouped) records, with the uploader beside it", burstTable, if: !bursts.isEmpty)
        let seconds = steady.map { $0.figures.records / SteadyBench.recordsPerSecond }.max() ?? 0
        add(
            "\(SteadyBench.recordsPerSecond.grouped) records a second, for \(seconds) s (what ships nothing: 10 s at most)",
            steadyTable,
            if: !steady.isEmpty
        )
        add("log() while a backlog is drained by the same process", backlogTable, if: !besideBacklog.isEmpty)
        add("By the size of a message: log() at one thread, and a drain", sizeTable, if: !sizes.isEmpty)
        add("By what else is pending", flatTable, if: flat != nil)
        add(
            "What a level of durability costs: one error in \(DurabilityBench.errorEvery) records",
            durabilityTable,
            if: !durabilities.isEmpty
        )
        add("Append and drain, records of 128 bytes, gzip off", drainTable, if: !drains.isEmpty)
        let shipped = latencies.first?.records ?? 0
        add(
            "Ship \(shipped.grouped) records, by the time that the service takes to answer",
            latencyTable,
            if: !latencies.isEmpty
        )
        add("To start and to end", startTable, if: start != nil)
        add("Where the time of one log() goes", breakdownTable(breakdown?.log ?? []), if: breakdown != nil)
        add(
            "Where the time of shipping one record goes",
            breakdownTable(breakdown?.shipping ?? []),
            if: breakdown != nil
        )
        return sections
    }

    /// What logbeam promises itself, of which something was measured.
    var targetSections: [Section] { targets.isEmpty ? [] : [Section(title: "Targets", table: targetTable)] }

    private var targetTable: Table {
        var table = Table(columns: ["", "limit", "value", ""])
        for target in targets { table.add([target.name, target.limit, target.value, target.isMet ? "met" : "MISSED"]) }
        return table
    }

    private var commitTable: Table {
        var table = Table(columns: ["", "threads", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs", "records/s"])
        func add(_ name: String, _ threads: Int, _ figures: CommitFigures, decimals: Int) {
            let rate = figures.recordsPerSecond
            table.add(
                [name, "\(threads)"] + figures.times(decimals)
                    + [figures.cpuMicrosecondsPerRecord.with(decimals: decimals)]
                    + [decimals == 1 ? rate.grouped : rate.with(decimals: decimals)]
            )
        }
        for comparison in commits {
            add("log()", comparison.threads, comparison.log, decimals: 1)
            add("bare commit", comparison.threads, comparison.bareCommit, decimals: 1)
            add("ratio", comparison.threads, comparison.ratio, decimals: 2)
            for (name, ratio) in [
                ("log(), by one thread of bare commits", comparison.rateByOneThread),
                ("two threads of bare commits, a file each, by one", comparison.twoFilesByOneThread),
            ] where comparison.threads > 1 {
                table.add([name, "\(comparison.threads)", "", "", "", "", ratio.with(decimals: 2)])
            }
            add("log() while shipping", comparison.threads, comparison.logWhileShipping, decimals: 1)
            add("log(), journal", comparison.threads, comparison.journal, decimals: 1)
        }
        return table
    }

    private func handlerTable(_ rows: [HandlerRow]) -> Table {
        var table = Table(
            columns: ["", "threads"] + HandlerFigures.timeColumns
                + ["records/s", "CPU µs a record", "disk B a record", "peak MiB"]
        )
        for row in rows {
            let figures = row.figures
            table.add(
                [row.handler.name, "\(row.threads)"] + figures.times + [
                    figures.recordsPerSecond.grouped, figures.cpuMicrosecondsPerRecord.with(decimals: 1),
                    figures.writtenBytesPerRecord.with(decimals: 0), figures.peakMemoryBytes.mebibytes,
                ]
            )
        }
        return table
    }

    private var burstTable: Table {
        var table = Table(
            columns: ["", "threads"] + HandlerFigures.timeColumns + [
                "records/s", "all shipped after s", "CPU µs a record", "disk B a record", "peak MiB", "spool MiB, most",
                "in the end",
            ]
        )
        for burst in bursts {
            let figures = burst.figures
            let hasSpool = !burst.sizes.isEmpty
            table.add(
                [burst.handler.name, "\(burst.threads)"] + figures.times + [
                    figures.recordsPerSecond.grouped, figures.shippedSeconds.with(decimals: 1),
                    figures.cpuMicrosecondsPerRecord.with(decimals: 1), figures.writtenBytesPerRecord.with(decimals: 0),
                    figures.peakMemoryBytes.mebibytes, hasSpool ? burst.largestBytes.mebibytes : "-",
                    burst.sizes.last?.bytes.mebibytes ?? "-",
                ]
            )
        }
        return table
    }

    private var steadyTable: Table {
        var table = Table(
            columns: [""] + HandlerFigures.timeColumns + ["CPU, % of a core", "disk B a record", "peak MiB"]
        )
        for row in steady {
            table.add(
                [row.handler.name] + row.figures.times + [
                    row.figures.cpuShare.with(decimals: 1), row.figures.writtenBytesPerRecord.with(decimals: 0),
                    row.figures.peakMemoryBytes.mebibytes,
                ]
            )
        }
        return table
    }

    private var backlogTable: Table {
        var table = Table(
            columns: ["", "threads", "pace", "records logged"] + HandlerFigures.timeColumns
                + ["records/s", "backlog left", "all shipped after s"]
        )
        for row in besideBacklog {
            let figures = row.figures
            table.add(
                [row.handler.name, "\(row.threads)", row.pace, figures.records.grouped] + figures.times + [
                    figures.recordsPerSecond.grouped, figures.backlogOutlasted == true ? "yes" : "no",
                    figures.shippedSeconds.with(decimals: 1),
                ]
            )
        }
        return table
    }

    private var sizeTable: Table {
        var table = Table(
            columns: ["bytes", "records"] + HandlerFigures.timeColumns
                + ["records/s", "MB/s", "CPU µs a record", "disk B a record", "drain MB/s"]
        )
        for size in sizes {
            table.add(
                [size.messageBytes.grouped, size.log.records.grouped] + size.log.times + [
                    size.log.recordsPerSecond.grouped, size.loggedMegabytesPerSecond.with(decimals: 1),
                    size.log.cpuMicrosecondsPerRecord.with(decimals: 1),
                    size.log.writtenBytesPerRecord.grouped, size.drainedMegabytesPerSecond.with(decimals: 1),
                ]
            )
        }
        return table
    }

    private var flatTable: Table {
        var table = Table(columns: ["also pending", "log() p50 µs", "shipping, CPU µs a record", "shipped records/s"])
        guard let flat else { return table }
        func add(_ name: String, _ figures: PendingFigures, decimals: Int) {
            let rate = figures.shippedRecordsPerSecond
            table.add([
                name, figures.logP50Microseconds.with(decimals: 2),
                figures.shipCPUMicrosecondsPerRecord.with(decimals: 2),
                decimals == 0 ? rate.grouped : rate.with(decimals: decimals),
            ])
        }
        add(flat.few.grouped, flat.besideFew, decimals: 0)
        add(flat.many.grouped, flat.besideMany, decimals: 0)
        add("ratio", flat.ratio, decimals: 2)
        return table
    }

    private var durabilityTable: Table {
        var table = Table(columns: ["", "threads", "p50 µs", "p99 µs", "p99.9 µs", "records/s"])
        for figures in durabilities {
            table.add(
                [figures.name, "\(figures.threads)"] + figures.commits.times(1)
                    + [figures.commits.recordsPerSecond.grouped]
            )
        }
        return table
    }

    private var drainTable: Table {
        var table = Table(columns: ["", "records", "records/s", "CPU s", "peak MiB", "requests", "MB sent"])
        if let append {
            let name = "append, \(append.recordsPerTransaction.grouped) a transaction"
            table.add([name, append.records.grouped, append.recordsPerSecond.grouped, "", "", "", ""])
        }
        for drain in drains {
            table.add([
                "drain", drain.records.grouped, drain.recordsPerSecond.grouped, drain.cpuSeconds.with(decimals: 2),
                drain.peakMemoryBytes.mebibytes, drain.requests.grouped,
                (Double(drain.bodyBytes) / 1e6).with(decimals: 1),
            ])
        }
        return table
    }

    private var latencyTable: Table {
        var table = Table(columns: ["latency", "in flight", "records/s", "CPU s", "peak MiB"])
        for figures in latencies {
            table.add([
                "\(figures.latencyMilliseconds) ms", "\(figures.inFlight)", figures.recordsPerSecond.grouped,
                figures.cpuSeconds.with(decimals: 2), figures.peakMemoryBytes.mebibytes,
            ])
        }
        return table
    }

    private var startTable: Table {
        var table = Table(columns: ["", "ms"])
        guard let start else { return table }
        table.add(["logbeam-spool --version", start.commandMilliseconds.with(decimals: 2)])
        table.add(["curl --version", start.curlMilliseconds.with(decimals: 2)])
        table.add(["ratio", start.ratio.with(decimals: 2)])
        return table
    }

    private func breakdownTable(_ parts: [Breakdown.Part]) -> Table {
        var table = Table(columns: ["", "CPU µs a record", "share"])
        let whole = parts.last?.cpuMicroseconds ?? 0
        for part in parts {
            let share = 100 * part.cpuMicroseconds / whole
            table.add([part.name, part.cpuMicroseconds.with(decimals: 2), "\(share.with(decimals: 0)) %"])
        }
        return table
    }
}

extension CommitFigures {
    /// p50, p99 and p99.9, in microseconds.
    fileprivate func times(_ decimals: Int) -> [String] {
        [p50Microseconds, p99Microseconds, p999Microseconds].map { $0.with(decimals: decimals) }
    }
}

extension HandlerFigures {
    fileprivate static let timeColumns = ["p50 µs", "p99 µs", "p99.9 µs", "worst µs"]

    fileprivate var times: [String] {
        [p50Microseconds, p99Microseconds, p999Microseconds, worstMicroseconds].map { $0.with(decimals: 1) }
    }
}

extension HandlerRow {
    var pace: String { rate > 0 ? "\(rate.grouped)/s" : "full" }
}
