import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("The damaged journal of a dead process", .onOwnThreads)
struct DamagedJournalTests {
    /// A block of the disk holds some thirty of its frames.
    private let left: Leftover

    init() throws {
        left = try Leftover(300, bytes: 90)
    }

    private func overwrite(_ range: Range<Int>) throws {
        let handle = try #require(FileHandle(forUpdatingAtPath: left.file))
        try handle.seek(toOffset: UInt64(range.lowerBound))
        try handle.write(contentsOf: Data(repeating: 0xAA, count: range.count))
        try handle.close()
    }

    private static let firstBlock = JournalFormat.headerSize..<(2 * JournalFormat.headerSize)
    private static let middleBlock = (4 * JournalFormat.headerSize)..<(5 * JournalFormat.headerSize)

    @Test(
        "gives what is whole, has what is missing counted in a stream, and is kept",
        arguments: [firstBlock, middleBlock]
    )
    func block(range: Range<Int>) throws {
        try overwrite(range)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: left.file))
        let spool = try Spool(path: left.path)

        let numbers = try left.numbers
        #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
        let lost = 300 - numbers.count
        #expect((28...40).contains(lost))
        let gap = try #require(spool.untoldGaps().first)
        #expect(gap.records == lost && gap.reason == "journal damaged" && gap.first <= gap.last)
        let neighbour = range == Self.firstBlock ? numbers[0] : (0..<300).first { !numbers.contains($0) }! - 1
        let expected = neighbour % 3 == 0 ? "other" : "stream"
        let status = try SpoolStatus.read(path: left.path)
        #expect(status.streams.filter { $0.dropped > 0 }.map(\.destination.logStream) == [expected])
        #expect(status.dropped == lost)

        #expect(status.journals == [])
        let kept = try #require(status.setAside.first)
        #expect(status.setAside.count == 1 && kept.hasSuffix(".journal"))
        // All but how far it was moved.
        let keptBytes = try Data(contentsOf: URL(fileURLWithPath: kept))
        #expect(keptBytes.dropFirst(JournalFormat.headerSize) == bytes.dropFirst(JournalFormat.headerSize))
        #expect(try left.live.notes() == [])

        _ = try Spool(path: left.path)
        let again = try SpoolStatus.read(path: left.path)
        #expect(again.dropped == lost && again.setAside == [kept])
        #expect(try left.numbers == numbers)
        #expect(try spool.tellGap(gap))
        #expect(try left.live.pending().last == gap.description)
    }

    @Test("that lacks its end alone was cut off by the kill: nothing is missing")
    func end() throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: left.file))
        let salt = try #require(JournalFormat.parseHeader(Array(bytes.prefix(JournalFormat.headerSize)))).salt
        let size = bytes.dropFirst(JournalFormat.headerSize).withUnsafeBytes { region in
            JournalFormat.frames(in: region, after: 0, salt: salt).prefix(250).reduce(0) { $0 + $1.size }
        }
        try overwrite((JournalFormat.headerSize + size)..<bytes.count)
        let spool = try Spool(path: left.path)
        #expect(try left.numbers == Array(0..<250))
        #expect(try spool.untoldGaps() == [])
        #expect(try SpoolStatus.read(path: left.path).setAside == [])
        #expect(!FileManager.default.fileExists(atPath: left.file))
    }

    @Test("is counted once, though its records are moved later, and set aside then")
    func later() throws {
        try overwrite(Self.middleBlock)
        try sqlite3(
            left.path,
            """
            CREATE TRIGGER guard BEFORE INSERT ON records WHEN NEW.message LIKE '299 %'
            BEGIN SELECT raise(ABORT, 'not this one'); END
            """
        )
        for _ in 0..<3 { _ = try Spool(path: left.path) }
        #expect(FileManager.default.fileExists(atPath: left.file))
        try sqlite3(left.path, "DROP TRIGGER guard")
        let spool = try Spool(path: left.path)
        #expect(try spool.untoldGaps().map(\.records) == [300 - left.numbers.count])
        #expect(!FileManager.default.fileExists(atPath: left.file))
        #expect(try SpoolStatus.read(path: left.path).setAside.count == 1)
        #expect(try left.live.notes() == [])
    }

    @Test("is set aside though its process died when all was moved and counted")
    func afterwards() throws {
        try overwrite(Self.middleBlock)
        let copy = try Data(contentsOf: URL(fileURLWithPath: left.file))
        _ = try Spool(path: left.path)
        let (numbers, dropped) = (try left.numbers, try SpoolStatus.read(path: left.path).dropped)
        // As it was before the file had its new name.
        try copy.write(to: URL(fileURLWithPath: left.file))
        chmod(left.file, 0o600)
        let name = left.file.suffix(16)
        try sqlite3(
            left.path,
            "INSERT INTO counters VALUES ('journal \(name)', 300), ('journal \(name) damaged', 1)"
        )
        let status = try SpoolStatus.read(path: left.path)
        #expect(try left.numbers == numbers)
        #expect(status.dropped == dropped && status.setAside.count == 2)
        #expect(try left.live.notes() == [])
    }

    @Test("is none that has taken the place of a deleted one, and begins in the middle")
    func renewed() throws {
        let live = try LiveFixture()
        let journal = try Journal(spool: live.spool)
        for number in 0..<10 { #expect(try live.stage("\(number)", in: journal)) }
        #expect(try journal.move() == 10)
        for number in 10..<15 { #expect(try live.stage("\(number)", in: journal)) }
        unlink(journal.path)
        journal.renewFileIfGone(interval: 0)
        try FileManager.default.copyItem(
            atPath: journal.path,
            toPath: live.path + JournalFile.infix + "00000000000000aa"
        )
        let spool = try Spool(path: live.path)
        #expect(try live.pending() == (0..<15).map { "\($0)" })
        #expect(try spool.untoldGaps() == [])
        #expect(try SpoolStatus.read(path: live.path).setAside == [])
    }
}
