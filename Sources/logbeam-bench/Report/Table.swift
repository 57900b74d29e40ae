import Foundation
import LogbeamCore

/// Text in columns: the first aligned to the left, the others to the right.
struct Table {
    private var rows: [[String]]

    init(columns: [String]) { rows = [columns] }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// For a terminal.
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

    var markdown: String {
        func line(_ cells: [String]) -> String {
            "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
        }
        let rule = rows[0].indices.map { $0 == 0 ? "---" : "---:" }
        return ([line(rows[0]), line(rule)] + rows.dropFirst().map(line)).joined(separator: "\n")
    }
}

extension Double {
    func with(decimals: Int) -> String { String(format: "%.\(decimals)f", self) }
    /// Without decimals, the digits in groups of three.
    var grouped: String { isFinite ? Int(self).grouped : "-" }
    /// With as many decimals as there are, two at the most.
    var trimmed: String {
        if self == rounded() { return grouped }
        let text = with(decimals: 2)
        return text.hasSuffix("0") ? String(text.dropLast()) : text
    }
}

extension Int {
    var asThreads: String { self == 1 ? "1 thread" : "\(self) threads" }

    /// Of a number of bytes.
    var mebibytes: String { (Double(self) / 1_048_576).with(decimals: 1) }
}
