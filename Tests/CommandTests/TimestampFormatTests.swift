import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("A timestamp format")
struct TimestampFormatTests {
    /// 2026-11-26T12:00:00Z
    private static let now: Int64 = 1_795_694_400_000

    private func read(_ format: String, _ line: String, now: Int64 = now) throws -> String? {
        let format = try TimestampFormat(format)
        let time = Array(line.utf8).withUnsafeBufferPointer { format.find(in: $0)?.milliseconds(in: .utc, now: now) }
        return time.map { UTCTime(millisecondsSinceEpoch: $0).iso8601 }
    }

    @Test(
        "finds the time in a line",
        arguments: [
            ("%Y-%m-%d %H:%M:%S", "2026-11-26 10:20:30 started", "2026-11-26T10:20:30.000Z"),
            ("%Y-%m-%d %H:%M:%S,%f", "[7] 2026-11-26 10:20:30,123 started", "2026-11-26T10:20:30.123Z"),
            ("%Y-%m-%dT%H:%M:%S.%f%z", "2026-11-26T10:20:30.123456789+02:00 x", "2026-11-26T08:20:30.123Z"),
            ("%Y-%m-%dT%H:%M:%S%z", "2026-11-26T10:20:30Z", "2026-11-26T10:20:30.000Z"),
            ("%Y-%m-%dT%H:%M:%S%z", "2026-11-26T10:20:30-03", "2026-11-26T13:20:30.000Z"),
            ("%d/%b/%Y:%H:%M:%S %z", "1.2.3.4 - - [26/nov/2026:10:20:30 -0130] \"GET /\"", "2026-11-26T11:50:30.000Z"),
            ("%a, %d %b %Y %T %Z", "Thursday, 26 November 2026 10:20:30 GMT", "2026-11-26T10:20:30.000Z"),
            ("%m/%d/%y %I:%M %p", "11/26/26 12:05 am", "2026-11-26T00:05:00.000Z"),
            ("%D %R", "11/26/68 10:20", "2068-11-26T10:20:00.000Z"),
            ("%F %I:%M %p", "2026-11-26 12:05 PM", "2026-11-26T12:05:00.000Z"),
            ("%c", "Thu Nov 26 10:20:30 2026", "2026-11-26T10:20:30.000Z"),
            ("%Y %j", "2024 366", "2024-12-31T00:00:00.000Z"),
            ("%Y %j", "2023 366", nil),
            ("%s", "1700000000 x", "2023-11-14T22:13:20.000Z"),
            ("%s.%f", "ts=1700000000.25", "2023-11-14T22:13:20.250Z"),
            ("%s", "1700000000250 x", nil),
            ("%s", "x21700000000250", nil),
            ("x1%s", "x11700000000", "2023-11-14T22:13:20.000Z"),
            ("100%% %F", "100% 2026-11-26", "2026-11-26T00:00:00.000Z"),
            ("%Y-%m-%d", "2026-02-29", nil),
            ("%Y-%m-%d %H:%M", "2026-11-26", nil),
            ("%Y-%m-%d", "", nil),
            ("%Y-%m-%d", "26-11-26", nil),
        ]
    )
    func finds(format: String, line: String, time: String?) throws {
        #expect(try read(format, line) == time)
    }

    @Test(
        "without a year takes the one that makes it the latest time no later than a day from now",
        arguments: [
            ("Nov 26 12:00:01", "2026-11-26T12:00:01.000Z"), ("Nov  5 10:20:30", "2026-11-05T10:20:30.000Z"),
            ("Nov 27 12:00:00", "2026-11-27T12:00:00.000Z"), ("Nov 27 12:00:01", "2025-11-27T12:00:01.000Z"),
            ("Dec 31 23:59:59", "2025-12-31T23:59:59.000Z"), ("Feb 29 00:00:00", "2024-02-29T00:00:00.000Z"),
        ]
    )
    func yearless(line: String, time: String) throws {
        #expect(try read("%b %d %H:%M:%S", line) == time)
    }

    @Test("without a year, at the turn of the year")
    func turnOfTheYear() throws {
        let newYear = try #require(UTCTime.milliseconds(iso8601: "2027-01-01T00:00:05Z"))
        #expect(try read("%b %d %T", "Dec 31 23:59:59", now: newYear) == "2026-12-31T23:59:59.000Z")
        #expect(try read("%b %d %T", "Jan  1 00:00:10", now: newYear - 10_000) == "2027-01-01T00:00:10.000Z")
    }

    @Test("looks for the beginning of a time in the first 512 bytes alone")
    func bounded() throws {
        for (spaces, isFound) in [(511, true), (512, false), (1_000_000, false)] {
            #expect(try (read("%F", String(repeating: " ", count: spaces) + "2026-11-26") != nil) == isFound)
        }
    }

    @Test(
        "is refused with the reason",
        arguments: [
            ("", "1 to 200 bytes"), (String(repeating: "x", count: 201), "1 to 200 bytes"),
            ("%Y-%m", "a day and a month"),
            ("%H:%M:%S", "a day and a month"), ("%j", "%j and a year"), ("%F %Q", "it has %Q"),
            ("%F %", "stands at its end"),
            ("%U %F", "it has %U"),
        ]
    )
    func refused(format: String, reason: String) {
        let fault = #expect(throws: TimestampFormat.Fault.self) { try TimestampFormat(format) }
        #expect(fault?.description.contains(reason) == true)
    }

    @Test("reads what Python's strptime reads, and as that does", arguments: 1...3 as ClosedRange<UInt64>)
    func python(seed: UInt64) async throws {
        try await onOwnThread {
            let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("Python/strptime.py").path
            let process = try ChildProcess("/usr/bin/env", ["python3", script, "\(seed)", "4000"])
            let ended = try Ended(process)
            try #require(ended.code == 0, "\(ended.error)")
            var (times, formats) = (0, [String: TimestampFormat]())
            for row in ended.output.split(separator: "\n") {
                let columns = row.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
                try #require(columns.count == 3)
                let format = try formats[columns[0]] ?? TimestampFormat(columns[0])
                formats[columns[0]] = format
                let time = Array(columns[1].utf8).withUnsafeBufferPointer {
                    format.find(in: $0)?.milliseconds(in: .utc, now: Self.now)
                }
                #expect(time.map { "\($0)" } ?? "-" == columns[2], "\(columns[0]) in \(columns[1])")
                if time != nil { times += 1 }
            }
            #expect(times > 2_000)
        }
    }
}
