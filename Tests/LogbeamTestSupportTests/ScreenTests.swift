import LogbeamTestSupport
import Testing

@Suite("The screen of the tests")
struct ScreenTests {
    private static func screen(_ output: String) -> Screen { Screen(WindowSize(columns: 5, rows: 3), output) }

    @Test(
        "shows what a terminal would",
        arguments: [
            ("ab\r\nc", ["ab", "c"]), ("ab\rc", ["cb"]), ("abcdefg", ["abcde", "fg"]),
            ("a\r\nb\r\nc\r\nd", ["b", "c", "d"]),
            ("abc\r\u{1B}[Kd", ["d"]), ("ab\r\ncd\u{1B}[1A\r\u{1B}[2Kx", ["x", "cd"]),
            ("ab\r\ncd\u{1B}[H\u{1B}[Jx", ["x"]),
            ("ab\u{1B}[2J\u{1B}[Hx", ["x"]), ("\u{1B}[?7labcdefg\u{1B}[?7h", ["abcdg"]),
            ("\u{1B}[31ma\u{1B}[0m", ["a"]),
            ("abcde\r\nf", ["abcde", "f"]),
        ]
    )
    func shows(output: String, lines: [String]) {
        let screen = Self.screen(output)
        #expect(screen.lines == lines)
        #expect(screen.unknown.isEmpty)
    }

    @Test("tells what it does not know, where the cursor is, and of colour")
    func tells() {
        #expect(Self.screen("\u{1B}[5n\u{1B}c\u{7}").unknown == ["5n", "ESC", "\u{7}"])
        #expect(Self.screen("ab\r\nc").cursor == (1, 1))
        #expect(Self.screen("\u{1B}[1ma\u{1B}[0m").hasColor && !Self.screen("a\u{1B}[0m").hasColor)
    }
}
