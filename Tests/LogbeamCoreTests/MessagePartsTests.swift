import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite struct MessagePartsTests {
    private static let id: UInt64 = 0x0f86_d081_884c_7d65
    private static let headLength = 33

    private func split(_ message: String, limit: Int) -> [String] {
        let parts = MessageParts(message, limit: limit, id: Self.id)
        return parts.ranges.map { String(decoding: parts.bytes[$0], as: UTF8.self) }
    }

    /// What follows the heads; `nil` if one of them is not what it must be.
    private func contentsOf(_ parts: [String]) -> [String]? {
        let count = parts.count < 10 ? "0\(parts.count)" : "\(parts.count)"
        let contents = parts.enumerated().compactMap { index, part in
            let number = index + 1 < 10 ? "0\(index + 1)" : "\(index + 1)"
            let head = "[part \(number)/\(count) of 0f86d081884c7d65] "
            return part.utf8.starts(with: head.utf8)
                ? String(decoding: part.utf8.dropFirst(head.utf8.count), as: UTF8.self) : nil
        }
        return contents.count == parts.count ? contents : nil
    }

    @Test(
        arguments: [
            ("", [0]), ("a", [1]), (String(repeating: "a", count: 223), [223]),
            (String(repeating: "a", count: 224), [223, 1]), (String(repeating: "a", count: 446), [223, 223]),
            (String(repeating: "a", count: 447), [223, 223, 1]),
            // Two bytes each: 223 is inside of one.
            (String(repeating: "é", count: 112), [222, 2]),
            // Line breaks of two characters that are one to Swift.
            ("a" + String(repeating: "\r\n", count: 112), [223, 2]),
            ("ab" + String(repeating: "\r\n", count: 112), [222, 4]),
            // A letter and two accents are one character: 5 bytes.
            (String(repeating: "e\u{301}\u{302}", count: 50), [220, 30]),
            // 25 bytes each.
            (String(repeating: "👩‍👩‍👧‍👦", count: 9), [200, 25]),
            // Flags: 8 bytes each, and only counting from the start tells where one ends.
            (String(repeating: "🇩🇪", count: 28), [216, 8]),
            // A character that fits into no part is cut between its scalars, 2 bytes each.
            ("a" + String(repeating: "\u{301}", count: 300), [223, 222, 156]),
            // The next boundary lies 150 bytes back, which is not near.
            (
                String(repeating: "x", count: 72) + "e" + String(repeating: "\u{301}", count: 100),
                [223, 50]
            ),
            // And here it lies 128 back.
            (
                String(repeating: "x", count: 95) + "e" + String(repeating: "\u{301}", count: 100),
                [95, 201]
            ),
        ] as [(String, [Int])]
    )
    func `A message is cut between characters where that is near, else between scalars`(
        message: String,
        lengths: [Int]
    ) throws {
        let contents = try #require(contentsOf(split(message, limit: 256)))
        #expect(contents.map(\.utf8.count) == lengths)
        #expect(contents.joined().utf8.elementsEqual(message.utf8))
    }

    @Test func `Random messages come back byte for byte, in parts of no more than the limit`() throws {
        let pieces = [
            "a", "\n", "\r\n", "é", "e\u{301}", "漢", "😀", "👩‍👩‍👧‍👦", "🇩🇪", "\u{200D}", "\u{0}", "[part 01/02 of ",
            String(repeating: "x", count: 40), String(repeating: "\u{301}", count: 80), "\u{10FFFF}",
        ]
        var random = SeededGenerator(seed: 7)
        for _ in 0..<500 {
            let limit = Int.random(in: 256...600, using: &random)
            var message = ""
            for _ in 0..<Int.random(in: 0...400, using: &random) {
                message += pieces.randomElement(using: &random) ?? ""
            }
            let parts = split(message, limit: limit)
            let contents = try #require(contentsOf(parts))
            #expect(contents.joined().utf8.elementsEqual(message.utf8))
            #expect(parts.allSatisfy { $0.utf8.count <= limit })
            // Of a limit as small as this at least a good third is used, so that nothing makes parts without end.
            #expect(contents.dropLast().allSatisfy { $0.utf8.count >= limit - Self.headLength - 128 - 3 })
            expectCutsBetweenCharacters(message, contents, limit: limit - Self.headLength)
        }
    }

    /// Each cut lies on a boundary of the message's characters, if there is one in the 128 bytes before the limit.
    private func expectCutsBetweenCharacters(_ message: String, _ contents: [String], limit: Int) {
        var boundaries: Set<Int> = [0]
        var offset = 0
        for character in message {
            offset += character.utf8.count
            boundaries.insert(offset)
        }
        var start = 0
        for content in contents.dropLast() {
            let end = start + content.utf8.count
            // The parts after a cut inside of a character count characters from there.
            guard boundaries.contains(start) else { return }
            let near = (start + limit - 128 + 3)...(start + limit)
            if !boundaries.contains(end) { #expect(near.allSatisfy { !boundaries.contains($0) }) }
            start = end
        }
    }

    @Test func `A message that would take more than 99 parts is cut, and says so`() throws {
        let whole = split(String(repeating: "a", count: 99 * 223), limit: 256)
        #expect(whole.count == 99)
        #expect(whole.allSatisfy { $0.utf8.count == 256 })
        #expect(try #require(contentsOf(whole)).joined() == String(repeating: "a", count: 99 * 223))

        let cut = try #require(contentsOf(split(String(repeating: "a", count: 1_000_000), limit: 256)))
        #expect(cut.count == 99)
        let text = cut.joined()
        let kept = text.prefix { $0 == "a" }.count
        #expect(text.dropFirst(kept) == " [truncated: \(1_000_000 - kept) bytes cut]")
        #expect(kept > 98 * 223 + 150)
    }
}
