import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("New records", .onOwnThreads)
struct NewRecordsTests {
    @Test("come back as they were, under ids that follow each other", arguments: [1, 2, 3, 64, 1_000])
    func contents(count: Int) throws {
        let test = try TestSpool()
        let messages: [[UInt8]] = [
            [], Array("a".utf8), [0, 0x61, 0], Array("ü€🜁".utf8), [UInt8](repeating: 0x78, count: 5_000),
        ]
        let given: [Given] = (0..<count).map { number in
            Given(number % 3 == 0 ? test.stream : test.otherStream, messages[number % 5], time: Int64(number) - 5)
        }
        let last = try test.append(given)
        let select = try Connection(path: test.path, mode: .readOnly)
            .prepare("SELECT id, stream_id, timestamp, typeof(message), message FROM records ORDER BY id")
        for (number, record) in given.enumerated() {
            try #require(try select.step())
            #expect(select.integer(0) == last - Int64(count - 1 - number))
            #expect(select.integer(1) == record.stream)
            #expect(select.integer(2) == record.time)
            #expect(select.text(3) == "text")
            #expect(select.bytes(4).elementsEqual(record.text))
        }
        #expect(try !select.step())
        #expect(try integrity(of: test.path) == "ok")
    }

    /// Two spools append to one file, and a third connection writes what it likes.
    @Test("have ids that are higher than any before, whoever has written", arguments: [1, 2, 3, 4] as [UInt64])
    func history(seed: UInt64) throws {
        let test = try TestSpool()
        let spools = [test.spool, try Spool(path: test.path)]
        let other = try Connection(path: test.path, mode: .readWrite)
        other.setBusyDeadline(.max)
        // Stands for whatever makes an insert fail when others have succeeded.
        try other.execute(
            """
            CREATE TRIGGER guard BEFORE INSERT ON records WHEN NEW.message = 'bad'
            BEGIN SELECT raise(ABORT, 'not this one'); END
            """
        )
        var random = SeededGenerator(seed: seed)
        var present: [Int64] = []
        var highest: Int64 = 0
        for _ in 0..<300 {
            let spool = spools[Int.random(in: 0...1, using: &random)]
            switch Int.random(in: 0..<10, using: &random) {
            case 0...2:
                present.append(try spool.append("one", stream: test.stream))
                try #require(present.last! > highest)
            case 3...5:
                let count = Int.random(in: 0...5, using: &random)
                let last = try test.append([Given](repeating: Given(test.stream, [97]), count: count), to: spool)
                // None at all are a transaction too.
                let ids = count == 0 ? [] : Array((last - Int64(count - 1))...last)
                try #require(ids.allSatisfy { $0 > highest })
                present += ids
            case 6:
                let texts = ["good", "bad", "good"].map { Given(test.stream, Array($0.utf8)) }
                #expect(throws: SpoolError.self) { try test.append(texts, to: spool) }
            case 7:
                let id = max(highest, WallClock.microseconds()) + Int64.random(in: 1...5_000, using: &random)
                try other.execute("INSERT INTO records VALUES (\(id), \(test.stream), 1, 'foreign')")
                present.append(id)
            case 8:
                highest = max(highest, WallClock.microseconds()) + Int64.random(in: 1...5_000, using: &random)
                try other.execute("UPDATE counters SET value = \(highest) WHERE name = 'last_id'")
            default:
                try other.execute("UPDATE counters SET value = \(highest) WHERE name = 'last_id'; DELETE FROM records")
                present = []
            }
            highest = max(highest, present.last ?? 0)
            try #require(try test.ids() == present)
        }
    }

    @Test(
        "are none of them in the spool, and the caller is told, where the file was changed so that some are lost",
        arguments: [
            "CREATE TRIGGER t BEFORE INSERT ON records WHEN NEW.message = 'b' BEGIN SELECT raise(IGNORE); END",
            // That of the records is not to be had in there.
            "CREATE TRIGGER t AFTER INSERT ON records BEGIN SELECT count(*) FROM logbeam_new_records; END",
            "CREATE TABLE logbeam_new_records (id, stream_id, timestamp, message)",
        ]
    )
    func changed(statement: String) throws {
        let test = try TestSpool()
        try test.append()
        let before = try test.ids()
        try test.execute(statement)
        let records = ["a", "b", "c"].map { Given(test.stream, Array($0.utf8)) }
        #expect(throws: SpoolError.self) { try test.append(records) }
        #expect(throws: SpoolError.self) { try test.spool.append("b", stream: test.stream) }
        #expect(try test.ids() == before)
        let kind = statement.split(separator: " ")[1]
        try test.execute("DROP \(kind) \(kind == "TABLE" ? "logbeam_new_records" : "t")")
        let last = try test.append(records, to: Spool(path: test.path))
        #expect(try test.ids() == before + [last - 2, last - 1, last])
    }
}

private struct Given {
    var stream: Int64
    var time: Int64
    var text: [UInt8]

    init(_ stream: Int64, _ text: [UInt8], time: Int64 = 1) {
        self.stream = stream
        self.time = time
        self.text = text
    }
}

extension TestSpool {
    /// Commits records together, and returns the id of the last.
    @discardableResult
    fileprivate func append(_ records: [Given], to spool: Spool? = nil) throws -> Int64 {
        let bytes = records.flatMap(\.text)
        return try bytes.withUnsafeBufferPointer { bytes in
            var start = 0
            var new: [NewRecord] = []
            for record in records {
                let message = UnsafeBufferPointer(rebasing: bytes[start..<start + record.text.count])
                start += record.text.count
                new.append(NewRecord(stream: record.stream, timestamp: record.time, message: message))
            }
            return try (spool ?? self.spool).append(new)
        }
    }
}
