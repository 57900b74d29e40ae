internal import LogbeamCore

/// Credentials in JSON, as services and processes give them.
enum CredentialsAnswer {
    /// A session token has a few KiB at most.
    static let byteLimit = 1 << 16

    /// - Parameter required: whether it has to be temporary credentials, with a token and an end.
    static func credentials(
        in json: JSONValue,
        tokenName: String,
        required: Bool,
        source: String
    ) throws(CredentialsError) -> Credentials {
        func member(_ name: String) throws(CredentialsError) -> String {
            guard let text = json[name]?.string, !text.isEmpty else {
                throw .unusable(source: source, reason: "its answer has no \(name)")
            }
            return text
        }
        let isTokenThere = required || json[tokenName].map { $0 != .null } ?? false
        let isExpirationThere = required || json["Expiration"].map { $0 != .null } ?? false
        var credentials = Credentials(
            accessKeyID: try member("AccessKeyId"),
            secretAccessKey: try member("SecretAccessKey"),
            sessionToken: isTokenThere ? try member(tokenName) : nil
        )
        if isExpirationThere {
            guard let expiration = Timestamp.secondsSinceEpoch(try member("Expiration")) else {
                throw .unusable(source: source, reason: "the Expiration in its answer is no time")
            }
            credentials.expiration = expiration
        }
        return credentials
    }
}

/// Points in time as AWS writes them in JSON and XML.
enum Timestamp {
    /// The seconds since 1970-01-01T00:00:00Z of ISO 8601 text like `2026-01-31T12:00:00Z`, with or without a fraction of a
    /// second, and with an offset, `Z`, `UTC` (as older AWS command lines write) or nothing, which is UTC too.
    static func secondsSinceEpoch(_ text: String) -> Int64? {
        guard let separator = text.firstIndex(where: { $0 == "T" || $0 == "t" || $0 == " " }) else { return nil }
        let date = text[..<separator].split(separator: "-", omittingEmptySubsequences: false)
        let rest = text[text.index(after: separator)...]
        let zoneStart = rest.firstIndex { !$0.isNumber && $0 != ":" && $0 != "." } ?? rest.endIndex
        let time = rest[..<zoneStart].prefix { $0 != "." }.split(separator: ":", omittingEmptySubsequences: false)
        guard date.count == 3, time.count == 3, let year = number(date[0]), let month = number(date[1]),
            let day = number(date[2]), let hour = number(time[0]), let minute = number(time[1]),
            let second = number(time[2]), let offset = offset(rest[zoneStart...]),
            let civil = CivilTime(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
        else { return nil }
        return civil.secondsSinceEpoch - offset
    }

    private static func number(_ digits: Substring) -> Int64? {
        (1...4).contains(digits.count) && digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(digits) : nil
    }

    /// Seconds to the east.
    private static func offset(_ zone: Substring) -> Int64? {
        if ["", "Z", "z", "UTC"].contains(zone) { return 0 }
        let digits = zone.dropFirst().filter { $0 != ":" }
        guard let sign = zone.first, sign == "+" || sign == "-", digits.count == 4, let value = number(digits[...])
        else {
            return nil
        }
        let seconds = (value / 100 * 60 + value % 100) * 60
        return sign == "-" ? -seconds : seconds
    }
}
