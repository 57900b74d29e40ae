internal import LogbeamCore

/// Credentials in JSON, as services and processes give them.
enum CredentialsAnswer {
    /// A session token has a few KiB at most.
    static let byteLimit = 1 << 16

    /// - Parameter required: whether a token and an end have to be there. An empty token stands for none all the same, as
    ///   for botocore, whose signatures leave the header field out then.
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
        let token = json[tokenName] ?? .null
        let isTokenThere = token.string != "" && (required || token != .null)
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
    /// The seconds since 1970-01-01T00:00:00Z of ISO 8601 text: see ``UTCTime/milliseconds(iso8601:)``.
    static func secondsSinceEpoch(_ text: String) -> Int64? {
        UTCTime.milliseconds(iso8601: text).map { ($0 - ($0 % 1_000 + 1_000) % 1_000) / 1_000 }
    }
}
