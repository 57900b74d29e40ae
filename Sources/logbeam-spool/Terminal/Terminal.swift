#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// A terminal on which a person reads, as far as the look of what is written depends on it.
///
/// Reports get one, or `nil` where a program reads: then they are plain, and the same on every machine.
struct Terminal: Equatable {
    /// How many characters a line holds; at least 1.
    var columns: Int
    /// How many lines it shows; at least 1.
    var rows: Int
    /// Whether it can do more than print lines: move, erase.
    var canMove: Bool
    var hasColor: Bool
    var zone: Zone

    /// - Parameters:
    ///   - size: as the terminal says it; `nil` or 0 where it does not.
    ///   - environment: the value of a variable. COLUMNS and LINES stand in for a size that is not known (POSIX, chapter
    ///     8.3); NO_COLOR turns colour off unless it is empty (no-color.org); TERM=dumb is a terminal that prints lines.
    init(
        size: (columns: Int, rows: Int)? = nil,
        environment: (String) -> String? = { _ in nil },
        zone: Zone = .utc
    ) {
        func number(_ size: Int?, _ variable: String, _ fallback: Int) -> Int {
            if let size, size > 0 { return size }
            if let text = environment(variable), let number = Int(text), number > 0 { return number }
            return fallback
        }
        columns = number(size?.columns, "COLUMNS", 80)
        rows = number(size?.rows, "LINES", 24)
        canMove = environment("TERM") != "dumb"
        hasColor = canMove && (environment("NO_COLOR") ?? "").isEmpty
        self.zone = zone
    }

    /// What a descriptor leads to now; `nil` if that is no terminal.
    static func at(_ descriptor: Int32) -> Terminal? {
        guard isatty(descriptor) == 1 else { return nil }
        var size = winsize()
        let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0
        return Terminal(
            size: isKnown ? (Int(size.ws_col), Int(size.ws_row)) : nil,
            environment: { getenv($0).map { String(cString: $0) } },
            zone: .local
        )
    }

    /// Where standard output leads to now; `nil` if that is no terminal.
    static var output: Terminal? { at(STDOUT_FILENO) }

    // MARK: Colour

    /// What a colour says; it is never the only one to say it.
    enum Paint: Int {
        // The numbers are those of ECMA-48, SGR.
        case strong = 1
        case faint = 2
        case bad = 31
        case good = 32
        case warning = 33
    }

    /// The text in a colour, where there is any.
    func painted(_ text: String, _ paint: Paint?) -> String {
        guard hasColor, let paint, !text.isEmpty else { return text }
        return "\u{1B}[\(paint.rawValue)m\(text)\u{1B}[0m"
    }
}
