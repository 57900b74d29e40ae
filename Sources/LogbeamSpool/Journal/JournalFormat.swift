internal import LogbeamCore

/// The bytes of a journal's file. Pure.
///
/// All numbers are little-endian. The file begins with a page for its header:
///
/// | offset | bytes | is |
/// |---|---|---|
/// | 0 | 16 | `logbeam journal1` |
/// | 16 | 8 | the salt: a random number from which every checksum goes on |
/// | 24 | 8 | the number of the last record that has been moved into the spool, as far as it is told here |
///
/// Then come two regions, each of frames one after the other, and each used again from its beginning when all that it holds
/// has been moved. So behind the newest frame of a region there may lie old ones, or what is left of such. A frame:
///
/// | offset | bytes | is |
/// |---|---|---|
/// | 0 | 8 | the number of the record: 1, 2, 3, … over both regions |
/// | 8 | 8 | the checksum of all else in the frame: ``WALChecksum`` |
/// | 16 | 8 | the timestamp, in milliseconds since 1970-01-01T00:00:00Z |
/// | 24 | 4 | the length of the message |
/// | 28 | 2, 2 | the lengths of the names of the log group and the log stream |
/// | 32 | | the names and the message, and zeros up to a multiple of 8 |
enum JournalFormat {
    static let magic = StaticString("logbeam journal1")
    static let headerSize = 4_096
    static let saltOffset = 16
    static let movedOffset = 24
    /// In bytes. A group that is committed at once is no larger.
    static let regionSize = 1 << 20
    /// What is longer is committed by itself: to write it twice would cost more than to commit it.
    static let longestMessage = 65_536
    /// The names of a group and a stream have 512 characters each (CreateLogGroup, CreateLogStream).
    static let longestNames = 4_096

    static func offset(ofRegion index: Int) -> Int { headerSize + index * regionSize }

    // MARK: Frames

    private static let headSize = 32

    static func frameSize(names: Int, message: Int) -> Int {
        headSize + (names + message + 7) & ~7
    }

    /// Writes a frame, whose size is ``frameSize(names:message:)``.
    ///
    /// - Parameter names: those of the group and the stream, one after the other, of which the first has `groupLength`
    ///   bytes.
    @inline(__always)
    static func write(
        _ number: UInt64,
        timestamp: Int64,
        names: UnsafeRawBufferPointer,
        groupLength: Int,
        message: UnsafeBufferPointer<UInt8>,
        salt: UInt64,
        into frame: UnsafeMutableRawBufferPointer
    ) {
        frame.storeBytes(of: number.littleEndian, toByteOffset: 0, as: UInt64.self)
        frame.storeBytes(of: timestamp.littleEndian, toByteOffset: 16, as: Int64.self)
        frame.storeBytes(of: UInt32(message.count).littleEndian, toByteOffset: 24, as: UInt32.self)
        frame.storeBytes(of: UInt16(groupLength).littleEndian, toByteOffset: 28, as: UInt16.self)
        frame.storeBytes(of: UInt16(names.count - groupLength).littleEndian, toByteOffset: 30, as: UInt16.self)
        // The padding lies in the last eight bytes.
        frame.storeBytes(of: 0, toByteOffset: frame.count - 8, as: UInt64.self)
        let text = UnsafeMutableRawBufferPointer(rebasing: frame[headSize...])
        text.copyMemory(from: names)
        UnsafeMutableRawBufferPointer(rebasing: text[names.count...]).copyMemory(from: UnsafeRawBufferPointer(message))
        let sum = checksum(UnsafeRawBufferPointer(frame), salt: salt)
        frame.storeBytes(of: sum.first.littleEndian, toByteOffset: 8, as: UInt32.self)
        frame.storeBytes(of: sum.second.littleEndian, toByteOffset: 12, as: UInt32.self)
    }

    @inline(__always)
    private static func checksum(_ frame: UnsafeRawBufferPointer, salt: UInt64) -> WALChecksum {
        var sum = WALChecksum(salt: salt)
        sum.add(UnsafeRawBufferPointer(rebasing: frame[0..<8]))
        sum.add(UnsafeRawBufferPointer(rebasing: frame[16...]))
        return sum
    }

    /// A frame as it lies in memory, and is valid as long as that.
    struct Frame {
        var size: Int
        var number: UInt64
        var timestamp: Int64
        var group: UnsafeRawBufferPointer
        var stream: UnsafeRawBufferPointer
        var message: UnsafeRawBufferPointer

        var destination: Destination {
            Destination(
                logGroup: String(decoding: group, as: UTF8.self),
                logStream: String(decoding: stream, as: UTF8.self)
            )
        }
    }

    /// The frame at the beginning of some bytes, by what it says itself; `nil` if it can not be one.
    static func frame(_ bytes: UnsafeRawBufferPointer) -> Frame? {
        guard bytes.count >= headSize else { return nil }
        let message = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt32.self)))
        let group = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 28, as: UInt16.self)))
        let stream = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 30, as: UInt16.self)))
        let size = frameSize(names: group + stream, message: message)
        guard message <= longestMessage, group + stream <= longestNames, size <= bytes.count else { return nil }
        let text = UnsafeRawBufferPointer(rebasing: bytes[headSize..<size])
        return Frame(
            size: size,
            number: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            timestamp: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: Int64.self)),
            group: UnsafeRawBufferPointer(rebasing: text[..<group]),
            stream: UnsafeRawBufferPointer(rebasing: text[group..<(group + stream)]),
            message: UnsafeRawBufferPointer(rebasing: text[(group + stream)..<(group + stream + message)])
        )
    }

    /// The frames in a region that were not moved yet, in the order in which they lie there.
    ///
    /// What is not whole is stepped over: the last frame of a process that was killed while it wrote, what is left of older
    /// frames, what the disk has lost. Nobody can have a message taken for a frame who does not know the salt.
    ///
    /// - Parameter moved: the number of the last record that was moved. A region is not used again before its records are.
    static func frames(in region: UnsafeRawBufferPointer, after moved: UInt64, salt: UInt64) -> [Frame] {
        var found: [Frame] = []
        var offset = 0
        while offset + headSize <= region.count {
            let rest = UnsafeRawBufferPointer(rebasing: region[offset...])
            guard let frame = frame(rest), isWhole(UnsafeRawBufferPointer(rebasing: rest[..<frame.size]), salt: salt)
            else {
                offset += 8
                continue
            }
            if frame.number > moved { found.append(frame) }
            offset += frame.size
        }
        return found
    }

    private static func isWhole(_ frame: UnsafeRawBufferPointer, salt: UInt64) -> Bool {
        let sum = checksum(frame, salt: salt)
        return sum.first == UInt32(littleEndian: frame.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
            && sum.second == UInt32(littleEndian: frame.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
    }

    /// Records that are missing before a frame that is whole.
    struct Hole {
        var records: Int
        /// The last frame before them, if one is there that is whole.
        var before: Frame?
        var after: Frame
    }

    /// What is missing between frames: a process that is killed leaves its last frame torn, and no other.
    ///
    /// - Parameters:
    ///   - frames: in the order of their numbers.
    ///   - moved: the number of the last record of which it is known that it was moved.
    static func holes(between frames: [Frame], after moved: UInt64) -> [Hole] {
        var holes: [Hole] = []
        var last = moved
        var before: Frame?
        for frame in frames where frame.number > last {
            let missing = frame.number - last - 1
            if missing > 0 {
                // No more than had room.
                let records = Int(min(missing, UInt64(2 * regionSize / headSize)))
                holes.append(Hole(records: records, before: before, after: frame))
            }
            (last, before) = (frame.number, frame)
        }
        return holes
    }

    // MARK: The header

    static func header(salt: UInt64) -> [UInt8] {
        var bytes = magic.withUTF8Buffer { Array($0) }
        withUnsafeBytes(of: salt.littleEndian) { bytes += $0 }
        withUnsafeBytes(of: UInt64(0)) { bytes += $0 }
        return bytes
    }

    /// The salt, and what is told to have been moved; `nil` if it is no header.
    static func parseHeader(_ bytes: [UInt8]) -> (salt: UInt64, moved: UInt64)? {
        guard bytes.count >= movedOffset + 8, magic.withUTF8Buffer({ bytes.starts(with: $0) }) else { return nil }
        return bytes.withUnsafeBytes { bytes in
            (
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: saltOffset, as: UInt64.self)),
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: movedOffset, as: UInt64.self))
            )
        }
    }
}
