internal import LogbeamCore

/// A value in a report: written for people on a terminal, and for programs elsewhere. No control character stands in
/// either.
struct Cell: Equatable {
    private enum Value: Equatable {
        case none
        case text(String)
        case count(Int)
        case bytes(Int)
        case duration(Int64)
        case time(Int64, milliseconds: Bool)
        case age(Int64, now: Int64)
    }

    private var value: Value
    private var paint: Terminal.Paint?

    /// Of what comes from records, names, or anywhere; empty text is shown as it is.
    static func text(_ text: String) -> Cell { Cell(value: .text(text)) }

    /// `10,000`, and `10000`.
    static func count(_ number: Int) -> Cell { Cell(value: .count(number)) }

    /// `1.2 MB`, and `1234567`.
    static func bytes(_ number: Int) -> Cell { Cell(value: .bytes(number)) }

    /// `3 min 20 s`, and whole seconds, rounded down: `200`. As all of these, nothing is `-`.
    static func duration(milliseconds: Int64?) -> Cell { Cell(value: milliseconds.map { .duration($0) } ?? .none) }

    /// Local time with its zone, and ISO 8601 in UTC.
    static func time(_ time: Int64?, milliseconds: Bool = false) -> Cell {
        Cell(value: time.map { .time($0, milliseconds: milliseconds) } ?? .none)
    }

    /// `3 min 20 s ago`, and the time itself in ISO 8601.
    static func age(of time: Int64?, now: Int64) -> Cell { Cell(value: time.map { .age($0, now: now) } ?? .none) }

    /// `-`
    static let none = Cell(value: .none)

    /// In a colour, on a terminal that has any.
    func painted(_ paint: Terminal.Paint?) -> Cell { Cell(value: value, paint: paint) }

    /// - Parameter terminal: `nil` for programs.
    func text(on terminal: Terminal?) -> String {
        switch value {
        case .none: "-"
        case .text(let text): text.printable
        case .count(let number): terminal == nil ? "\(number)" : number.grouped
        case .bytes(let number): terminal == nil ? "\(number)" : HumanUnits.bytes(number)
        case .duration(let milliseconds):
            terminal == nil ? "\(milliseconds / 1_000)" : HumanUnits.duration(milliseconds: milliseconds)
        case .time(let time, let milliseconds): Self.time(time, milliseconds, terminal)
        case .age(let time, let now): terminal == nil ? Self.time(time, true, nil) : HumanUnits.age(of: time, now: now)
        }
    }

    /// Lays colour over text of this cell that was made to fit.
    func paint(_ text: String, on terminal: Terminal) -> String { terminal.painted(text, paint) }

    private static func time(_ time: Int64, _ milliseconds: Bool, _ terminal: Terminal?) -> String {
        terminal?.zone.text(time, milliseconds: milliseconds) ?? UTCTime(millisecondsSinceEpoch: time).iso8601
    }
}
