/// Looks for credentials in one place after the other and takes the first it finds.
package struct CredentialsChain: Sendable {
    private let sources: [any CredentialsSource]

    package init(_ sources: [any CredentialsSource]) {
        self.sources = sources
    }

    /// The places where every AWS tool looks, in their order.
    ///
    /// A profile that was chosen by name in the program's configuration (not by `AWS_PROFILE`) is meant: the keys in
    /// the environment don't count then.
    package init(environment: ProcessEnvironment, profile: String? = nil) {
        let fromEnvironment: [any CredentialsSource] =
            profile == nil ? [EnvironmentCredentials(environment: environment)] : []
        self.init(
            fromEnvironment + [
                SharedFileCredentials(environment: environment, profile: profile)
            ]
        )
    }

    /// Looks now. The caller keeps what it gets; a later call looks again.
    package func resolve() throws(CredentialsError) -> Credentials {
        var tried: [String] = []
        for source in sources {
            switch try source.find() {
            case .found(let credentials): return credentials
            case .absent(let reason): tried.append("\(source.name) (\(reason))")
            }
        }
        throw .notFound(tried: tried)
    }
}
