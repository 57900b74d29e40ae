package import LogbeamAWS
package import LogbeamCore

/// What STS says of our credentials.
package enum IdentityAnswer: Sendable, Equatable {
    case known(CallerIdentity)
    /// They are good for nothing.
    case refused(DeliveryFailure)
    /// There are none, or it does not say.
    case unknown(DeliveryFailure)

    package var identity: CallerIdentity? {
        if case .known(let identity) = self { identity } else { nil }
    }
}

/// What `logbeam-spool doctor` asks to see whether shipping can work. Everything may block.
extension CloudWatchLogsService {
    /// Where requests go, and what says so.
    package func endpoint() throws(EndpointError) -> EndpointChoice { try finder.find() }

    /// The proxy by which requests go; `nil` for none.
    package func proxy(to endpoint: Endpoint) throws(HTTPError) -> Proxy? {
        try ProxyRules(environment: configuration.environment).proxy(for: endpoint.url)
    }

    /// The file of certificate authorities to trust; `nil` for the system's. Where the shared AWS files cannot be read, the
    /// endpoint says so.
    package var certificateAuthorityFile: String? { try? configuration.certificateAuthorityFile }

    /// Looks for credentials, now.
    package func credentialsFound() -> Result<CredentialsChain.Found, CredentialsError> {
        Result { () throws(CredentialsError) in
            try CredentialsChain(
                environment: configuration.environment,
                profile: configuration.profile,
                region: configuration.region
            ).resolve(at: caller.observedTime)
        }
    }

    /// Sends a request that nobody has signed, and returns how far the clock of whoever answers is ahead of this machine's,
    /// in seconds, if that is told. Throws if nobody answers.
    package func greet(_ endpoint: Endpoint) throws(HTTPError) -> Int64? {
        try caller.greet(endpoint)
    }

    /// Asks STS whose credentials these are. Where CloudWatch Logs is at an `http` endpoint, that is a substitute on this
    /// machine, which is asked for STS too; unless a place for STS is configured.
    package func identity() -> IdentityAnswer {
        let response: HTTPResponse
        do {
            let credentials = try credentialsFound().get().credentials
            let endpoint = try identityEndpoint()
            let request = try CallerIdentity.request(to: endpoint, with: credentials, at: caller.observedTime)
            response = try transport.perform(request)
        } catch {
            let outcome = DeliveryOutcome.of(error)
            return .unknown(outcome.failure ?? DeliveryFailure(code: "Unknown", message: "\(error)"))
        }
        if let identity = CallerIdentity(response) { return .known(identity) }
        let error = ServiceError(response, now: caller.observedTime)
        guard let failure = error.outcome.failure, !(200..<300).contains(response.status) else {
            return .unknown(DeliveryFailure(code: "UnexpectedAnswer", message: "this is no answer of STS"))
        }
        return error.mayHealWithFreshSignature ? .refused(failure) : .unknown(failure)
    }

    private func identityEndpoint() throws(EndpointError) -> Endpoint {
        let logs = try finder.find().endpoint
        func find(_ url: String?) throws(EndpointError) -> EndpointChoice {
            try EndpointFinder(
                CallerIdentity.service,
                given: .init(region: configuration.region, url: url),
                profile: configuration.profile,
                environment: configuration.environment
            ).find()
        }
        let choice = try find(nil)
        return choice.urlSource == nil && !logs.isEncrypted ? try find(logs.origin).endpoint : choice.endpoint
    }

    /// Whether a stream exists and may be written, without writing: sends an event of 15 days ago. CloudWatch Logs refuses
    /// it for its age, with a success for the batch, once it has found the permission and the stream; so AWS's own agents
    /// have seen it (https://github.com/aws/aws-for-fluent-bit/issues/523). `.accepted` then.
    package func rehearse(_ destination: Destination) -> DeliveryOutcome {
        send(event(daysAgo: 15, "logbeam-spool doctor: too old to be written", to: destination))
    }

    /// Writes one event, and makes the stream, and its group, where they are missing.
    package func write(to destination: Destination) -> DeliveryOutcome {
        let message = "logbeam-spool doctor: this event was written to see whether it can be"
        let batch = event(daysAgo: 0, message, to: destination)
        let outcome = send(batch)
        guard case .destinationMissing = outcome else { return outcome }
        let creation = create(destination)
        if case .accepted = creation { return send(batch) }
        return creation
    }

    private func event(daysAgo: Int64, _ message: String, to destination: Destination) -> EventBatch {
        var batch = EventBatch(destination: destination)
        batch.append(id: 0, timestamp: (caller.observedTime - daysAgo * 86_400) * 1_000, message: message.utf8)
        return batch
    }
}
