internal import LogbeamCore

extension CivilTime {
    /// `20150830`, the date of a credential scope.
    var basicDate: String {
        Self.padded(year, 4) + Self.padded(month, 2) + Self.padded(day, 2)
    }

    /// `20150830T123600Z`, the form of `X-Amz-Date`.
    var basicDateTime: String {
        basicDate + "T" + Self.padded(hour, 2) + Self.padded(minute, 2) + Self.padded(second, 2) + "Z"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
