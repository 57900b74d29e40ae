/// Text for man(7). Pure.
enum Roff {
    /// As it stands in running text: nothing in it is taken for a request, and what looks like a quote, an accent or a
    /// hyphen is what was typed (groff_char(7)).
    static func escaped(_ text: String) -> String {
        var roff = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": roff += "\\e"
            case "-": roff += "\\-"
            case "'": roff += "\\(aq"
            case "`": roff += "\\(ga"
            case "^": roff += "\\(ha"
            case "~": roff += "\\(ti"
            case _ where scalar.isASCII: roff.unicodeScalars.append(scalar)
            default: roff += "\\[u\(hexadecimal(scalar.value))]"
            }
        }
        return roff.hasPrefix(".") ? "\\&" + roff : roff
    }

    /// Running text in which options are bold.
    static func prose(_ text: String) -> String {
        text.split(separator: " ", omittingEmptySubsequences: false).map { word in
            guard word.hasPrefix("--") else { return escaped(String(word)) }
            let end = word.firstIndex { !($0.isLetter || $0.isNumber || $0 == "-") } ?? word.endIndex
            return bold(String(word[..<end])) + escaped(String(word[end...]))
        }.joined(separator: " ")
    }

    static func bold(_ text: String) -> String { "\\fB\(escaped(text))\\fR" }
    static func italic(_ text: String) -> String { "\\fI\(escaped(text))\\fR" }

    /// Lines as they are.
    static func literal(_ lines: [String]) -> [String] {
        // groff hyphenates again after the end of an example.
        [".EX"] + lines.map { $0.isEmpty ? "\\&" : escaped($0) } + [".EE", noHyphenation]
    }

    static let noHyphenation = ".nh"
    static let raggedRight = ".ad l"

    private static func hexadecimal(_ number: UInt32) -> String {
        let digits = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

/// The parts of the long help of a command: paragraphs, and lines that are kept as they are. Pure.
struct Discussion: Equatable {
    enum Part: Equatable {
        case paragraph(String)
        case lines([String])
    }

    var parts: [Part] = []
    /// What stands below `Examples:`, without its indentation of two.
    var examples: [String] = []

    private static let examplesTitle = "Examples:"
    /// These have a section of their own.
    private static let exitCodesTitle = "Exit codes:"

    init(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var isExamples = false
        var isLeftOut = false
        for line in lines {
            let isIndented = line.hasPrefix("  ")
            if !line.isEmpty, !isIndented {
                isExamples = line == Self.examplesTitle
                isLeftOut = line == Self.exitCodesTitle
                if !isExamples, !isLeftOut { parts.append(.paragraph(line)) }
            } else if isLeftOut || line.isEmpty {
                continue
            } else if isExamples {
                examples.append(String(line.dropFirst(2)))
            } else if case .lines(let before)? = parts.last {
                parts[parts.count - 1] = .lines(before + [line])
            } else {
                parts.append(.lines([line]))
            }
        }
    }
}
