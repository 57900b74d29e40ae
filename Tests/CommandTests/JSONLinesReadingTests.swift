import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("Lines of JSON as records")
struct JSONLinesReadingTests {
    private static let now: Int64 = 1_795_694_400_000
    private static let destination = Destination(logGroup: "group", logStream: "stream")

    private struct Record: Equatable {
        var destination = JSONLinesReadingTests.destination
        var time = JSONLinesReadingTests.now
        var message: String
    }

    private func read(_ lines: [String], maximum: Int = 1_000) -> (records: [Record], tally: LineReading.Tally) {
        var reading = LineReading(.json, destination: Self.destination, maximum: maximum)
        let bytes = lines.map { Array($0.utf8) }
        let memory = Array(bytes.joined())
        let records = memory.withUnsafeBufferPointer { memory in
            var start = 0
            let messages = bytes.map { line in
                defer { start += line.count }
                return UnsafeBufferPointer(rebasing: memory[start..<(start + line.count)])
            }
            return reading.read(messages, at: Self.now) { entries in
                entries.map {
                    Record(
                        destination: $0.destination,
                        time: $0.timestamp,
                        message: String(decoding: $0.message, as: UTF8.self)
                    )
                }
            }
        }
        return (records, reading.tally)
    }

    @Test("have their own time, stream and message, or what is given for all, or the line itself")
    func objects() {
        let other = Destination(logGroup: "g", logStream: "stream")
        let lines: [(String, Record)] = [
            (#"{"message":"a"}"#, Record(message: "a")),
            (#" { "message" : "a\nb\u0000\ud83d\ude00" } "#, Record(message: "a\nb\0😀")),
            (#"{"message":"","x":[1]}"#, Record(message: "")),
            (#"{"time":"2026-11-26T14:00:00.5+02:00","message":"a"}"#, Record(time: Self.now + 500, message: "a")),
            (#"{"time":"2026-11-26 12:00:00","message":"a"}"#, Record(message: "a")),
            (#"{"time":1795694400,"message":"a"}"#, Record(message: "a")),
            (#"{"time":1795694400.25,"message":"a"}"#, Record(time: Self.now + 250, message: "a")),
            (#"{"time":1795694400001,"message":"a"}"#, Record(time: Self.now + 1, message: "a")),
            (#"{"time":99999999999,"message":"a"}"#, Record(time: 99_999_999_999_000, message: "a")),
            (#"{"time":100000000000,"message":"a"}"#, Record(time: 100_000_000_000, message: "a")),
            (#"{"time":null,"log_group":null,"message":"a"}"#, Record(message: "a")),
            (#"{"log_group":"g","message":"a"}"#, Record(destination: other, message: "a")),
            (#"{"log_group":"g"}"#, Record(destination: other, message: #"{"log_group":"g"}"#)),
            ("{}", Record(message: "{}")),
        ]
        let (records, tally) = read(lines.map(\.0))
        #expect(records == lines.map(\.1))
        #expect(tally.odd == 0)
        #expect(tally.tooFarAhead == 2 - 1 && tally.tooOld == 1)
    }

    @Test(
        "that are no such objects are taken as they are, and counted",
        arguments: [
            "", "plain", "[1]", "17", #"{"message":"a""#, #"{"message":17}"#, #"{"message":"a","time":"yesterday"}"#,
            #"{"message":"a","time":1e300}"#, #"{"message":"a","time":true}"#, #"{"message":"a","log_group":"a b"}"#,
            #"{"message":"a","log_stream":"a:b"}"#, #"{"message":"\ud83d"}"#, String(repeating: "[", count: 900),
        ]
    )
    func odd(line: String) {
        let (records, tally) = read([line, #"{"message":"next"}"#])
        #expect(records == [Record(message: line), Record(message: "next")])
        #expect(tally.odd == 1)
    }

    @Test("with a message that is too long become several records of the same time and stream")
    func long() {
        let message = String(repeating: "aé", count: 50)
        let (records, tally) = read([#"{"time":5,"log_group":"g","message":"\#(message)"}"#], maximum: 60)
        #expect(records.map(\.message).joined() == message)
        #expect(records.map(\.message.utf8.count) == [60, 60, 30])
        #expect(Set(records.map(\.time)) == [5_000] && Set(records.map(\.destination.logGroup)) == ["g"])
        #expect(tally.cut == 1)
    }

    @Test("Whatever the bytes are, a line becomes one record, and none is lost")
    func mutated() throws {
        let tokens = [
            "{", "}", "\"", "\\u00e9", "\\ud83c\\udf0d", ":", ",", "null", "1795694400", "\"time\":", "\"message\":",
            "\"log_group\":", "\"log_stream\":", "2026-11-26T12:00:00.000Z", "+02:00", "\0", "é",
        ]
        var fuzzer = try Fuzzer(corpus: "jsonlines", tokens: tokens)
        try fuzzer.run(rounds: 3_000) { bytes, _ in
            let line = String(decoding: bytes, as: UTF8.self)
            let (records, tally) = read([line], maximum: 100_000)
            try #require(records.count == 1)
            let record = records[0]
            #expect(tally.odd == 0 || record == Record(message: line))
            #expect(Destination.isValid(logGroup: record.destination.logGroup))
            #expect(Destination.isValid(logStream: record.destination.logStream))
            // What was read is read again when it is written.
            var written: [UInt8] = []
            var message = record.message
            message.withUTF8 {
                JSONLines.append(time: record.time, destination: record.destination, message: $0, to: &written)
            }
            #expect(read([String(decoding: written.dropLast(), as: UTF8.self)]).records == [record])
            return [tally.odd, record.message == line ? 1 : 0, record.time == Self.now ? 1 : 0, tally.tooOld]
        }
    }
}
