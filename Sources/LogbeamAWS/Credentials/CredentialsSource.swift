/// One place where credentials may be found.
package protocol CredentialsSource: Sendable {
    /// How people call this place: `environment variables`.
    var name: String { get }

    /// Looks there, now. Throws only if the place was meant to hold credentials but cannot be used as it is: then
    /// falling through to the next place would silently act as somebody else. Blocks: for as long as a file takes, or the
    /// requests to whoever gives the credentials.
    ///
    /// - Parameter time: now, in seconds since 1970-01-01T00:00:00Z, by AWS's clock.
    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup
}

/// What a source has.
package enum CredentialsLookup: Sendable, Equatable {
    /// Credentials, and where exactly they are from: `profile [default] of /root/.aws/credentials`.
    case found(Credentials, place: String)
    /// Nothing, and what was missing: `no AWS_ACCESS_KEY_ID`.
    case absent(String)
}

/// Why there are no credentials. Says what to do, and holds no secret.
package enum CredentialsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A source is set up, but not in full.
    case incomplete(source: String, missing: String)
    /// A source is set up, but cannot be used as it is.
    case unusable(source: String, reason: String)
    /// A source is set up, but does not answer as it should at the moment; that may pass by itself.
    case unavailable(source: String, reason: String)
    /// No source has any: each one with what was missing there.
    case notFound(tried: [String])

    /// Whether the same lookup may succeed later though nobody does anything.
    package var isPassing: Bool {
        if case .unavailable = self { true } else { false }
    }

    package var description: String {
        switch self {
        case .incomplete(let source, let missing):
            "incomplete AWS credentials in \(source): \(missing); set both the access key id and the secret access key"
        case .unusable(let source, let reason):
            "no AWS credentials from \(source): \(reason)"
        case .unavailable(let source, let reason):
            "no AWS credentials from \(source) at the moment: \(reason)"
        case .notFound(let tried):
            "no AWS credentials; looked in \(tried.joined(separator: ", then in ")); "
                + "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, add a profile with `aws configure`, or give this "
                + "machine or container a role"
        }
    }
}
