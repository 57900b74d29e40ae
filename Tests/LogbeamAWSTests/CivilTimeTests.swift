import Foundation
import LogbeamCore
import Testing

@testable import LogbeamAWS

@Suite("Civil time")
struct CivilTimeTests {
    @Test(
        "formats a time as X-Amz-Date does",
        arguments: [
            (0, "19700101T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),  // 2000 is a leap year: it divides by 400.
            (951_868_800, "20000301T000000Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),  // 2100 is none: it divides by 100 alone.
            (1_709_164_800, "20240229T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
            (-1, "19691231T235959Z"),
            (-62_167_219_200, "00000101T000000Z"),
            (253_402_300_799, "99991231T235959Z"),
            (Int64.max, "99991231T235959Z"),
            (Int64.min, "00000101T000000Z"),
        ] as [(Int64, String)]
    )
    func formats(_ seconds: Int64, _ expected: String) {
        #expect(CivilTime(secondsSinceEpoch: seconds).basicDateTime == expected)
        #expect(CivilTime(secondsSinceEpoch: seconds).basicDate == expected.prefix(8))
    }

    @Test("agrees with Foundation's calendar on every day of five centuries")
    func everyDay() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
        // From 1900 to 2400, an odd number of seconds apart so that every part of the day comes up.
        for seconds in stride(from: Int64(-2_208_988_800), to: 13_569_465_600, by: 86_399) {
            let civil = CivilTime(secondsSinceEpoch: seconds)
            let expected = calendar.dateComponents(
                [.year, .month, .day, .hour, .minute, .second],
                from: Date(timeIntervalSince1970: TimeInterval(seconds))
            )
            try #require(civil.year == expected.year.map(Int64.init) && civil.month == expected.month.map(Int64.init))
            try #require(civil.day == expected.day.map(Int64.init) && civil.hour == expected.hour.map(Int64.init))
            try #require(civil.minute == expected.minute.map(Int64.init))
            try #require(civil.second == expected.second.map(Int64.init))
            try #require(civil.secondsSinceEpoch == seconds)
        }
    }

    @Test(
        "reads the date of an answer, and nothing else",
        arguments: [
            ("Sun, 30 Aug 2015 12:36:00 GMT", 1_440_938_160),
            ("Thu, 29 Feb 2024 23:59:60 GMT", 1_709_251_200),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Wed, 29 Feb 2023 00:00:00 GMT", nil),
            ("Sun, 30 Aug 2015 12:36:00 CET", nil),
            ("Sun, 30 Aug 2015 24:36:00 GMT", nil),
            ("Sun, 30 Aug +015 12:36:00 GMT", nil),
            ("Sun, 30 Aug 99999999999999999999 12:36:00 GMT", nil),
            ("Sun, 30 aug 2015 12:36:00 GMT", nil),
            ("Sunday, 30-Aug-15 12:36:00 GMT", nil),
            ("", nil),
        ] as [(String, Int64?)]
    )
    func readsHTTPDate(_ text: String, _ expected: Int64?) {
        #expect(HTTPDate.secondsSinceEpoch(text) == expected)
    }
}
