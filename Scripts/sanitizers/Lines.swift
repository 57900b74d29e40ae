/// One input of libFuzzer: the first two bytes are the longest message and the size of a read, the others are read: as lines,
/// and as records of lines, the others of which begin with a space.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard count > 2 else { return 0 }
    read(bytes, isJoining: false)
    read(bytes, isJoining: true)
    return 0
}

private func read(_ bytes: [UInt8], isJoining: Bool) {
    let (maximum, readSize) = (4 + Int(bytes[0]), 1 + Int(bytes[1]))
    let begins: (UnsafeBufferPointer<UInt8>) -> Bool = { $0.first != UInt8(ascii: " ") }
    var buffer = LineBuffer(maximum: maximum, readSize: readSize, beginsRecord: isJoining ? begins : nil)
    var rest = bytes.dropFirst(2)
    var passedOn: [UInt8] = []
    var text: [UInt8] = []
    func keep(_ chunk: LineBuffer.Chunk) {
        passedOn += chunk.bytes
        for message in chunk.messages {
            precondition(message.count <= maximum && String(validating: message, as: UTF8.self) != nil)
            text += message
        }
    }
    while !rest.isEmpty {
        _ = buffer.fill { target in
            let part = rest.prefix(min(target.count, readSize))
            target.copyBytes(from: part)
            rest = rest.dropFirst(part.count)
            return part.count
        }
        buffer.take(atEnd: false, hasWaited: rest.count % 7 == 0, keep)
    }
    buffer.take(atEnd: true, keep)
    precondition(passedOn == Array(bytes.dropFirst(2)))
    // All but the ends of lines is in the messages.
    var lines = passedOn.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) }
    let last = lines.removeLast()
    lines = lines.map { $0.last == 0x0D ? $0.dropLast() : $0 } + [last]
    let content = lines.flatMap { Array(String(decoding: $0, as: UTF8.self).utf8) }
    // Between the lines of a record their ends stay.
    func withoutEnds(_ text: [UInt8]) -> [UInt8] { isJoining ? text.filter { $0 != 0x0A && $0 != 0x0D } : text }
    precondition(withoutEnds(text) == withoutEnds(content))
}
