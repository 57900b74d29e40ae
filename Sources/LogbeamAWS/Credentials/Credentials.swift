/// What signs requests to AWS. No description of it shows the secret or the token.
package struct Credentials: Sendable, Equatable {
    package var accessKeyID: String
    package var secretAccessKey: String
    /// Comes with temporary credentials, and goes with every request.
    package var sessionToken: String?
    /// When temporary credentials end, in seconds since 1970-01-01T00:00:00Z; `nil` if nobody said.
    package var expiration: Int64?

    package init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiration: Int64? = nil) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expiration = expiration
    }
}

extension Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String {
        "Credentials(accessKeyID: \(accessKeyID), \(sessionToken == nil ? "long-term" : "temporary"))"
    }

    package var debugDescription: String { description }

    /// `dump` and string interpolation of what contains credentials go by the mirror.
    package var customMirror: Mirror {
        Mirror(self, children: ["accessKeyID": accessKeyID], displayStyle: .struct)
    }
}
