import Foundation

/// All figures of a run, as they are written to the JSON file. What was not measured is empty.
struct Report: Codable {
    var date: Date
    /// A short run, whose figures are rough.
    var isQuick: Bool
    /// What makes such a report.
    var command: String
    var machine: Machine

    var commits: [CommitComparison] = []
    var handlers: [HandlerRow] = []
    var bursts: [BurstFigures] = []
    var steady: [HandlerRow] = []
    var besideBacklog: [HandlerRow] = []
    var sizes: [SizeFigures] = []
    var flat: FlatComparison?
    var durabilities: [DurabilityFigures] = []
    var append: AppendFigures?
    /// Ascending by the number of records.
    var drains: [DrainFigures] = []
    var latencies: [LatencyFigures] = []
    var start: StartFigures?
    var breakdown: Breakdown?
    var targets: [Target] = []

    var json: Data {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            return try encoder.encode(self) + Data("\n".utf8)
        }
    }

    /// For a terminal.
    var text: String {
        let head = ["logbeam-bench, \(time), \(kind)", machine.description] + settings
        // The targets come last, where somebody sees them who has waited for them.
        let parts = (sections + targetSections).map { "\($0.title)\n\($0.table.text)" }
        return ([head.joined(separator: "\n")] + parts).joined(separator: "\n\n")
    }

    /// For a page.
    ///
    /// - Parameter plots: what stands before the name of a drawing where the page shows it; nil if there are none.
    func markdown(plots: String?) -> String {
        let facts = ([time, machine.description] + settings).map { "- \($0)" }.joined(separator: "\n")
        let head = ["# Figures", "Made by `\(command)`: \(kind).", facts]
        let pictures = plots.map { plots in drawings.map { "![\($0.title)](\(plots)\($0.name).svg)" } } ?? []
        let parts = (targetSections + sections).map { "## \($0.title)\n\n\($0.table.markdown)" }
        return (head + pictures + parts).joined(separator: "\n\n") + "\n"
    }

    private var time: String { date.formatted(.iso8601) }
    private var kind: String {
        if isQuick { return "a short run, rough figures" }
        return "medians of rounds that take turns; bursts, even loads, sizes and times of an answer are one run each"
    }
    private var settings: [String] { commits.prefix(1).map(\.settings) }
}
