import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("A line buffer joins lines that belong together")
struct RecordBufferTests {
    /// A line that begins with a space, or is empty, belongs to the record before it.
    private static func begins(_ line: UnsafeBufferPointer<UInt8>) -> Bool {
        line.first.map { $0 != UInt8(ascii: " ") } ?? false
    }

    private struct Result: Equatable {
        var messages: [[UInt8]] = []
        var bytes: [UInt8] = []
        var cut = 0
        var chunks = 0
    }

    private func run(_ bytes: [UInt8], maximum: Int = 1_000, readSize: Int) -> Result {
        var buffer = LineBuffer(maximum: maximum, readSize: readSize, beginsRecord: Self.begins)
        var rest = bytes[...]
        var result = Result()
        func keep(_ chunk: LineBuffer.Chunk) {
            result.messages += chunk.messages.map(Array.init)
            result.bytes += chunk.bytes
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
        result.cut = buffer.cutLines
        result.chunks = buffer.chunks
        return result
    }

    @Test(
        "that do not begin a record",
        arguments: [
            ("a\n b\nc\n", ["a\n b", "c"]), ("a\n\n b\n", ["a\n\n b"]), (" a\n b\nc", [" a\n b", "c"]),
            ("a\r\n b\r\nc\r\n", ["a\r\n b", "c"]), ("a\nb\nc", ["a", "b", "c"]), ("a\n b", ["a\n b"]), ("\n", [""]),
            ("", []), ("a\n é\u{0}\n😀\n", ["a\n é\u{0}", "😀"]), ("a\n\n\n", ["a\n\n"]),
        ]
    )
    func joins(text: String, expected: [String]) {
        for readSize in 1...20 {
            let messages = run(Array(text.utf8), readSize: readSize).messages.map {
                String(decoding: $0, as: UTF8.self)
            }
            #expect(messages == expected, "reads of \(readSize)")
        }
    }

    @Test("A record stays back until the next one begins, or it has waited")
    func waits() {
        var buffer = LineBuffer(maximum: 100, readSize: 100, beginsRecord: Self.begins)
        func fill(_ text: String) {
            _ = buffer.fill { target in
                target.copyBytes(from: text.utf8)
                return text.utf8.count
            }
        }
        func take(hasWaited: Bool = false) -> [String]? {
            buffer.take(atEnd: false, hasWaited: hasWaited) { $0.messages.map { String(decoding: $0, as: UTF8.self) } }
        }
        fill("one\n half")
        #expect(take() == nil)
        #expect(buffer.holdsLines)
        // Half a line has not waited: the rest of it comes.
        #expect(take(hasWaited: true) == ["one"])
        #expect(!buffer.holdsLines)
        fill(" a line\ntwo\n more\nthree\n")
        #expect(take() == [" half a line", "two\n more"])
        #expect(buffer.holdsLines)
        #expect(take(hasWaited: true) == ["three"])
        #expect(take(hasWaited: true) == nil)
    }

    @Test("A record without end becomes several at the maximum, and so is kept back no longer; that is counted once")
    func bounded() {
        let lines = "a\n" + String(repeating: " x\n", count: 1_000)
        let line = "a" + String(repeating: "x", count: 1_000) + "\n"
        for text in [lines, line, lines + line + lines] {
            for readSize in [1, 7, 64, 5_000] {
                let result = run(Array(text.utf8), maximum: 50, readSize: readSize)
                let content = Array(text.utf8).filter { $0 != 0x0A }
                #expect(result.messages.joined().filter { $0 != 0x0A } == content)
                #expect(result.messages.allSatisfy { $0.count <= 50 })
                #expect(result.cut == (text == lines + line + lines ? 3 : 1), "reads of \(readSize)")
            }
        }
    }

    @Test("A long line does not tear the record before it")
    func longLine() {
        let text = "abc\n d\n" + String(repeating: "x", count: 100) + "\nz\n"
        for readSize in 1...120 {
            let messages = run(Array(text.utf8), maximum: 10, readSize: readSize).messages
            #expect(messages.first == Array("abc\n d".utf8))
            #expect(messages.last == Array("z".utf8))
            #expect(messages.count == 12)
        }
    }

    @Test("Whatever the bytes, the reads and the maximum are: every byte is passed on, and no line is lost or torn")
    func mutated() throws {
        var fuzzer = try Fuzzer(
            corpus: "records",
            tokens: ["\n", "\r\n", " ", "\n ", "é", "😀", "\0", "a\n b\n", "\u{FF}"]
        )
        try fuzzer.run(rounds: 3_000) { bytes, random in
            let maximum = Int.random(in: 4...80, using: &random)
            let result = run(bytes, maximum: maximum, readSize: .random(in: 1...80, using: &random))
            #expect(result.bytes == bytes)
            #expect(result.messages.allSatisfy { $0.count <= maximum && String(validating: $0, as: UTF8.self) != nil })
            let records = Self.expected(bytes)
            if records.allSatisfy({ $0.count < maximum }) {
                #expect(result.messages == records)
                #expect(result.cut == 0)
            } else {
                // Where a record is cut, what follows may belong to it or not: it is all there in any case.
                let text = Array(result.messages.joined()).filter { !"\r\n".utf8.contains($0) }
                #expect(text == Array(records.joined()).filter { !"\r\n".utf8.contains($0) })
            }
            return [result.messages.count, result.chunks, result.cut]
        }
    }

    /// The messages by the rules, worked out in another way.
    private static func expected(_ bytes: [UInt8]) -> [[UInt8]] {
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        let last = lines.removeLast()
        lines = lines.map { $0 + [0x0A] } + (last.isEmpty ? [] : [last])
        var records: [[UInt8]] = []
        for line in lines {
            let begins = line.first.map { $0 != 0x20 && $0 != 0x0A } ?? false
            if begins || records.isEmpty { records.append(line) } else { records[records.count - 1] += line }
        }
        return records.map { record in
            var content = record[...]
            if content.last == 0x0A {
                content = content.dropLast()
                if content.last == 0x0D { content = content.dropLast() }
            }
            return Array(String(decoding: content, as: UTF8.self).utf8)
        }
    }
}
