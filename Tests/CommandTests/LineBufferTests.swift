import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("A line buffer cuts bytes into messages")
struct LineBufferTests {
    /// Feeds the bytes in reads of at most so many, and returns the messages and the bytes that were handed out.
    private func run(
        _ bytes: [UInt8],
        maximum: Int = 100,
        readSize: Int = 16
    ) -> (messages: [[UInt8]], bytes: [UInt8], cutLines: Int) {
        var buffer = LineBuffer(maximum: maximum, readSize: readSize)
        var rest = bytes[...]
        var messages: [[UInt8]] = []
        var seen: [UInt8] = []
        func keep(_ chunk: LineBuffer.Chunk) {
            messages += chunk.messages.map(Array.init)
            seen += chunk.bytes
        }
        while !rest.isEmpty {
            _ = buffer.fill { target in
                let count = min(target.count, readSize, rest.count)
                target.copyBytes(from: rest.prefix(count))
                rest = rest.dropFirst(count)
                return count
            }
            buffer.take(atEnd: false, keep)
        }
        buffer.take(atEnd: true, keep)
        return (messages, seen, buffer.cutLines)
    }

    private func lines(_ text: String, maximum: Int = 100, readSize: Int = 16) -> [String] {
        run(Array(text.utf8), maximum: maximum, readSize: readSize).messages.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        "Ends of lines",
        arguments: [
            ("", []),
            ("a\n", ["a"]),
            ("a\nb", ["a", "b"]),
            ("\n\n", ["", ""]),
            ("a\r\n\r\nb\r", ["a", "", "b\r"]),
            ("a\r\r\nb\rc\n", ["a\r", "b\rc"]),
            ("a\u{2028}b\u{B}c\n", ["a\u{2028}b\u{B}c"]),
        ]
    )
    func ends(text: String, expected: [String]) {
        for readSize in 1...6 {
            #expect(lines(text, readSize: readSize) == expected)
        }
    }

    @Test("A line stays back until it is complete")
    func incomplete() {
        var buffer = LineBuffer(maximum: 10, readSize: 10)
        _ = buffer.fill { target in
            target.copyBytes(from: "one\ntwo".utf8)
            return 7
        }
        #expect(buffer.take(atEnd: false) { $0.messages.map { String(decoding: $0, as: UTF8.self) } } == ["one"])
        #expect(buffer.take(atEnd: false) { $0.bytes.count } == nil)
        #expect(buffer.take(atEnd: true) { $0.messages.map { String(decoding: $0, as: UTF8.self) } } == ["two"])
        #expect(buffer.take(atEnd: true) { $0.bytes.count } == nil)
    }

    @Test("A long line becomes messages of the maximum; the end of a line never becomes one")
    func long() {
        for length in 1...30 {
            for ending in ["\n", "\r\n", ""] {
                for readSize in [1, 2, 3, 10, 50] {
                    let line = String("abcdefghijklmnopqrstuvwxyzABCDEF".prefix(length))
                    let result = run(Array("\(line)\(ending)x\n".utf8), maximum: 8, readSize: readSize)
                    let text = ending.isEmpty ? line + "x" : line
                    let pieces = stride(from: 0, to: text.count, by: 8).map { Array(text.utf8.dropFirst($0).prefix(8)) }
                    #expect(result.messages == pieces + (ending.isEmpty ? [] : [Array("x".utf8)]))
                    #expect(result.cutLines == (text.count > 8 ? 1 : 0))
                }
            }
        }
    }

    @Test("A long line is cut between characters")
    func characters() {
        let text = String(repeating: "aé€😀", count: 20)
        for maximum in 4...11 {
            for readSize in [1, 3, 64, 500] {
                let messages = lines(text + "\n", maximum: maximum, readSize: readSize)
                #expect(messages.joined() == text)
                #expect(messages.allSatisfy { (1...maximum).contains($0.utf8.count) })
                #expect(messages.dropLast().allSatisfy { $0.utf8.count > maximum - 4 })
            }
        }
    }

    @Test("Of arbitrary bytes each line is what the standard library makes of it")
    func junk() {
        var random = SeededGenerator(seed: 1)
        // Few kinds of bytes, so that ends of lines and broken characters are frequent.
        let alphabet: [UInt8] = [0x0A, 0x0D, 0x00, 0x61, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xFF]
        for readSize in [1, 5, 16, 1_000] {
            let bytes = (0..<5_000).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
            let result = run(bytes, maximum: 10_000, readSize: readSize)
            #expect(result.messages.map { String(decoding: $0, as: UTF8.self) } == Self.expected(bytes))
            #expect(result.messages.allSatisfy { String(validating: $0, as: UTF8.self) != nil })
            #expect(result.bytes == bytes)
        }
    }

    @Test("A long line of bytes that are no characters stays within the maximum, whatever they are")
    func longJunk() {
        for byte: UInt8 in [0x80, 0xC3, 0xF0, 0xFF] {
            let result = run([UInt8](repeating: byte, count: 1_000), maximum: 10, readSize: 100)
            #expect(result.messages.allSatisfy { (1...10).contains($0.count) })
            #expect(result.messages.flatMap(\.self) == [UInt8](String(repeating: "\u{FFFD}", count: 1_000).utf8))
            #expect(result.cutLines == 1)
        }
    }

    @Test(
        "Whatever the bytes, the reads and the maximum are: no line is lost, none is torn, and every byte is passed on"
    )
    func mutated() throws {
        var fuzzer = try Fuzzer(corpus: "lines", tokens: ["\n", "\r\n", "\r", "é", "€", "😀", "\0", "aaaaaaaaaaaaaaaa"])
        try fuzzer.run(rounds: 3_000) { bytes, random in
            let maximum = Int.random(in: 4...80, using: &random)
            let result = run(bytes, maximum: maximum, readSize: .random(in: 1...80, using: &random))
            #expect(result.bytes == bytes)
            #expect(result.messages.allSatisfy { $0.count <= maximum && String(validating: $0, as: UTF8.self) != nil })
            var rest = result.messages[...]
            var cutLines = 0
            for line in Self.expected(bytes).map({ Array($0.utf8) }) {
                var pieces = [rest.popFirst() ?? []]
                while pieces.joined().count < line.count, let next = rest.popFirst() { pieces.append(next) }
                #expect(Array(pieces.joined()) == line)
                if pieces.count > 1 { cutLines += 1 }
            }
            #expect(rest.isEmpty)
            #expect(result.cutLines == cutLines)
            return [result.messages.count, result.messages.last?.count ?? 0, cutLines]
        }
    }

    /// The messages by the rules, worked out in another way.
    static func expected(_ bytes: [UInt8]) -> [String] {
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        let last = lines.removeLast()
        lines = lines.map { $0.last == 0x0D ? $0.dropLast() : $0 } + (last.isEmpty ? [] : [last])
        return lines.map { String(decoding: $0, as: UTF8.self) }
    }
}
