internal import LogbeamAWS
internal import LogbeamCloudWatch
internal import LogbeamCore
internal import LogbeamSpool

/// What `doctor` has found out, before anything is made of it. Holds no secret.
struct Findings {
    enum Spool {
        case missing(path: String)
        case unusable(SpoolError)
        case found(SpoolStatus, FileFacts)
    }

    /// Whether and how the service answers whoever asks without credentials.
    enum Reach {
        case answered
        case failed(HTTPError)
    }

    var spool: Spool
    var credentials: Result<CredentialsChain.Found, CredentialsError>
    var endpoint: Result<EndpointChoice, EndpointError>
    /// The proxy to the endpoint; `nil` for none.
    var proxy: Proxy?
    /// The file of certificate authorities to trust; `nil` for the system's.
    var authorities: String?
    /// `nil` if it is not known where to ask, as with what follows.
    var reach: Reach?
    /// How far the service's clock is ahead of this machine's, in seconds.
    var clockOffset: Int64?
    var identity: IdentityAnswer?
    var streams: [Stream] = []
    /// Streams that were not asked for, because they are many.
    var furtherStreams = 0
    /// Whether an event was written, or only one that the service refuses for its age.
    var writes = false

    /// What the service said to an event for a log stream.
    struct Stream {
        var destination: Destination
        var outcome: DeliveryOutcome
    }
}
