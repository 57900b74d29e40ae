/// What a terminal shows, as far as the programs here use one (ECMA-48; DECAWM of xterm): made of all that was written
/// to it.
package struct Screen {
    package private(set) var window: WindowSize
    private var cells: [[Character]]
    private var row = 0
    private var column = 0
    private var wraps = true
    /// What was written that it does not know: a test that looks at the screen should see that there is none.
    package private(set) var unknown: [String] = []
    /// The text that was written in colour.
    package private(set) var hasColor = false

    package init(_ window: WindowSize, _ output: some StringProtocol) {
        self.window = window
        cells = Array(repeating: [], count: window.rows)
        // `\r\n` is one character of a Swift string.
        var rest = Array(output).flatMap { $0 == "\r\n" ? ["\r", "\n"] : [$0] }[...]
        while let character = rest.popFirst() {
            switch character {
            case "\r": column = 0
            case "\n": lineFeed()
            case "\u{1B}": control(&rest)
            case "\u{7}", "\u{8}": unknown.append(String(character))
            default: put(character)
            }
        }
    }

    /// Its lines, without spaces at their ends and without empty ones at the end.
    package var lines: [String] {
        var lines = cells.map { line in
            var text = String(line)
            while text.last == " " { text.removeLast() }
            return text
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    /// The place of the cursor; both count from 0.
    package var cursor: (row: Int, column: Int) { (row, column) }

    private mutating func put(_ character: Character) {
        if column == window.columns {
            guard wraps else {
                cells[row][column - 1] = character
                return
            }
            column = 0
            lineFeed()
        }
        while cells[row].count <= column { cells[row].append(" ") }
        cells[row][column] = character
        column += 1
    }

    private mutating func lineFeed() {
        row += 1
        guard row == window.rows else { return }
        row -= 1
        cells.removeFirst()
        cells.append([])
    }

    private mutating func control(_ rest: inout ArraySlice<Character>) {
        guard rest.popFirst() == "[" else { return unknown.append("ESC") }
        var parameter = ""
        while let character = rest.popFirst() {
            if character.isLetter { return perform(character, parameter) }
            parameter.append(character)
        }
    }

    private mutating func perform(_ function: Character, _ parameter: String) {
        switch (function, parameter) {
        case ("A", _): row = max(0, row - (Int(parameter) ?? 1))
        case ("H", ""): (row, column) = (0, 0)
        case ("J", "2"): cells = Array(repeating: [], count: window.rows)
        case ("J", ""):
            cells[row] = Array(cells[row].prefix(column))
            for line in cells.indices.dropFirst(row + 1) { cells[line] = [] }
        case ("K", ""): cells[row] = Array(cells[row].prefix(column))
        case ("K", "2"): cells[row] = []
        case ("l", "?7"): wraps = false
        case ("h", "?7"): wraps = true
        case ("m", _): hasColor = hasColor || parameter != "0"
        default: unknown.append("\(parameter)\(function)")
        }
    }
}
