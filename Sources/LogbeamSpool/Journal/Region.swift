/// A part of a ``Journal`` as it stands in the file: what was appended, and has not been moved.
///
/// Not thread-safe. Its memory belongs to who made it: ``deallocate()``.
struct Region {
    /// Where it begins in the file, in bytes.
    private let start: Int
    private let memory: UnsafeMutableRawBufferPointer
    private var size = 0
    /// That of each record, in their order.
    private(set) var streams: [LiveStream] = []
    /// The number of the last record.
    var last: UInt64 = 0

    init(_ index: Int) {
        start = JournalFormat.offset(ofRegion: index)
        memory = .allocate(byteCount: JournalFormat.regionSize, alignment: 4_096)
    }

    func deallocate() {
        memory.deallocate()
    }

    /// How many bytes have room.
    var left: Int { memory.count - size }

    /// Where the next frame is to be written, in the file and in memory.
    var nextOffset: Int { start + size }

    func next(_ frameSize: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory[size..<(size + frameSize)])
    }

    /// The next frame is written.
    mutating func add(_ stream: LiveStream, size frameSize: Int) {
        streams.append(stream)
        size += frameSize
    }

    /// The records, which are valid until it is cleared.
    var records: [LiveRecord] {
        var records: [LiveRecord] = []
        records.reserveCapacity(streams.count)
        var offset = 0
        for stream in streams {
            guard let frame = JournalFormat.frame(UnsafeRawBufferPointer(rebasing: memory[offset..<size])) else {
                break
            }
            let message = frame.message.assumingMemoryBound(to: UInt8.self)
            records.append(LiveRecord(stream: stream, timestamp: frame.timestamp, message: message))
            offset += frame.size
        }
        return records
    }

    mutating func clear() {
        streams.removeAll(keepingCapacity: true)
        size = 0
    }

    /// Writes it to a file. False if the disk does not take it.
    func write(to file: JournalFile) -> Bool {
        size == 0 || file.write(UnsafeRawBufferPointer(rebasing: memory[..<size]), at: start)
    }
}
