import Testing

@testable import logbeam_bench

@Suite("A target of the benchmark")
struct TargetTests {
    /// Whether each target is met, by its name.
    private func judged(_ report: Report) -> [String: Bool] {
        Dictionary(uniqueKeysWithValues: report.judged.map { ($0.name, $0.isMet) })
    }

    @Test("is met at its limit, and missed beyond")
    func limits() throws {
        let expected = [
            "log(), 1 thread, p50, by a bare commit": true,
            "log(), 8 threads, records/s, by 1 thread of bare commits": true,
            "log(), 32 threads, records/s, by 1 thread of bare commits": false,
            "log(), 1 thread, p50, by the Python original's emit() alone": false,
            "log(), 1 thread, p50, by the Python original's logger.info()": false,
            "log(), 1 thread, CPU a record by that of the Python original": false,
            "log(), 8 threads, CPU a record by that of the Python original": false,
            "log() into a journal, 1 thread, p50, by the Python original's emit() alone": true,
            "log() into a journal, 1 thread, p50, by the Python original's logger.info()": true,
            "log() into a journal, 1 thread, CPU a record by that of the Python original": false,
            "log() into a journal, 8 threads, CPU a record by that of the Python original": false,
            "log() into a journal, 1 thread, p50": true,
            "log() into a journal, 1 thread, CPU a record by that of log()": true,
            "log() into a journal, 8 threads, CPU a record by that of log()": true,
            "log(), 1 thread, pace 5,000/s, p99.9 while a backlog is drained": true,
            "log(), 1 thread, pace full, p99.9 while a backlog is drained": true,
            "log(), 8 threads, pace full, p99.9 while a backlog is drained": false,
            "no convoy meanwhile: records/s of 8 threads by those of one": true,
            "drain of 1,000,000 records, records/s": true,
            "drain, peak memory": true,
            "drain, peak memory of the largest backlog by that of the smallest": true,
            "log(), p50, 1,000 pending by 10": true,
            "shipping, CPU a record, 1,000 pending by 10": false,
            "shipping, records/s, 1,000 pending by 10": true,
            "logbeam-spool --version by curl --version": true,
        ]
        #expect(judged(try .sample()) == expected)
    }

    @Test("is left out where one of its sides was not measured")
    func sides() throws {
        var report = try Report.sample()
        report.commits = []
        report.handlers.removeAll { $0.handler.isPython || $0.handler == .logbeamJournal }
        report.besideBacklog = Array(report.besideBacklog.prefix(2))
        report.drains = []
        report.flat = nil
        report.start = nil
        #expect(
            judged(report) == [
                "log(), 1 thread, pace 5,000/s, p99.9 while a backlog is drained": true,
                "log(), 1 thread, pace full, p99.9 while a backlog is drained": true,
            ]
        )
    }

    @Test("tells limit and value in its unit")
    func text() {
        let time = Target("t", atMost: 1, 0.5, unit: " ms")
        #expect((time.limit, time.value) == ("at most 1 ms", "0.50 ms"))
        let ratio = Target("r", atMost: 1.15, 1.151)
        #expect((ratio.limit, ratio.value, ratio.isMet) == ("at most 1.15", "1.15", false))
        let rate = Target("s", atLeast: 1_000_000, 999_999.5)
        #expect((rate.limit, rate.value, rate.isMet) == ("at least 1,000,000", "999,999", false))
        #expect(Target("b", below: 1, 1).isMet == false)
    }

    @Test("that is missed is shown as missed")
    func shown() throws {
        var report = try Report.sample()
        report.targets = report.judged
        let page = report.markdown(plots: nil)
        #expect(page.contains("| logbeam-spool --version by curl --version | at most 1.3 | 1.30 | met |"))
        #expect(page.contains("| shipping, CPU a record, 1,000 pending by 10 | at most 1.1 | 1.20 | MISSED |"))
    }
}
