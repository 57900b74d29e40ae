import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("The bytes of a journal")
struct JournalFormatTests {
    private static let salt: UInt64 = 0x1234_5678_9ABC_DEF0

    /// A region of the size that a test needs.
    private struct Bytes {
        var all: [UInt8]
        var end = 0

        init(_ size: Int = 4_096) { all = [UInt8](repeating: 0, count: size) }

        /// Returns where the frame begins.
        @discardableResult
        mutating func add(_ number: UInt64, _ message: [UInt8], names: String = "groupstream", salt: UInt64 = salt)
            -> Int
        {
            let names = Array(names.utf8)
            let size = JournalFormat.frameSize(names: names.count, message: message.count)
            let start = end
            all.withUnsafeMutableBytes { bytes in
                names.withUnsafeBytes { names in
                    message.withUnsafeBufferPointer { message in
                        JournalFormat.write(
                            number,
                            timestamp: Int64(number) * 10,
                            names: names,
                            groupLength: min(5, names.count),
                            message: message,
                            salt: salt,
                            into: UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start + size)])
                        )
                    }
                }
            }
            end += size
            return start
        }

        func numbers(after moved: UInt64 = 0) -> [UInt64] {
            all.withUnsafeBytes { JournalFormat.frames(in: $0, after: moved, salt: salt).map(\.number) }
        }
    }

    @Test("what is written is read again, whatever its length", arguments: [0, 1, 7, 8, 9, 100, 65_536])
    func roundTrip(length: Int) throws {
        var bytes = Bytes(JournalFormat.regionSize)
        let message = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        bytes.add(1, message)
        bytes.add(2, [], names: "")
        try bytes.all.withUnsafeBytes { region in
            let frames = JournalFormat.frames(in: region, after: 0, salt: Self.salt)
            try #require(frames.map(\.number) == [1, 2])
            #expect(frames[0].timestamp == 10)
            #expect(Array(frames[0].message) == message)
            #expect(String(decoding: frames[0].group, as: UTF8.self) == "group")
            #expect(String(decoding: frames[0].stream, as: UTF8.self) == "stream")
            #expect(frames[1].message.isEmpty && frames[1].group.isEmpty && frames[1].stream.isEmpty)
        }
    }

    @Test("a frame in which any byte differs is not read, and those around it are")
    func damage() {
        var bytes = Bytes()
        bytes.add(1, Array("first".utf8))
        let second = bytes.add(2, Array("the second".utf8))
        let third = bytes.add(3, Array("third".utf8))
        for index in second..<third {
            var damaged = bytes
            damaged.all[index] ^= 0x10
            #expect(damaged.numbers() == [1, 3], "byte \(index - second)")
        }
    }

    @Test(
        "what a process wrote when it was killed is read up to the last whole frame",
        arguments: [0, 8, 31, 32, 40, 52]
    )
    func torn(length: Int) {
        var bytes = Bytes()
        bytes.add(1, Array("first".utf8))
        let second = bytes.add(2, Array("the second".utf8))
        #expect(bytes.end - second == 56)
        for index in (second + length)..<bytes.end { bytes.all[index] = 0 }
        #expect(bytes.numbers() == [1])
    }

    @Test("what was moved is not read again, and what is left of it behind newer frames does no harm")
    func usedAgain() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<500 {
            var bytes = Bytes(2_048)
            var number: UInt64 = 0
            var moved: UInt64 = 0
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                moved = number
                bytes.end = 0
                for _ in 0..<Int.random(in: 1...12, using: &random) {
                    number += 1
                    bytes.add(number, [UInt8](repeating: 65, count: .random(in: 0...80, using: &random)))
                }
            }
            #expect(bytes.numbers(after: moved) == (moved..<number).map { $0 + 1 })
        }
    }

    @Test("a message that looks like a frame is not taken for one by those who do not know the salt")
    func forgery() {
        var forged = Bytes(256)
        forged.add(99, Array("forged".utf8), salt: 0)
        let message = Array(forged.all[..<forged.end])
        var bytes = Bytes()
        // So that the forged one lies where one would be looked for.
        let start = bytes.add(1, message, names: "12345678")
        #expect(bytes.numbers() == [1])
        // As it lies there when its own frame was overwritten in part.
        bytes.all[start] ^= 1
        #expect(bytes.numbers() == [])
        // With the salt it would be found: the test looks at the right place.
        forged.end = 0
        forged.add(99, Array("forged".utf8))
        var known = Bytes()
        known.add(1, Array(forged.all[..<forged.end]), names: "12345678")
        known.all[0] ^= 1
        #expect(known.numbers() == [99])
    }

    @Test("no bytes whatever make it read beyond its region, or for ever")
    func anything() {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<200 {
            var bytes = Bytes(.random(in: 0...600, using: &random))
            for index in bytes.all.indices { bytes.all[index] = .random(in: 0...3, using: &random) }
            #expect(bytes.numbers() == [])
            #expect(JournalFormat.parseHeader(bytes.all) == nil)
        }
    }

    @Test("the header is read as it was written")
    func header() throws {
        let header = try #require(JournalFormat.parseHeader(JournalFormat.header(salt: Self.salt)))
        #expect(header.salt == Self.salt && header.moved == 0)
        #expect(JournalFormat.parseHeader(Array(JournalFormat.header(salt: 1).dropLast())) == nil)
        #expect(JournalFormat.parseHeader(Array("logbeam journal2".utf8) + [UInt8](repeating: 0, count: 16)) == nil)
    }
}
