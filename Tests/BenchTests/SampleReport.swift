import Foundation

@testable import logbeam_bench

extension Report {
    /// One in which logbeam takes ten microseconds a record and others take what is given.
    static func sample() throws -> Report {
        var report = Report(
            date: Date(timeIntervalSince1970: 1_795_694_400),
            isQuick: true,
            command: "Scripts/bench",
            machine: try Machine(directory: "/")
        )
        report.commits = [
            .sample(threads: 1, p50Ratio: 1.15, recordsPerSecond: 80_000),
            .sample(threads: 8, p50Ratio: 2, recordsPerSecond: 250_000),
            .sample(threads: 32, p50Ratio: 2, recordsPerSecond: 399_999),
        ]
        for threads in [1, 8] {
            report.handlers += HandlerBench.handlers.map { handler in
                let isJournal = handler == .logbeamJournal
                let figures = HandlerFigures.sample(p50: isJournal ? 2 : 10, cpuSeconds: isJournal ? 0.5 : 1)
                return HandlerRow(handler: handler, threads: threads, figures: figures)
            }
        }
        report.besideBacklog = [
            HandlerRow(handler: .logbeam, threads: 1, rate: 5_000, figures: .sample(loggedSeconds: 20)),
            HandlerRow(handler: .logbeam, threads: 1, figures: .sample(p999: 1_000, loggedSeconds: 2)),
            HandlerRow(handler: .logbeam, threads: 8, figures: .sample(p999: 1_001, loggedSeconds: 2)),
        ]
        report.bursts = [
            BurstFigures(
                handler: .logbeam,
                threads: 1,
                figures: .sample(),
                sizes: (0..<50).map { SpoolSize(seconds: Double($0) / 10, databaseBytes: $0 << 22, walBytes: 1 << 20) }
            ),
            BurstFigures(
                handler: .logbeam,
                threads: 8,
                figures: .sample(),
                sizes: [
                    SpoolSize(seconds: 0, databaseBytes: 0, walBytes: 0)
                ]
            ),
        ]
        report.drains = [100, 1_000_000, 2_000_000].map(DrainFigures.sample)
        let pending = PendingFigures(
            logP50Microseconds: 1,
            shipCPUMicrosecondsPerRecord: 1.2,
            shippedRecordsPerSecond: 0.9
        )
        report.flat = FlatComparison(few: 10, many: 1_000, besideFew: pending, besideMany: pending, ratio: pending)
        report.start = StartFigures(runs: 1, commandMilliseconds: 13, curlMilliseconds: 10, ratio: 1.3)
        return report
    }
}

extension CommitComparison {
    static func sample(threads: Int, p50Ratio: Double, recordsPerSecond: Double) -> CommitComparison {
        func figures(_ recordsPerSecond: Double, p50: Double = 10) -> CommitFigures {
            CommitFigures(
                p50Microseconds: p50,
                p99Microseconds: 20,
                p999Microseconds: 30,
                cpuMicrosecondsPerRecord: 10,
                recordsPerSecond: recordsPerSecond
            )
        }
        return CommitComparison(
            threads: threads,
            rounds: 1,
            recordsPerRound: 1,
            log: figures(recordsPerSecond),
            bareCommit: figures(80_000),
            ratio: figures(1, p50: p50Ratio),
            rateByOneThread: recordsPerSecond / 100_000,
            twoFilesByOneThread: 1.5,
            logWhileShipping: figures(recordsPerSecond),
            journal: figures(recordsPerSecond),
            settings: "page_size=4096"
        )
    }
}

extension HandlerFigures {
    static func sample(
        p50: Double = 10,
        p999: Double = 100,
        loggedSeconds: Double = 1,
        cpuSeconds: Double = 1
    ) -> HandlerFigures {
        HandlerFigures(
            p50Microseconds: p50,
            p99Microseconds: 50,
            p999Microseconds: p999,
            worstMicroseconds: 2_000,
            records: 100_000,
            loggedSeconds: loggedSeconds,
            shippedSeconds: 2,
            cpuSeconds: cpuSeconds,
            writtenBytes: 100_000,
            peakMemoryBytes: 40 << 20
        )
    }
}

extension DrainFigures {
    static func sample(records: Int) -> DrainFigures {
        DrainFigures(
            records: records,
            recordsPerSecond: 1_000_000,
            seconds: 1,
            cpuSeconds: 1,
            peakMemoryBytes: 40 << 20,
            requests: 1,
            bodyBytes: 1
        )
    }
}
