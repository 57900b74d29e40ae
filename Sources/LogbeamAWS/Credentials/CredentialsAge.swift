/// How near the end of credentials is. Pure.
///
/// | to the end | | what is done |
/// |---|---|---|
/// | over 15 min | `fresh` | nothing |
/// | 15 to 10 min | `aging` | one thread looks for new ones, the others go on with these |
/// | under 10 min | `ending` | all wait for the one that looks; if it finds none, these are used |
/// | over | `over` | these are useless |
package enum CredentialsAge: Sendable, Equatable {
    case fresh, aging, ending, over

    /// botocore's `_DEFAULT_ADVISORY_REFRESH_TIMEOUT` and `_DEFAULT_MANDATORY_REFRESH_TIMEOUT`, in seconds.
    static let agingLimit: Int64 = 15 * 60
    static let endingLimit: Int64 = 10 * 60
    /// After a lookup that failed while the credentials were still good, or that found none which are fresh, the next comes
    /// no sooner than so many seconds later: at least nine times before fresh ones end.
    static let pauseBetweenLookups: Int64 = 60

    /// - Parameters:
    ///   - expiration: `nil` for credentials that never end.
    ///   - time: now; both in seconds since 1970-01-01T00:00:00Z.
    package init(expiration: Int64?, at time: Int64) {
        guard let expiration else {
            self = .fresh
            return
        }
        self =
            if time >= expiration {
                .over
            } else if expiration - time < Self.endingLimit {
                .ending
            } else if expiration - time < Self.agingLimit {
                .aging
            } else {
                .fresh
            }
    }
}
