/// How much room text takes on a terminal, and how it is made to fit. All of it is for text without control characters.
extension String {
    /// Its beginning, as far as that takes at most so many columns.
    func clipped(to columns: Int) -> String { String(beginning(columns)) }

    /// With `…` in its middle where it would take more than so many columns: the ends of names tell them apart.
    func shortened(to columns: Int) -> String {
        guard displayWidth > columns else { return self }
        guard columns > 1 else { return columns == 1 ? "…" : "" }
        let head = beginning((columns - 1) / 2)
        let tail = String(reversed()).beginning(columns - 1 - String(head).displayWidth)
        return "\(head)…\(String(tail.reversed()))"
    }

    /// In lines of at most so many columns, broken at spaces; a word that is longer than a line is broken too.
    func wrapped(to columns: Int) -> [String] {
        guard displayWidth > columns, columns > 1 else { return [self] }
        var lines: [String] = []
        var line = ""
        var width = 0
        for word in split(separator: " ", omittingEmptySubsequences: false) {
            let wordWidth = word.displayWidth
            if width > 0, width + 1 + wordWidth <= columns {
                line += " \(word)"
                width += 1 + wordWidth
                continue
            }
            if width > 0 { lines.append(line) }
            var rest = word
            while true {
                let piece = rest.beginning(columns)
                // A character may be wider than the line; it stands there all the same.
                let end = piece.isEmpty && !rest.isEmpty ? rest.index(after: rest.startIndex) : piece.endIndex
                line = String(rest[..<end])
                rest = rest[end...]
                if rest.isEmpty { break }
                lines.append(line)
            }
            width = line.displayWidth
        }
        return width > 0 ? lines + [line] : lines
    }
}

extension StringProtocol {
    /// The columns that it takes.
    var displayWidth: Int { reduce(0) { $0 + $1.displayWidth } }

    fileprivate func beginning(_ columns: Int) -> SubSequence {
        var width = 0
        return prefix {
            width += $0.displayWidth
            return width <= columns
        }
    }
}

extension Character {
    /// 0, 1 or 2 columns: the widest of its scalars, for the others combine with that one.
    fileprivate var displayWidth: Int { unicodeScalars.reduce(0) { max($0, $1.displayWidth) } }
}

extension Unicode.Scalar {
    fileprivate var displayWidth: Int {
        if isASCII { return 1 }
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: return isWide ? 2 : 1
        }
    }

    /// The East Asian letters that are two columns wide (Unicode Standard Annex 11, as far as whole blocks have them), and
    /// what is shown as a picture.
    private var isWide: Bool {
        switch value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
            0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x20000...0x3FFFD:
            true
        default: properties.isEmojiPresentation
        }
    }
}
