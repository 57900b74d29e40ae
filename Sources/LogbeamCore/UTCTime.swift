/// An instant to the millisecond, as calendar and clock show it in UTC; leap seconds do not exist, as in POSIX time.
///
/// Instants before the year 0 or after the year 9999 become the first or the last millisecond of that span, so that
/// every `Int64` has a time and ``iso8601`` always has four digits of year and a length of 24.
package struct UTCTime: Sendable, Equatable {
    package let civil: CivilTime
    /// 0 to 999.
    package let millisecond: Int64

    /// - Parameter millisecondsSinceEpoch: Milliseconds since 1970-01-01T00:00:00Z.
    package init(millisecondsSinceEpoch: Int64) {
        let inside = min(max(millisecondsSinceEpoch, Self.earliest), Self.latest)
        let remainder = inside % 1_000
        millisecond = remainder < 0 ? remainder + 1_000 : remainder
        civil = CivilTime(secondsSinceEpoch: (inside - millisecond) / 1_000)
    }

    /// The first millisecond of the year 0, and the last of the year 9999.
    private static let earliest: Int64 = -62_167_219_200_000
    private static let latest: Int64 = 253_402_300_799_999

    /// As ISO 8601 and RFC 3339 write it: `2026-11-22T19:42:09.123Z`.
    package var iso8601: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        appendISO8601(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the 24 bytes of ``iso8601``.
    package func appendISO8601(to bytes: inout [UInt8]) {
        Self.append(civil.year, digits: 4, then: "-", to: &bytes)
        Self.append(civil.month, digits: 2, then: "-", to: &bytes)
        Self.append(civil.day, digits: 2, then: "T", to: &bytes)
        Self.append(civil.hour, digits: 2, then: ":", to: &bytes)
        Self.append(civil.minute, digits: 2, then: ":", to: &bytes)
        Self.append(civil.second, digits: 2, then: ".", to: &bytes)
        Self.append(millisecond, digits: 3, then: "Z", to: &bytes)
    }

    private static func append(_ number: Int64, digits: Int, then separator: Unicode.Scalar, to bytes: inout [UInt8]) {
        var divisor: Int64 = digits == 4 ? 1_000 : digits == 3 ? 100 : 10
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
        bytes.append(UInt8(ascii: separator))
    }
}
