internal import LogbeamCore

extension String {
    /// On one line and harmless for a terminal: what could control it is escaped as JSON escapes it.
    var printable: String {
        escaped { $0.isUnprintable }
    }

    /// Its lines, each ``printable``. Not by characters: to Swift the two that end a line of Windows are one.
    var printableLines: [String] {
        unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }
    }

    /// As a JSON string, with quotes, that is harmless for a terminal too.
    var jsonQuoted: String {
        "\"\(escaped { $0.isUnprintable || $0 == "\"" || $0 == "\\" })\""
    }

    private func escaped(_ isEscaped: (Unicode.Scalar) -> Bool) -> String {
        var text = ""
        for scalar in unicodeScalars {
            // All that is unprintable lies in the basic plane.
            if isEscaped(scalar) { text.appendEscape(of: scalar) } else { text.unicodeScalars.append(scalar) }
        }
        return text
    }
}

extension Unicode.Scalar {
    /// The controls of C0 and C1, DEL, the separators of lines and paragraphs, and what turns the direction of text,
    /// with which a name can be made to look like another (Unicode Technical Report 36, section 3.4).
    fileprivate var isUnprintable: Bool {
        switch value {
        case 0...0x1F, 0x7F...0x9F, 0x61C, 0x2028...0x202E, 0x200E, 0x200F, 0x2066...0x2069: true
        default: false
        }
    }
}
