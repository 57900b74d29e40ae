/// One place where credentials may be found.
package protocol CredentialsSource: Sendable {
    /// How errors call this place: `environment variables`.
    var name: String { get }

    /// Looks there, now. Throws only if the place was meant to hold credentials but cannot be used as it is: then
    /// falling through to the next place would silently act as somebody else. May block for as long as a file takes.
    func find() throws(CredentialsError) -> CredentialsLookup
}

/// What a source has.
package enum CredentialsLookup: Sendable, Equatable {
    case found(Credentials)
    /// Nothing, and what was missing: `AWS_ACCESS_KEY_ID is not set`.
    case absent(String)
}

/// Why there are no credentials. Says what to do, and holds no secret.
package enum CredentialsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A source is set up, but not in full.
    case incomplete(source: String, missing: String)
    /// A source is set up, but cannot be read.
    case unreadable(source: String, reason: String)
    /// No source has any: each one with what was missing there.
    case notFound(tried: [String])

    package var description: String {
        switch self {
        case .incomplete(let source, let missing):
            "incomplete AWS credentials in \(source): \(missing); set both the access key id and the secret access key"
        case .unreadable(let source, let reason):
            "cannot read AWS credentials from \(source): \(reason)"
        case .notFound(let tried):
            "no AWS credentials; looked in \(tried.joined(separator: ", then in ")); "
                + "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or add a profile with `aws configure`"
        }
    }
}
