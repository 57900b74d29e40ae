import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import logbeam_bench

@Suite("The report of the benchmark")
struct ReportTests {
    @Test(
        "names the latency that a fraction of the calls does not exceed",
        arguments: [(0.0, 0.001), (0.5, 0.051), (0.99, 0.1), (0.999, 0.1), (1, 0.1)]
    )
    func percentiles(_ fraction: Double, _ microseconds: Double) {
        #expect(Percentiles((1...100).reversed())(fraction) == microseconds)
        #expect(Percentiles([])(fraction) == 0)
    }

    @Test("takes the middle, or the mean of the two in the middle, for the median")
    func medians() {
        #expect([3.0, 1, 2].median == 2)
        #expect([4.0, 1, 2, 3].median == 2.5)
        #expect([Double]().median == 0)
    }

    @Test("groups digits, and shows no more decimals than there are")
    func numbers() {
        #expect([0, 999, 1_000, 1_234_567, -1_000].map(\.grouped) == ["0", "999", "1,000", "1,234,567", "-1,000"])
        #expect(Double.infinity.grouped == "-")
        #expect([1, 1.15, 2.5, 1_000_000].map(\.trimmed) == ["1", "1.15", "2.5", "1,000,000"])
    }

    @Test("aligns a table for a terminal, and marks one up for a page")
    func tables() {
        var table = Table(columns: ["", "a"])
        table.add(["x|y", "12"])
        #expect(table.text == "      a\nx|y  12")
        #expect(table.markdown == "|  | a |\n| --- | ---: |\n| x\\|y | 12 |")
    }

    @Test("has a table for what was measured, and none for what was not")
    func sections() throws {
        let report = try Report.sample()
        let titles = report.sections.map(\.title)
        #expect(titles.contains("A burst of 100,000 records, with the uploader beside it"))
        #expect(titles.contains("To start and to end"))
        #expect(!titles.contains { $0.hasPrefix("Ship ") || $0.hasPrefix("Where the time") })
    }

    @Test("names the drawings beside the page, and the command that makes it")
    func page() throws {
        let page = try Report.sample().markdown(plots: "plots/")
        #expect(page.contains("Made by `Scripts/bench`"))
        #expect(page.contains("](plots/benchmark-latency.svg)"))
        #expect(try !Report.sample().markdown(plots: nil).contains(".svg"))
    }

    @Test("is read back from its JSON")
    func json() throws {
        let report = try Report.sample()
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        #expect(try decoder.decode(Report.self, from: report.json).json == report.json)
    }

    @Test("is of scenarios that the script's help names, in their order")
    func help() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let script = try String(contentsOf: root.appendingPathComponent("Scripts/bench"), encoding: .utf8)
        let list = try #require(script.firstMatch(of: /they are measured:\n\n((?:.+\n)+)USAGE\n/)).1
        let names = list.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) }
        #expect(names == Scenario.allCases.map(\.rawValue))
    }

    @Test("is of lines that are as long as they claim, and all different", arguments: [128, 2_048, 65_536])
    func lines(_ byteCount: Int) {
        let lines = SampleLines(byteCount: byteCount)
        #expect(lines.all.allSatisfy { $0.utf8.count == byteCount && !$0.contains("\n") })
        #expect(Set(lines.all).count == lines.all.count)
        lines.withMessages(lines.all.count..<lines.all.count + 1) { #expect($0[0].elementsEqual(lines.all[0].utf8)) }
    }

    @Test("counts what a process has logged, as many a second as it was told")
    func process() throws {
        let scratch = try TemporaryDirectory()
        let process = try ChildProcess(
            try BuiltProducts.executable("logbeam-bench"),
            ["emit", "write", "2", "100", "http://127.0.0.1:1", "1000"],
            environment: ["LOGBEAM_SPOOL": scratch.file("spool.db")]
        )
        try process.write("one\ntwo\n")
        process.closeInput()
        #expect(try process.wait().exitCode == 0, "\(process.text(.standardError))")
        let figures = try JSONDecoder().decode(HandlerFigures.self, from: Data(process.output()))
        #expect(figures.records == 100)
        // 49 pauses of two milliseconds.
        #expect(figures.loggedSeconds >= 0.098)
        #expect(try String(contentsOfFile: scratch.file("spool.db.txt"), encoding: .utf8).count == 400)
    }
}
