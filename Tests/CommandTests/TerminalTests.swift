import Foundation
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

extension Terminal {
    /// Wide, without colour, in UTC: what is written is what is said.
    static let plain = Terminal(size: (200, 50), environment: { $0 == "NO_COLOR" ? "1" : nil })

    static func plain(columns: Int) -> Terminal {
        var terminal = plain
        terminal.columns = columns
        return terminal
    }
}

@Suite("The terminal, and what is written on it")
struct TerminalTests {
    private static func terminal(_ size: (columns: Int, rows: Int)?, _ environment: [String: String]) -> Terminal {
        Terminal(size: size, environment: { environment[$0] })
    }

    @Test("Its size is what it says, else COLUMNS and LINES, else 80 by 24")
    func size() {
        let variables = ["COLUMNS": "100", "LINES": "30"]
        let cases: [((columns: Int, rows: Int)?, [String: String], Int, Int)] = [
            ((120, 40), variables, 120, 40), (nil, variables, 100, 30), ((0, 0), variables, 100, 30),
            (nil, [:], 80, 24), (nil, ["COLUMNS": "0", "LINES": "many"], 80, 24),
        ]
        for (size, environment, columns, rows) in cases {
            let terminal = Self.terminal(size, environment)
            #expect(terminal.columns == columns && terminal.rows == rows, "\(environment)")
        }
    }

    @Test("Colour is for terminals that have it, and for those who want it")
    func color() {
        let cases: [([String: String], Bool, Bool)] = [
            (["TERM": "xterm"], true, true), (["TERM": "xterm", "NO_COLOR": ""], true, true),
            (["TERM": "xterm", "NO_COLOR": "0"], false, true), (["TERM": "dumb"], false, false),
            (["TERM": "dumb", "NO_COLOR": "1"], false, false),
        ]
        for (environment, hasColor, canMove) in cases {
            let terminal = Self.terminal(nil, environment)
            #expect(terminal.hasColor == hasColor && terminal.canMove == canMove, "\(environment)")
            #expect(terminal.painted("text", .bad) == (hasColor ? "\u{1B}[31mtext\u{1B}[0m" : "text"))
            #expect(terminal.painted("text", nil) == "text")
        }
    }

    @Test("A descriptor that is no terminal is none")
    func noTerminal() throws {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/dev/null"))
        #expect(Terminal.at(file.fileDescriptor) == nil)
        #expect(Terminal.at(-1) == nil)
    }

    /// 2026-11-22T19:42:09.123Z
    private static let time: Int64 = 1_795_376_529_123

    @Test(
        "Times are those of the place, and say of which",
        arguments: [
            (Zone.utc, "2026-11-22 19:42:09 +0000", "2026-11-22 19:42:09.123 +0000"),
            (.fixed(3_600), "2026-11-22 20:42:09 +0100", "2026-11-22 20:42:09.123 +0100"),
            (.fixed(-12_600), "2026-11-22 16:12:09 -0330", "2026-11-22 16:12:09.123 -0330"),
            (.fixed(20_700), "2026-11-23 01:27:09 +0545", "2026-11-23 01:27:09.123 +0545"),
        ]
    )
    func zones(zone: Zone, seconds: String, milliseconds: String) {
        #expect(zone.text(Self.time) == seconds)
        #expect(zone.text(Self.time, milliseconds: true) == milliseconds)
    }

    @Test("Times at the ends of the numbers are shown, and end nothing", arguments: [Int64.min, .max, 0, -1])
    func extremeTimes(time: Int64) {
        for zone in [Zone.utc, .local, .fixed(50_400), .fixed(-43_200)] {
            #expect(zone.text(time).count == "2026-11-22 19:42:09 +0000".count)
        }
    }

    // MARK: Width

    @Test(
        "Text takes the room that a terminal gives it",
        arguments: [
            ("", 0), ("abc", 3), ("ä€", 2), ("e\u{301}", 1), ("日本", 4), ("한글", 4), ("😀", 2), ("👩‍👩‍👧", 2), ("ｆ", 2),
            ("\u{200B}", 0),
        ]
    )
    func widths(text: String, width: Int) {
        #expect(text.displayWidth == width)
    }

    @Test("Text is shortened in its middle, and never wider than asked for")
    func shortened() {
        #expect("/aws/lambda/orders".shortened(to: 18) == "/aws/lambda/orders")
        #expect("/aws/lambda/orders".shortened(to: 9) == "/aws…ders")
        #expect("日本語日本語".shortened(to: 6) == "日…語")
        for text in ["/aws/lambda/orders", "日本語日本語", "e\u{301}e\u{301}e\u{301}", "😀😀😀"] {
            for width in 0...20 {
                #expect(text.shortened(to: width).displayWidth <= width)
                #expect(text.clipped(to: width).displayWidth <= width)
            }
        }
    }

    @Test(
        "Text is wrapped at spaces, and words that are too long are broken",
        arguments: [
            ("one two three", 7, ["one two", "three"]), ("one two", 7, ["one two"]), ("", 5, [""]),
            ("abcdefghij kl", 4, ["abcd", "efgh", "ij", "kl"]), ("a abcdefg", 4, ["a", "abcd", "efg"]),
            ("日本語", 4, ["日本", "語"]), ("a  b", 2, ["a ", "b"]), ("abc", 1, ["abc"]),
        ]
    )
    func wrapped(text: String, width: Int, lines: [String]) {
        #expect(text.wrapped(to: width) == lines)
    }

    @Test("A message as long as one can be is wrapped in no time to speak of, and whole")
    func wrapsLongText() {
        let text = String(repeating: "x", count: 1_048_550)
        let lines = text.wrapped(to: 72)
        #expect(lines.joined() == text)
        #expect(lines.allSatisfy { $0.utf8.count <= 72 })
    }

    // MARK: Cells and tables

    @Test("A cell is for people on a terminal, and for programs elsewhere")
    func cells() {
        let cells: [(Cell, people: String, programs: String)] = [
            (.text("evil\u{1B}[2J"), #"evil\u001b[2J"#, #"evil\u001b[2J"#),
            (.count(12_000), "12,000", "12000"), (.bytes(1_234_567), "1.2 MB", "1234567"),
            (.duration(milliseconds: 200_900), "3 min 20 s", "200"), (.duration(milliseconds: nil), "-", "-"),
            (.time(Self.time), "2026-11-22 19:42:09 +0000", "2026-11-22T19:42:09.123Z"),
            (.time(Self.time, milliseconds: true), "2026-11-22 19:42:09.123 +0000", "2026-11-22T19:42:09.123Z"),
            (.age(of: Self.time, now: Self.time + 2_000), "2.0 s ago", "2026-11-22T19:42:09.123Z"),
            (.age(of: nil, now: 0), "-", "-"), (.none, "-", "-"),
        ]
        for (cell, people, programs) in cells {
            #expect(cell.text(on: .plain) == people)
            #expect(cell.text(on: nil) == programs)
            #expect(cell.painted(.bad).text(on: nil) == programs)
        }
    }

    private static let table = Table(
        [
            .init("NAME", .shortened), .init("COUNT", alignRight: true), .init("MORE", .optional),
            .init("TEXT", .wrapped),
        ],
        rows: [
            [
                .text("/aws/lambda/orders/of/today"), .count(12_000), .text("more"),
                .text("one two three four five six"),
            ],
            [.text("s"), .count(1), .none, .text("evil\u{1B}[2J")],
        ]
    )

    @Test("Columns are aligned")
    func aligned() {
        #expect(
            Self.table.text(on: .plain) == #"""
                NAME                          COUNT  MORE  TEXT
                /aws/lambda/orders/of/today  12,000  more  one two three four five six
                s                                 1  -     evil\u001b[2J

                """#
        )
    }

    @Test("On a narrow terminal names lose their middle, text is wrapped, and at last columns are left out")
    func narrow() {
        #expect(
            Self.table.text(on: .plain(columns: 60)) == #"""
                NAME                   COUNT  MORE  TEXT
                /aws/lamb…s/of/today  12,000  more  one two three four five
                                                    six
                s                          1  -     evil\u001b[2J

                """#
        )
        #expect(
            Self.table.text(on: .plain(columns: 40)) == #"""
                NAME         COUNT  TEXT
                /aws…today  12,000  one two three four
                                    five six
                s                1  evil\u001b[2J

                """#
        )
        for columns in 38...120 {
            let lines = Self.table.text(on: .plain(columns: columns)).split(separator: "\n")
            #expect(lines.allSatisfy { $0.displayWidth <= columns }, "\(columns)")
        }
        // What can not fit is shown all the same.
        #expect(Self.table.text(on: .plain(columns: 1)).contains("12,000"))
    }

    @Test("For programs a row is a line, its fields have tabs between them, and there is no header")
    func forPrograms() {
        #expect(
            Self.table.text(on: nil) == """
                /aws/lambda/orders/of/today\t12000\tmore\tone two three four five six
                s\t1\t-\tevil\\u001b[2J

                """
        )
        #expect(Table([.init("A")], rows: []).text(on: nil).isEmpty)
    }

    @Test("Facts have no header, and the room that the terminal has")
    func facts() {
        let facts = Table(facts: [("a", .count(1_000)), ("name", .text("one two three four five six"))])
        #expect(facts.text(on: .plain(columns: 28)) == "a     1,000\nname  one two three four\n      five six\n")
        #expect(facts.text(on: nil) == "a\t1000\nname\tone two three four five six\n")
    }

    @Test("Colour changes no place: it surrounds the text of a cell, and none of the room beside it")
    func paintedTable() {
        let colorful = Terminal(size: (80, 24), environment: { _ in nil })
        let table = Table([.init("N", alignRight: true), .init("T")], rows: [[.count(1).painted(.bad), .text("x")]])
        #expect(table.text(on: colorful) == "\u{1B}[1mN\u{1B}[0m  \u{1B}[1mT\u{1B}[0m\n\u{1B}[31m1\u{1B}[0m  x\n")
    }

    // MARK: Confirmation

    @Test(
        "Only yes is yes",
        arguments: [
            ("y", true), ("Y", true), (" yes ", true), ("YES", true), ("", false), ("n", false), ("yes please", false),
            ("ye s", false),
        ]
    )
    func answers(answer: String, isYes: Bool) {
        #expect(Confirmation.isYes(answer) == isYes)
    }
}
