internal import LogbeamCore

/// Reads dates as HTTP writes them.
package enum HTTPDate {
    /// The seconds since 1970-01-01T00:00:00Z of a date like `Sun, 30 Aug 2015 12:36:00 GMT` (RFC 9110, 5.6.7); `nil` for
    /// anything else, the two obsolete forms among them.
    package static func secondsSinceEpoch(_ text: String) -> Int64? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let fields = text.split(whereSeparator: { " ,:".contains($0) })
        guard fields.count == 8, fields[7] == "GMT",
            let day = number(fields[1]), let month = months.firstIndex(of: String(fields[2])),
            let year = number(fields[3]), let hour = number(fields[4]),
            let minute = number(fields[5]), let second = number(fields[6])
        else { return nil }
        return CivilTime(year: year, month: Int64(month) + 1, day: day, hour: hour, minute: minute, second: second)?
            .secondsSinceEpoch
    }

    private static func number(_ digits: Substring) -> Int64? {
        digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(digits) : nil
    }
}
