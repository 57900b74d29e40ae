/// Lines that are drawn again and again at the same place of a terminal. Pure: gives the bytes, and writes none.
///
/// The terminal is left as it was found whenever the program ends, however it ends: nothing is hidden, no mode is changed
/// beyond one drawing, and what was drawn last stays where it is.
struct Redraw {
    /// How many lines stand above the cursor.
    private var drawn = 0

    /// The next drawing: as many lines as the terminal shows, but for the one of the cursor.
    ///
    /// - Parameter isAnew: it is not known what has become of the last drawing, because the terminal has another size, say:
    ///   all that it shows is erased.
    mutating func draw(_ lines: [String], on terminal: Terminal, isAnew: Bool = false) -> String {
        let lines = lines.prefix(max(1, terminal.rows - 1))
        let back = isAnew ? Self.home : drawn > 0 ? "\u{1B}[\(drawn)A" : ""
        drawn = lines.count
        return "\r\(back)\(Self.noWrap)" + lines.map { "\(Self.eraseLine)\($0)\n" }.joined()
            + Self.eraseBelow + Self.wrap
    }

    /// What to write at the end, so that nothing (`^C`, say) stands behind the last drawing.
    var end: String { "\r\(Self.eraseBelow)" }

    // ECMA-48: CUP and ED, EL, ED. Long lines are cut by the terminal: DECAWM, which all have that came after the VT100.
    private static let home = "\u{1B}[H\u{1B}[2J"
    private static let eraseLine = "\u{1B}[2K"
    private static let eraseBelow = "\u{1B}[J"
    private static let noWrap = "\u{1B}[?7l"
    private static let wrap = "\u{1B}[?7h"
}
