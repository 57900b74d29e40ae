/// The checksum of SQLite's write-ahead logs (https://www.sqlite.org/fileformat2.html#checksum_algorithm), which costs half
/// a nanosecond a byte. It tells what was written whole from what was not, and is no protection against forgery.
struct WALChecksum: Equatable {
    var first: UInt32 = 0
    var second: UInt32 = 0

    init() {}

    /// The sum goes on from a number that those do not know who can only choose what is summed up.
    init(salt: UInt64) {
        first = UInt32(truncatingIfNeeded: salt)
        second = UInt32(truncatingIfNeeded: salt >> 32)
    }

    /// One that is written down; zero beyond the end.
    init(_ bytes: [UInt8], at offset: Int) {
        first = UInt32(bytes.bigEndian(at: offset, count: 4) ?? 0)
        second = UInt32(bytes.bigEndian(at: offset + 4, count: 4) ?? 0)
    }

    /// That of a frame after this one's: over the first eight bytes of its header, and its page.
    func adding(_ frame: [UInt8], isBigEndian: Bool) -> WALChecksum {
        var sum = self
        sum.add(frame.prefix(8), isBigEndian: isBigEndian)
        sum.add(frame.dropFirst(24), isBigEndian: isBigEndian)
        return sum
    }

    mutating func add(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) {
        bytes.withUnsafeBytes { add($0, isBigEndian: isBigEndian) }
    }

    /// Adds whole pairs of 32-bit numbers.
    @inline(__always)
    mutating func add(_ bytes: UnsafeRawBufferPointer, isBigEndian: Bool = false) {
        var offset = 0
        while offset + 8 <= bytes.count {
            defer { offset += 8 }
            let one = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            let two = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
            first &+= (isBigEndian ? one.bigEndian : one.littleEndian) &+ second
            second &+= (isBigEndian ? two.bigEndian : two.littleEndian) &+ first
        }
    }
}

/// The checksums of the frames of a log, each of which goes on from the one before.
struct WALFrameSums {
    private let isBigEndian: Bool
    private let salts: UInt64
    private var sum = WALChecksum()

    /// `nil` if the header is damaged.
    init?(header: UnsafeRawBufferPointer) {
        // The last bit of the magic number.
        isBigEndian = header[3] & 1 == 1
        salts = header.loadUnaligned(fromByteOffset: WALLayout.saltOffset, as: UInt64.self)
        sum.add(UnsafeRawBufferPointer(rebasing: header[..<24]), isBigEndian: isBigEndian)
        guard sum == WALChecksum(header, at: 24) else { return nil }
    }

    /// Whether a frame is whole, and comes after the one before.
    mutating func isNext(_ frame: UnsafeRawBufferPointer) -> Bool {
        sum.add(UnsafeRawBufferPointer(rebasing: frame[..<8]), isBigEndian: isBigEndian)
        sum.add(UnsafeRawBufferPointer(rebasing: frame[WALLayout.frameHeaderSize...]), isBigEndian: isBigEndian)
        return frame.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == salts && sum == WALChecksum(frame, at: 16)
    }
}

extension WALChecksum {
    fileprivate init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        first = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        second = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
    }
}
