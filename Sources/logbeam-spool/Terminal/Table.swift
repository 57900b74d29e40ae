/// Rows of cells: columns that are aligned and fit the terminal, or one line of fields with tabs between them for
/// programs, which have no header and never change their order. Pure.
struct Table {
    /// What happens to a column where the terminal is too narrow for all.
    enum Fit {
        /// Nothing: numbers, times.
        case whole
        /// Long cells lose their middle.
        case shortened
        /// Goes on in the next line, below itself. For the last column.
        case wrapped
        /// Left out, from the right, if shortening others is not enough.
        case optional
    }

    struct Column {
        var title: String
        var fit = Fit.whole
        var isRightAligned = false

        init(_ title: String, _ fit: Fit = .whole, alignRight: Bool = false) {
            self.title = title
            self.fit = fit
            isRightAligned = alignRight
        }
    }

    var columns: [Column]
    /// As many cells each as there are columns.
    var rows: [[Cell]]

    init(_ columns: [Column], rows: [[Cell]]) {
        self.columns = columns
        self.rows = rows
    }

    /// A fact a line: its name and what it is, without a header.
    init(facts: [(String, Cell)]) {
        columns = [Column(""), Column("", .wrapped)]
        rows = facts.map { [.text($0), $1] }
    }

    /// On a terminal, where any column has a title.
    private var hasHeader: Bool { !columns.allSatisfy(\.title.isEmpty) }

    private static let gap = 2
    /// What a cell that is shortened or wrapped keeps at least.
    private static let shortest = 10
    private static let shortestWrapped = 20

    /// The lines, each with its end.
    ///
    /// - Parameter terminal: `nil` for programs.
    func text(on terminal: Terminal?) -> String { lines(on: terminal).map { $0 + "\n" }.joined() }

    func lines(on terminal: Terminal?) -> [String] {
        guard let terminal else { return rows.map { $0.map { $0.text(on: nil) }.joined(separator: "\t") } }
        let header = hasHeader ? [columns.map { Cell.text($0.title).painted(.strong) }] : []
        let cells = (header + rows).map { row in row.map { (cell: $0, text: $0.text(on: terminal)) } }
        let natural = columns.indices.map { column in cells.map { $0[column].text.displayWidth }.max() ?? 0 }
        let widths = fitted(natural, to: terminal.columns)
        return cells.flatMap { lines($0, widths, on: terminal) }
    }

    /// How wide each column is; `nil` for one that is left out.
    private func fitted(_ natural: [Int], to room: Int) -> [Int?] {
        var widths = natural.map(Optional.some)
        func fits(_ widths: [Int?]) -> Bool {
            let shown = widths.compactMap(\.self)
            return shown.reduce(0, +) + Self.gap * max(0, shown.count - 1) <= room
        }
        /// Makes the widest of a kind narrower first, as far as it has to be, and no narrower than `least`.
        func shrink(_ fit: Fit, to least: Int) {
            func capped(_ cap: Int) -> [Int?] {
                columns.indices.map { columns[$0].fit == fit ? widths[$0].map { min($0, cap) } : widths[$0] }
            }
            var (low, high) = (least, max(least, widths.compactMap(\.self).max() ?? 0))
            while low < high {
                let middle = (low + high + 1) / 2
                if fits(capped(middle)) { low = middle } else { high = middle - 1 }
            }
            widths = capped(low)
        }
        shrink(.wrapped, to: 2 * Self.shortestWrapped)
        shrink(.shortened, to: 2 * Self.shortest)
        shrink(.wrapped, to: Self.shortestWrapped)
        shrink(.shortened, to: Self.shortest)
        for column in columns.indices.reversed() where columns[column].fit == .optional && !fits(widths) {
            widths[column] = nil
        }
        return widths
    }

    private func lines(_ row: [(cell: Cell, text: String)], _ widths: [Int?], on terminal: Terminal) -> [String] {
        let shown = columns.indices.filter { widths[$0] != nil }
        let pieces = shown.map { column in
            let (text, width) = (row[column].text, widths[column] ?? 0)
            return switch columns[column].fit {
            case .wrapped: text.wrapped(to: width)
            case .shortened: [text.shortened(to: width)]
            case .whole, .optional: [text]
            }
        }
        return (0..<(pieces.map(\.count).max() ?? 0)).map { number in
            var line = ""
            var padding = 0
            for (column, pieces) in zip(shown, pieces) {
                let piece = number < pieces.count ? pieces[number] : ""
                let width = widths[column] ?? 0
                let free = max(0, width - piece.displayWidth)
                let before = columns[column].isRightAligned ? free : 0
                if !piece.isEmpty {
                    line += String(repeating: " ", count: padding + before)
                    line += row[column].cell.paint(piece, on: terminal)
                    padding = 0
                }
                padding += (piece.isEmpty ? width : free - before) + Self.gap
            }
            return line
        }
    }
}
