import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("The view that people read with sqlite3")
struct PendingViewTests {
    private struct Row: Decodable, Equatable {
        var id: Int64
        var time: String
        var log_group: String
        var log_stream: String
        var message: String
    }

    @Test("shows what is pending, oldest first, with the time in UTC to the millisecond")
    func rows() throws {
        let test = try TestSpool()
        var random = SeededGenerator(seed: 1)
        var expected: [Row] = []
        for number in 0..<500 {
            let isOther = Bool.random(using: &random)
            // 1970 to 2096.
            let timestamp = Int64.random(in: 0...4_000_000_000_000, using: &random)
            let message = "message \(number) \"ü\"\n"
            let stream = isOther ? test.otherStream : test.stream
            let id = try test.spool.append(message, stream: stream, timestamp: timestamp)
            expected.append(
                Row(
                    id: id,
                    time: UTCTime(millisecondsSinceEpoch: timestamp).iso8601,
                    log_group: "group",
                    log_stream: isOther ? "other" : "stream",
                    message: message
                )
            )
        }
        let output = try sqlite3(test.path, "SELECT * FROM pending", options: ["-readonly", "-json"])
        #expect(try JSONDecoder().decode([Row].self, from: Data(output.utf8)) == expected)
    }

    @Test("has the names that are documented, and can be read while the spool is in use")
    func columns() throws {
        let test = try TestSpool()
        try test.spool.append("hello", stream: test.stream, timestamp: 1_790_000_000_123)
        let output = try sqlite3(test.path, "SELECT * FROM pending", options: ["-header"])
        let id = try test.ids()[0]
        #expect(output == "id|time|log_group|log_stream|message\n\(id)|2026-09-21T14:13:20.123Z|group|stream|hello\n")
    }

    @Test("shows what is on its way, and not what is acknowledged and still to be deleted")
    func acknowledged() throws {
        let test = try TestSpool()
        var (ids, others): ([Int64], [Int64]) = ([], [])
        for number in 0..<10 {
            // As late as the batch goes, and later.
            ids += try test.append(to: test.stream, timestamp: number == 5 ? 1_002 : 1_001)
            others += try test.append(to: test.otherStream)
        }
        // Between them are records that no batch has yet.
        let acknowledged = [test.range(ids[1], ids[2]), test.range(ids[4], ids[7], latest: 1_001)]
        let onTheirWay = [test.range(ids[0], ids[0]), test.range(ids[8], ids[8])]
        for range in acknowledged + onTheirWay { try test.spool.begin(range) }
        #expect(try test.ids("pending") == (ids + others).sorted())
        for range in acknowledged { try test.spool.acknowledge(range, refused: [], delivered: 0) }
        let pending = ([0, 3, 5, 8, 9].map { ids[$0] } + others).sorted()
        #expect(try test.ids("pending") == pending)
        #expect(try test.ids("records").count == 20)
        // What the programs show is the same.
        #expect(try StoredRecords(path: test.path).page(after: 0).records.map(\.id) == pending)
    }

    @Test("is empty when everything was delivered")
    func empty() throws {
        let test = try TestSpool()
        try test.append(3)
        try test.deliverAll()
        #expect(try sqlite3(test.path, "SELECT * FROM pending") == "")
    }
}
