#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Cuts a stream of bytes into messages: one a line, or one for several lines that belong together, in memory that does not
/// grow with them.
///
/// - A line ends with LF. One CR before it belongs to the end of the line; any other CR is content.
/// - What is no UTF-8 becomes U+FFFD, as in `String(decoding:as:)`.
/// - A message longer than the maximum becomes consecutive ones, cut between two characters (Unicode scalars).
/// - An empty line is an empty message. What comes after the last LF is a message at the end of the input, if there is
///   anything.
/// - Where it is said which lines begin a record, the others belong to the record before them: the message has all of them,
///   with the ends of lines between them as they are. It is complete when the next one begins.
struct LineBuffer {
    /// Bytes as they were read, and the messages in them.
    struct Chunk {
        /// What was read, unchanged.
        var bytes: UnsafeBufferPointer<UInt8>
        /// Valid UTF-8 of at most the maximum each. Valid for as long as the chunk is.
        var messages: [UnsafeBufferPointer<UInt8>]
        /// Which messages go on with that before them, in this chunk or the last, for both were too long for one.
        var continuations: [Int] = []
    }

    private let maximum: Int
    /// Whether a line, without its end, begins a record; `nil`: each does.
    private let beginsRecord: ((UnsafeBufferPointer<UInt8>) -> Bool)?
    private var bytes: [UInt8]
    private var filled = 0
    /// So many bytes at the beginning are known to hold no LF, from ``unexamined`` on.
    private var searched = 0
    private var pieces = Pieces()
    /// Where records begin in the buffer, but for the one with which it begins.
    private var beginnings: [Int] = []
    /// Where the first line begins of which it is not known yet whether it begins a record.
    private var unexamined = 0
    /// How what was taken out last ended.
    private var lastEnding = Ending.whole
    /// How often something was taken out.
    private(set) var chunks = 0
    /// How many messages were longer than the maximum so far.
    var cutLines: Int { pieces.cutLines }

    /// How the last record ends that is taken out.
    private enum Ending {
        case whole
        /// After a line, though more may belong to it.
        case forced
        /// Within a line.
        case cut
    }

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
    ///   - beginsRecord: whether a line, without its LF, begins a record.
    init(maximum: Int, readSize: Int, beginsRecord: ((UnsafeBufferPointer<UInt8>) -> Bool)? = nil) {
        self.maximum = maximum
        self.beginsRecord = beginsRecord
        bytes = [UInt8](repeating: 0, count: maximum + 1 + readSize)
    }

    /// Offers free memory, as a rule of the read size at least. The closure says how many bytes it has filled; what is
    /// not positive is an error or the end, and is handed through.
    mutating func fill(_ read: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        let count = bytes.withUnsafeMutableBytes { read(UnsafeMutableRawBufferPointer(rebasing: $0[filled...])) }
        filled += max(0, count)
        return count
    }

    /// Whether whole lines stay back, of a record that more lines may belong to.
    var holdsLines: Bool { unexamined > 0 }

    /// Takes out what is complete; at the end of the input everything. `nil` if there is nothing.
    ///
    /// - Parameter hasWaited: takes whole lines too of which it is not known whether more belong to them.
    mutating func take<Result>(atEnd: Bool, hasWaited: Bool = false, _ body: (Chunk) -> Result) -> Result? {
        let (end, ending) = endOfTaken(atEnd: atEnd, hasWaited: hasWaited)
        guard end > 0 else { return nil }
        // By themselves: the bytes are being read meanwhile.
        var pieces = pieces
        let result = bytes.withUnsafeBufferPointer { bytes in
            let raw = UnsafeBufferPointer(rebasing: bytes[..<end])
            // No ill-formed sequence contains an LF, so that mending the whole mends each line.
            guard String(validating: raw, as: UTF8.self) == nil else {
                return body(chunk(of: raw, with: raw, beginnings + [end], ending, &pieces))
            }
            var (text, ends): ([UInt8], [Int]) = ([], [])
            for (start, end) in zip([0] + beginnings, beginnings + [end]) {
                text += String(decoding: raw[start..<end], as: UTF8.self).utf8
                ends.append(text.count)
            }
            return text.withUnsafeBufferPointer {
                body(chunk(of: raw, with: $0, ends, ending, &pieces))
            }
        }
        self.pieces = pieces
        bytes.withUnsafeMutableBytes { [filled] in
            $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[end..<filled]))
        }
        chunks += 1
        filled -= end
        searched = filled
        beginnings = []
        unexamined = max(0, unexamined - end)
        lastEnding = ending
        return result
    }

    /// Where what is complete ends.
    private mutating func endOfTaken(atEnd: Bool, hasWaited: Bool) -> (end: Int, ending: Ending) {
        guard let beginsRecord else { return (atEnd ? filled : endOfComplete(), .whole) }
        examineLines(atEnd: atEnd)
        let whole = atEnd ? filled : hasWaited ? unexamined : beginnings.last ?? 0
        guard filled - whole > maximum + 1 else { return (whole, .whole) }
        if unexamined > 0 { return (unexamined, .forced) }
        let begins =
            lastEnding == .forced && bytes.withUnsafeBufferPointer { beginsRecord(.init(rebasing: $0[..<filled])) }
        if begins { pieces.ofThisLine = 0 }
        return (afterWholeMessages(from: 0), .cut)
    }

    /// After the last LF; or, where a line is too long, further on, after whole messages of it.
    ///
    /// Of that line two bytes stay at least: if they are CR and LF, there is still a message before them.
    private mutating func endOfComplete() -> Int {
        let end = bytes[searched..<filled].lastIndex(of: newline).map { $0 + 1 } ?? 0
        searched = filled
        return afterWholeMessages(from: end)
    }

    private func afterWholeMessages(from start: Int) -> Int {
        var end = start
        bytes.withUnsafeBufferPointer { bytes in
            while filled - end > maximum + 1 { end = Self.cut(bytes, from: end, maximum: maximum) }
        }
        return end
    }

    /// Finds out which of the lines that have come begin a record.
    private mutating func examineLines(atEnd: Bool) {
        guard let beginsRecord else { return }
        bytes.withUnsafeBufferPointer { bytes in
            let text = UnsafeBufferPointer(rebasing: bytes[..<filled])
            while unexamined < filled {
                guard let end = text.index(of: newline, from: max(unexamined, searched)) ?? (atEnd ? filled : nil)
                else { break }
                // The first line in the buffer has nothing before it that it could belong to, or is the rest of a line.
                if unexamined > 0 || lastEnding == .forced,
                    beginsRecord(UnsafeBufferPointer(rebasing: text[unexamined..<end]))
                {
                    if unexamined > 0 { beginnings.append(unexamined) } else { pieces.ofThisLine = 0 }
                }
                unexamined = min(end + 1, filled)
            }
        }
        searched = filled
    }

    /// Where to end a message that begins at an index and is longer than the maximum.
    static func cut(_ text: UnsafeBufferPointer<UInt8>, from start: Int, maximum: Int) -> Int {
        let limit = start + maximum
        // A character has at most three bytes that continue it. Where there are more, this is no UTF-8.
        let end = (limit - 3...limit).last { text[$0] & 0xC0 != 0x80 }
        return end ?? limit
    }

    /// - Parameters:
    ///   - raw: the bytes as they were read.
    ///   - text: the same as valid UTF-8.
    ///   - ends: where records end, if they are not lines.
    ///   - ending: how the last of them ends.
    private func chunk(
        of raw: UnsafeBufferPointer<UInt8>,
        with text: UnsafeBufferPointer<UInt8>,
        _ ends: [Int],
        _ ending: Ending,
        _ pieces: inout Pieces
    ) -> Chunk {
        var chunk = Chunk(bytes: raw, messages: [])
        func add(_ message: Range<Int>, endsLine: Bool) {
            if pieces.ofThisLine > 0 { chunk.continuations.append(chunk.messages.count) }
            chunk.messages.append(UnsafeBufferPointer(rebasing: text[message]))
            pieces.add(endsLine: endsLine)
        }
        var ends = ends[...]
        var start = 0
        while start < text.count {
            var end: Int? = nil
            var goesOn = false
            if beginsRecord == nil {
                end = text.index(of: newline, from: start)
            } else if let next = ends.popFirst() {
                goesOn = ends.isEmpty && ending != .whole
                if ending != .cut || !ends.isEmpty, next > start, text[next - 1] == newline { end = next - 1 }
            }
            var contentEnd = end ?? text.count
            if end != nil, contentEnd > start, text[contentEnd - 1] == carriageReturn { contentEnd -= 1 }
            while contentEnd - start > maximum {
                let next = Self.cut(text, from: start, maximum: maximum)
                add(start..<next, endsLine: false)
                start = next
            }
            add(start..<contentEnd, endsLine: end != nil && !goesOn)
            start = (end ?? text.count) + 1
        }
        return chunk
    }
}

private let newline = UInt8(ascii: "\n")
private let carriageReturn = UInt8(ascii: "\r")

extension UnsafeBufferPointer<UInt8> {
    fileprivate func index(of byte: UInt8, from start: Int) -> Int? {
        guard start < count, let base = baseAddress, let found = memchr(base + start, Int32(byte), count - start) else {
            return nil
        }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
}
