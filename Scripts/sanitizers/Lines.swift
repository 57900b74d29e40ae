/// One input of libFuzzer: the first two bytes are the longest message and the size of a read, the others are read.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard count > 2 else { return 0 }
    let (maximum, readSize) = (4 + Int(bytes[0]), 1 + Int(bytes[1]))
    var buffer = LineBuffer(maximum: maximum, readSize: readSize)
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
        buffer.take(atEnd: false, keep)
    }
    buffer.take(atEnd: true, keep)
    precondition(passedOn == Array(bytes.dropFirst(2)))
    // All but the ends of lines is in the messages.
    var lines = passedOn.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) }
    let last = lines.removeLast()
    lines = lines.map { $0.last == 0x0D ? $0.dropLast() : $0 } + [last]
    precondition(text == lines.flatMap { Array(String(decoding: $0, as: UTF8.self).utf8) })
    return 0
}
