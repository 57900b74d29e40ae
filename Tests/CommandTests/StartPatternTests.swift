import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("A pattern for the first line of a record")
struct StartPatternTests {
    private func matches(_ pattern: String, _ line: some Sequence<UInt8>) throws -> Bool {
        let pattern = try StartPattern(pattern)
        return Array(line).withUnsafeBufferPointer { pattern.matches($0) }
    }

    @Test(
        "is looked for in the line",
        arguments: [
            ("^[^ ]", "a", true), ("^[^ ]", " a", false), ("^[^ ]", "", false), ("^$", "", true), ("a$", "ba", true),
            ("^(INFO|WARN) ", "WARN x", true), ("INFO", "x INFO", true), ("^a[^c]b", "a\0b", true),
            ("^[0-9]{4}-", "2026-11", true),
            ("^[[:digit:]]+", "x1", false), ("é", "caf\u{e9}", true), ("^\\{", "{", true), ("a{2}", "caab", true),
        ]
    )
    func found(pattern: String, line: String, isFound: Bool) throws {
        #expect(try matches(pattern, line.utf8) == isFound)
    }

    @Test("is looked for in any bytes")
    func junk() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<1_000 {
            let bytes = (0..<Int.random(in: 0...50, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(try matches("^[^ ]", bytes) == (bytes.first ?? 32 != 32), "\(bytes)")
        }
    }

    @Test("is looked for in the first 1,024 bytes, whose end is not that of the line")
    func bounded() throws {
        for (length, isFound) in [(1_023, true), (1_024, false)] {
            #expect(try matches("x", [UInt8](repeating: 97, count: length) + Array("x".utf8)) == isFound)
        }
        #expect(try matches("a$", [UInt8](repeating: 97, count: 1_024)))
        #expect(try !matches("a$", [UInt8](repeating: 97, count: 1_025)))
    }

    @Test(
        "that might take long, or much memory, is refused; so is one that is none",
        arguments: [
            "", "(a*)*\\1", "((a{1,500}){1,3})", "a{1001}", "(((a{10}){10}){10}){10}", "a{99999999999999999999}", "(",
            "[a",
            String(repeating: "a", count: 513), "a\0b",
        ]
    )
    func refused(pattern: String) {
        #expect(throws: StartPattern.Fault.self) { try StartPattern(pattern) }
    }

    @Test(
        "that makes others slow does not make it slow",
        arguments: ["(a+)+$", "(a|aa)+$", "(.*)*b", "((a?){30}){30}b", "(a|a|a|b)*c", "(x+x+)+y", ".*.*.*.*.*.*.*b"]
    )
    func fast(pattern: String) throws {
        let compiled = try StartPattern(pattern)
        let line = [UInt8](repeating: UInt8(ascii: "a"), count: 100_000) + [UInt8(ascii: "!")]
        // By the time of the thread: thousands of lines take less than a second where nobody else is at work. Backtracking
        // would not come to its end for one.
        line.withUnsafeBufferPointer { line in
            for _ in 0..<20 { #expect(!compiled.matches(line)) }
        }
    }
}
