import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite struct UTCTimeTests {
    // From Python's datetime; the year 0, which Python has not, from SQLite's strftime. Both are proleptic Gregorian.
    @Test(
        arguments: [
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (-62_162_121_600_000, "0000-02-29T00:00:00.000Z"),
            (-62_162_035_200_001, "0000-02-29T23:59:59.999Z"),
            (-62_162_035_200_000, "0000-03-01T00:00:00.000Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (-62_035_804_800_001, "0004-02-29T23:59:59.999Z"),
            (-12_219_724_800_000, "1582-10-10T00:00:00.000Z"),
            (-2_203_891_200_001, "1900-02-28T23:59:59.999Z"),
            (-2_203_891_200_000, "1900-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (951_825_600_000, "2000-02-29T12:00:00.000Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (1_795_376_529_123, "2026-11-22T19:42:09.123Z"),
            (2_147_483_648_000, "2038-01-19T03:14:08.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)]
    )
    func `An instant has its date and time in UTC`(milliseconds: Int64, expected: String) {
        #expect(UTCTime(millisecondsSinceEpoch: milliseconds).iso8601 == expected)
    }

    @Test func `The parts of an instant are those of its string`() {
        let time = UTCTime(millisecondsSinceEpoch: 1_795_376_529_123)
        #expect((time.civil.year, time.civil.month, time.civil.day) == (2026, 11, 22))
        #expect((time.civil.hour, time.civil.minute, time.civil.second, time.millisecond) == (19, 42, 9, 123))
    }

    @Test(arguments: [
        (Int64.min, "0000-01-01T00:00:00.000Z"),
        (-62_167_219_200_001, "0000-01-01T00:00:00.000Z"),
        (253_402_300_800_000, "9999-12-31T23:59:59.999Z"),
        (Int64.max, "9999-12-31T23:59:59.999Z"),
    ])
    func `An instant outside the years 0 to 9999 is the nearest inside`(milliseconds: Int64, expected: String) {
        #expect(UTCTime(millisecondsSinceEpoch: milliseconds).iso8601 == expected)
    }

    @Test(
        arguments: [
            ("2026-11-22T19:42:09Z", 1_795_376_529_000),
            ("2026-11-22 19:42:09", 1_795_376_529_000),
            ("2026-11-22T19:42:09.123456Z", 1_795_376_529_123),
            ("2026-11-22T19:42:09,12UTC", 1_795_376_529_120),
            ("2026-11-22T21:42:09,123+02:00", 1_795_376_529_123),
            ("2026-11-22t17:12:09.1-0230", 1_795_376_529_100),
            ("2026-11-22T20:42:09+01", 1_795_376_529_000),
            ("2026-11-22T19:42Z", nil),
            ("2026-11-22", nil),
            ("2026-11-22T19:42:09.1.2Z", nil),
            ("2026-11-22T19:42:09CET", nil),
            ("2026-02-29T00:00:00Z", nil),
            ("", nil),
        ] as [(String, Int64?)]
    )
    func `Text in the form of ISO 8601 is an instant`(text: String, expected: Int64?) {
        #expect(UTCTime.milliseconds(iso8601: text) == expected)
    }

    @Test func `Random instants agree with Foundation`() {
        var generator = SeededGenerator(seed: 1)
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true, timeZone: .gmt)
        // Foundation changes to the Julian calendar before 1582-10-15.
        for _ in 0..<20_000 {
            let milliseconds = Int64.random(in: -12_219_292_800_000...253_402_300_799_999, using: &generator)
            // A quarter of a millisecond, which a Double of this size can hold, keeps Foundation from rounding down.
            let date = Date(timeIntervalSince1970: (Double(milliseconds) + 0.25) / 1_000)
            #expect(UTCTime(millisecondsSinceEpoch: milliseconds).iso8601 == date.formatted(style))
        }
    }
}
