internal import LogbeamCore

/// Looks for credentials in one place after the other and takes the first it finds.
package struct CredentialsChain: Sendable {
    /// What a lookup has found.
    package struct Found: Sendable, Equatable {
        package var credentials: Credentials
        /// The source that had them, and where exactly, for a person.
        package var source: String
        package var place: String

        package init(credentials: Credentials, source: String, place: String) {
            self.credentials = credentials
            self.source = source
            self.place = place
        }

        package var description: String { "\(source) (\(place))" }
    }

    private let sources: [any CredentialsSource]
    private let requests: CredentialsRequests

    init(_ sources: [any CredentialsSource], requests: CredentialsRequests = CredentialsRequests()) {
        self.sources = sources
        self.requests = requests
    }

    /// The places where every AWS tool looks, in their order.
    ///
    /// - Parameters:
    ///   - profile: one that was chosen by name in the program's configuration, not by `AWS_PROFILE`. It is meant: keys in
    ///     the environment don't count then.
    ///   - region: the one that the program's configuration names, for the calls that get credentials.
    package init(environment: ProcessEnvironment, profile: String? = nil, region: String? = nil) {
        self.init(
            LookupContext(environment: environment, profile: profile, region: region, requests: CredentialsRequests())
        )
    }

    init(_ context: LookupContext) {
        let sources: [any CredentialsSource] = [
            EnvironmentCredentials(context: context),
            AssumedRoleCredentials(context: context),
            WebIdentityCredentials(context: context),
            SSOCredentials(context: context),
            SharedFileCredentials(context: context),
            ProcessCredentials(context: context),
            ConfigFileCredentials(context: context),
            ContainerCredentials(context: context),
            InstanceMetadataCredentials(context: context),
        ]
        self.init(sources, requests: context.requests)
    }

    /// What a profile may have by itself, in the order of the whole chain: what `source_profile` can name beside a role.
    static func ofProfile(_ context: LookupContext) -> CredentialsChain {
        CredentialsChain(
            [
                WebIdentityCredentials(context: context),
                SSOCredentials(context: context),
                SharedFileCredentials(context: context),
                ProcessCredentials(context: context),
                ConfigFileCredentials(context: context),
            ],
            requests: context.requests
        )
    }

    /// Looks now. The caller keeps what it gets; a later call looks again. Blocks.
    ///
    /// - Parameter time: now, in seconds since 1970-01-01T00:00:00Z, by AWS's clock.
    package func resolve(at time: Int64) throws(CredentialsError) -> Found {
        // Several sources look at the same profile: what they all miss is said once.
        var tried: [(sources: [String], reason: String)] = []
        for source in sources {
            switch try source.find(at: time) {
            case .found(let credentials, let place):
                if let expiration = credentials.expiration, expiration <= time {
                    let end = UTCTime(millisecondsSinceEpoch: expiration * 1_000).iso8601
                    throw .unusable(source: source.name, reason: "those of \(place) ended at \(end); renew them there")
                }
                return Found(credentials: credentials, source: source.name, place: place)
            case .absent(let reason):
                if let index = tried.firstIndex(where: { $0.reason == reason }) {
                    tried[index].sources.append(source.name)
                } else {
                    tried.append(([source.name], reason))
                }
            }
        }
        throw .notFound(tried: tried.map { "\($0.sources.joined(separator: ", ")) (\($0.reason))" })
    }

    /// Ends a lookup that is going on, and every later one. May be called from any thread.
    package func cancel() {
        requests.cancel()
    }
}
