/// A message that is too long for one event, as several that fit: the bytes of the message in order, each part with a
/// head that names the message and the part.
///
/// ```
/// [part 02/03 of 9f86d081884c7d65] the text goes on here
/// ```
///
/// The heads of one length (33 bytes) and the part's number with a leading zero make them sort as text. What follows the
/// heads, put together, is the message byte for byte, unless it takes more than ``maximumCount`` parts: then the last
/// one ends in the note of ``Swift/String/truncated(toUTF8Count:)``.
package struct MessageParts: Sendable {
    /// More parts than this no message gets, so that the transaction that commits them all is bounded: of the largest
    /// parts they are 104 MB.
    package static let maximumCount = 99

    /// How far before the end of a part a boundary between characters may lie, in bytes, to be preferred to one between
    /// the scalars of a character. The longest emoji sequences in use take 35.
    private static let searchedBytes = 128

    /// How far before the end of a part the characters are looked at, in bytes: one may be as long as the message, and
    /// flags are told apart by counting from where they begin.
    private static let contextBytes = 4_096

    /// All parts, one after the other, in UTF-8.
    package private(set) var bytes: [UInt8] = []
    /// Where each part lies in ``bytes``.
    package private(set) var ranges: [Range<Int>] = []

    /// - Parameters:
    ///   - limit: the longest that a part may become with its head, in bytes; at least 256.
    ///   - id: what no other message has.
    package init(_ message: String, limit: Int, id: UInt64) {
        let contents = Self.contents(of: message, limit: limit - Self.head(1, of: 1, id: id).utf8.count)
        bytes.reserveCapacity(message.utf8.count + contents.count * 40)
        for (index, content) in contents.enumerated() {
            let start = bytes.count
            bytes.append(contentsOf: Self.head(index + 1, of: contents.count, id: id).utf8)
            bytes.append(contentsOf: content.utf8)
            ranges.append(start..<bytes.count)
        }
    }

    private static func head(_ number: Int, of count: Int, id: UInt64) -> String {
        func digits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let hexadecimal = String(id, radix: 16)
        let zeros = String(repeating: "0", count: 16 - hexadecimal.count)
        return "[part \(digits(number))/\(digits(count)) of \(zeros)\(hexadecimal)] "
    }

    private static func contents(of message: String, limit: Int) -> [Substring] {
        var contents: [Substring] = []
        var rest = message[...]
        while rest.utf8.count > limit, contents.count < maximumCount - 1 {
            let end = end(of: rest, limit: limit)
            contents.append(rest[..<end])
            rest = rest[end...]
        }
        // Looks at the bytes of the rest alone; only the last of the most parts is too long.
        contents.append(rest.utf8.count > limit ? String(rest).truncated(toUTF8Count: limit)[...] : rest)
        return contents
    }

    /// Where to cut a text that is longer than the limit.
    private static func end(of text: Substring, limit: Int) -> String.Index {
        var end = text.utf8.index(text.startIndex, offsetBy: limit)
        while end.samePosition(in: text.base.unicodeScalars) == nil { end = text.utf8.index(before: end) }
        var start = text.utf8.index(end, offsetBy: -contextBytes, limitedBy: text.startIndex) ?? text.startIndex
        while start.samePosition(in: text.base.unicodeScalars) == nil { start = text.utf8.index(after: start) }
        let context = text[start..<text.unicodeScalars.index(after: end)]
        // A single character that does not fit has no boundary before its end.
        guard context.index(after: start) <= end else { return end }
        // To the last boundary before, which is the end itself if it is one.
        let boundary = context.index(after: context.index(before: end))
        return text.utf8.distance(from: boundary, to: end) <= searchedBytes ? boundary : end
    }
}
