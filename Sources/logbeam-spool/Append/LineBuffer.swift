#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Cuts a stream of bytes into messages: one a line, in memory that does not grow with the lines.
///
/// - A line ends with LF. One CR before it belongs to the end of the line; any other CR is content.
/// - What is no UTF-8 becomes U+FFFD, as in `String(decoding:as:)`.
/// - A line longer than the maximum becomes consecutive messages, cut between two characters (Unicode scalars).
/// - An empty line is an empty message. What comes after the last LF is a message at the end of the input, if there is
///   anything.
struct LineBuffer {
    /// Bytes as they were read, and the messages in them.
    struct Chunk {
        /// What was read, unchanged.
        var bytes: UnsafeBufferPointer<UInt8>
        /// Valid UTF-8 of at most the maximum each. Valid for as long as the chunk is.
        var messages: [UnsafeBufferPointer<UInt8>]
    }

    private let maximum: Int
    private var bytes: [UInt8]
    private var filled = 0
    /// So many bytes at the beginning are known to hold no LF.
    private var searched = 0
    private var pieces = Pieces()
    /// How many lines were longer than the maximum so far.
    var cutLines: Int { pieces.cutLines }

    /// Counts the messages of the line that the buffer begins in, and the lines that had more than one.
    private struct Pieces {
        var ofThisLine = 0
        var cutLines = 0

        mutating func add(endsLine: Bool) {
            ofThisLine += 1
            if ofThisLine == 2 { cutLines += 1 }
            if endsLine { ofThisLine = 0 }
        }
    }

    /// - Parameters:
    ///   - maximum: the most bytes of a message; 4 at least, which is one character.
    ///   - readSize: the most bytes that are read at once, and so about the most that is committed at once.
    init(maximum: Int, readSize: Int) {
        self.maximum = maximum
        bytes = [UInt8](repeating: 0, count: maximum + 1 + readSize)
    }

    /// Offers free memory of the read size at least. The closure says how many bytes it has filled; what is not positive
    /// is an error or the end, and is handed through.
    mutating func fill(_ read: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        let count = bytes.withUnsafeMutableBytes { read(UnsafeMutableRawBufferPointer(rebasing: $0[filled...])) }
        filled += max(0, count)
        return count
    }

    /// Takes out what is complete; at the end of the input everything. `nil` if there is nothing.
    mutating func take<Result>(atEnd: Bool, _ body: (Chunk) -> Result) -> Result? {
        let end = atEnd ? filled : endOfComplete()
        guard end > 0 else { return nil }
        // By themselves: the bytes are being read meanwhile.
        var pieces = pieces
        let result = bytes.withUnsafeBufferPointer { bytes in
            let raw = UnsafeBufferPointer(rebasing: bytes[..<end])
            // No ill-formed sequence contains an LF, so that mending the whole mends each line.
            guard String(validating: raw, as: UTF8.self) == nil else {
                return body(Chunk(bytes: raw, messages: messages(in: raw, &pieces)))
            }
            return Array(String(decoding: raw, as: UTF8.self).utf8).withUnsafeBufferPointer {
                body(Chunk(bytes: raw, messages: messages(in: $0, &pieces)))
            }
        }
        self.pieces = pieces
        bytes.withUnsafeMutableBytes { [filled] in
            $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[end..<filled]))
        }
        filled -= end
        searched = filled
        return result
    }

    /// After the last LF; or, where a line is too long, further on, after whole messages of it.
    ///
    /// Of that line two bytes stay at least: if they are CR and LF, there is still a message before them.
    private mutating func endOfComplete() -> Int {
        var end = bytes[searched..<filled].lastIndex(of: newline).map { $0 + 1 } ?? 0
        searched = filled
        bytes.withUnsafeBufferPointer { bytes in
            while filled - end > maximum + 1 { end = cut(bytes, from: end) }
        }
        return end
    }

    /// Where to end a message that begins at an index and is longer than the maximum.
    private func cut(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        let limit = start + maximum
        // A character has at most three bytes that continue it. Where there are more, this is no UTF-8.
        let end = (limit - 3...limit).last { text[$0] & 0xC0 != 0x80 }
        return end ?? limit
    }

    private func messages(
        in text: UnsafeBufferPointer<UInt8>,
        _ pieces: inout Pieces
    ) -> [UnsafeBufferPointer<UInt8>] {
        var messages: [UnsafeBufferPointer<UInt8>] = []
        var start = 0
        while start < text.count {
            let end = text.index(of: newline, from: start)
            var contentEnd = end ?? text.count
            if end != nil, contentEnd > start, text[contentEnd - 1] == carriageReturn { contentEnd -= 1 }
            while contentEnd - start > maximum {
                let next = cut(text, from: start)
                messages.append(UnsafeBufferPointer(rebasing: text[start..<next]))
                pieces.add(endsLine: false)
                start = next
            }
            messages.append(UnsafeBufferPointer(rebasing: text[start..<contentEnd]))
            pieces.add(endsLine: end != nil)
            start = (end ?? text.count) + 1
        }
        return messages
    }
}

private let newline = UInt8(ascii: "\n")
private let carriageReturn = UInt8(ascii: "\r")

extension UnsafeBufferPointer<UInt8> {
    fileprivate func index(of byte: UInt8, from start: Int) -> Int? {
        guard let base = baseAddress, let found = memchr(base + start, Int32(byte), count - start) else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
}
