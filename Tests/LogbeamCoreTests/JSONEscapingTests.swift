import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite struct JSONEscapingTests {
    private func escaped(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        bytes.withUnsafeBufferPointer { output.appendJSONString($0) }
        // Not String(decoding:as:), which would repair what the function under test must not let through.
        return String(validating: output, as: UTF8.self) ?? "not UTF-8: \(output)"
    }

    private func decoded(_ json: String) throws -> String {
        try #require(JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed) as? String)
    }

    @Test(arguments: [
        ("", #""""#),
        ("plain", #""plain""#),
        ("\"\\/", #""\"\\/""#),
        ("\u{8}\t\n\u{C}\r", #""\b\t\n\f\r""#),
        ("\0\u{1}\u{B}\u{F}\u{10}\u{1B}\u{1F}\u{7F}", #""\u0000\u0001\u000b\u000f\u0010\u001b\u001f"# + "\u{7F}\""),
        ("é€𝄞 e\u{301} 👩‍👩‍👧", "\"é€𝄞 e\u{301} 👩‍👩‍👧\""),
        ("\u{2028}\u{FEFF}\u{FFFF}", "\"\u{2028}\u{FEFF}\u{FFFF}\""),
    ])
    func `Text is quoted and escaped`(text: String, expected: String) {
        #expect(escaped(Array(text.utf8)).unicodeScalars.elementsEqual(expected.unicodeScalars))
    }

    @Test func `Every byte is escaped alike wherever in a word it stands`() throws {
        for byte in UInt8(0)...0x7F {
            for position in 0..<20 {
                var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 20)
                bytes[position] = byte
                // The neighbour that a borrow out of the byte would touch first.
                if position < 19 { bytes[position + 1] = 0x21 }
                let json = escaped(bytes)
                #expect(try decoded(json).utf8.elementsEqual(bytes))
                #expect(json.utf8.allSatisfy { $0 >= 0x20 })
            }
        }
    }

    @Test(
        arguments: [
            ([0x80], "\u{FFFD}"),
            ([0xC0, 0xAF], "\u{FFFD}\u{FFFD}"),
            ([0xC3], "\u{FFFD}"),
            ([0xC3, 0x22], "\u{FFFD}\\\""),
            ([0xE2, 0x82], "\u{FFFD}"),
            ([0xE2, 0x82, 0x41], "\u{FFFD}A"),
            ([0xED, 0xA0, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
            ([0xF0, 0x9F, 0x92, 0x0A], "\u{FFFD}\\n"),
            ([0xF4, 0x90, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
            ([0xFF, 0x41, 0xFE], "\u{FFFD}A\u{FFFD}"),
        ] as [([UInt8], String)]
    )
    func `Ill-formed UTF-8 becomes the replacement character`(bytes: [UInt8], expected: String) {
        #expect(escaped(bytes) == "\"\(expected)\"")
    }

    @Test func `Random bytes come out as the standard library repairs them`() throws {
        var generator = SeededGenerator(seed: 2)
        // Mostly what begins, continues and breaks sequences, so that well-formed ones happen.
        let alphabet: [UInt8] = [
            0x00, 0x0A, 0x22, 0x41, 0x5C, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED,
            0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF,
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...24, using: &generator)
            let bytes = (0..<count).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            let json = escaped(bytes)
            let expected = String(decoding: bytes, as: UTF8.self)
            #expect(try decoded(json).utf8.elementsEqual(expected.utf8), "\(bytes)")
        }
    }

    @Test func `What stands before stays`() {
        var output = Array("{\"a\":".utf8)
        Array("b".utf8).withUnsafeBufferPointer { output.appendJSONString($0) }
        #expect(output == Array("{\"a\":\"b\"".utf8))
    }
}
