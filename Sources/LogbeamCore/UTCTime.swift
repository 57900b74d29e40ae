/// An instant as the proleptic Gregorian calendar and a clock at UTC show it; leap seconds do not exist, as in POSIX time.
///
/// Instants before the year 0 or after the year 9999 become the first or the last millisecond of that span, so that
/// every `Int64` has a time and ``iso8601`` always has four digits of year and a length of 24.
package struct UTCTime: Sendable, Equatable {
    package let year: Int
    /// 1 to 12.
    package let month: Int
    /// 1 to 31.
    package let day: Int
    /// 0 to 23.
    package let hour: Int
    package let minute: Int
    package let second: Int
    package let millisecond: Int

    /// The last millisecond of the year 9999.
    private static let latest: Int64 = 253_402_300_799_999
    private static let millisecondsPerDay: Int64 = 86_400_000
    /// From 0000-01-01 to 1970-01-01.
    private static let daysBeforeEpoch: Int64 = 719_528

    /// - Parameter millisecondsSinceEpoch: Milliseconds since 1970-01-01T00:00:00Z.
    package init(millisecondsSinceEpoch: Int64) {
        let earliest = -Self.daysBeforeEpoch * Self.millisecondsPerDay
        let sinceYearZero = Int(min(max(millisecondsSinceEpoch, earliest), Self.latest) - earliest)
        let (dayNumber, time) = sinceYearZero.quotientAndRemainder(dividingBy: Int(Self.millisecondsPerDay))

        // Years that begin in March put the leap day at their end, and 400 of them have always 146,097 days (Howard
        // Hinnant, "chrono-Compatible Low-Level Date Algorithms"). January and February of the year 0 belong to the
        // era before it, hence one era is added here and taken off the year again.
        let sinceMarch = dayNumber - 60 + 146_097
        let (era, dayOfEra) = sinceMarch.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153

        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + (era - 1) * 400 + (month <= 2 ? 1 : 0)
        hour = time / 3_600_000
        minute = time / 60_000 % 60
        second = time / 1_000 % 60
        millisecond = time % 1_000
    }

    /// As ISO 8601 and RFC 3339 write it: `2026-11-22T19:42:09.123Z`.
    package var iso8601: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        appendISO8601(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the 24 bytes of ``iso8601``.
    package func appendISO8601(to bytes: inout [UInt8]) {
        Self.append(year, digits: 4, then: "-", to: &bytes)
        Self.append(month, digits: 2, then: "-", to: &bytes)
        Self.append(day, digits: 2, then: "T", to: &bytes)
        Self.append(hour, digits: 2, then: ":", to: &bytes)
        Self.append(minute, digits: 2, then: ":", to: &bytes)
        Self.append(second, digits: 2, then: ".", to: &bytes)
        Self.append(millisecond, digits: 3, then: "Z", to: &bytes)
    }

    private static func append(_ number: Int, digits: Int, then separator: Unicode.Scalar, to bytes: inout [UInt8]) {
        var divisor = digits == 4 ? 1_000 : digits == 3 ? 100 : 10
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
        bytes.append(UInt8(ascii: separator))
    }
}
