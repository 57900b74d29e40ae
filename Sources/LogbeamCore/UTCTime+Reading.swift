extension UTCTime {
    /// The milliseconds since 1970-01-01T00:00:00Z of ISO 8601 text like `2026-01-31T12:00:00.123Z`, with or without a
    /// fraction of a second, after a point or a comma, and with an offset, `Z`, `UTC` (as older AWS command lines write) or
    /// nothing, which is UTC too.
    package static func milliseconds(iso8601 text: String) -> Int64? {
        guard let separator = text.firstIndex(where: { $0 == "T" || $0 == "t" || $0 == " " }) else { return nil }
        let date = text[..<separator].split(separator: "-", omittingEmptySubsequences: false)
        let rest = text[text.index(after: separator)...]
        let zoneStart = rest.firstIndex { !$0.isNumber && $0 != ":" && !isDecimalSign($0) } ?? rest.endIndex
        let time = rest[..<zoneStart].prefix { !isDecimalSign($0) }.split(
            separator: ":",
            omittingEmptySubsequences: false
        )
        let fraction = rest[..<zoneStart].drop { !isDecimalSign($0) }.dropFirst().prefix(3)
        guard date.count == 3, time.count == 3, let year = number(date[0]), let month = number(date[1]),
            let day = number(date[2]), let hour = number(time[0]), let minute = number(time[1]),
            let second = number(time[2]), let offset = offset(rest[zoneStart...]),
            let thousandths = number(fraction + "000".dropFirst(fraction.count)),
            let civil = CivilTime(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
        else { return nil }
        return (civil.secondsSinceEpoch - offset) * 1_000 + thousandths
    }

    private static func isDecimalSign(_ character: Character) -> Bool { character == "." || character == "," }

    private static func number(_ digits: Substring) -> Int64? {
        (1...4).contains(digits.count) && digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(digits) : nil
    }

    /// Seconds to the east.
    private static func offset(_ zone: Substring) -> Int64? {
        if ["", "Z", "z", "UTC"].contains(zone) { return 0 }
        let digits = zone.dropFirst().filter { $0 != ":" }
        guard let sign = zone.first, sign == "+" || sign == "-", digits.count == 4 || digits.count == 2,
            let value = number(digits[...])
        else {
            return nil
        }
        let seconds = digits.count == 2 ? value * 3_600 : (value / 100 * 60 + value % 100) * 60
        return sign == "-" ? -seconds : seconds
    }
}
