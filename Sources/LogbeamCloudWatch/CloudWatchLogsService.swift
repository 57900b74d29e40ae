package import LogbeamAWS
package import LogbeamCore

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Delivers to Amazon CloudWatch Logs.
///
/// Making one does nothing but look at the configuration. What is missing of region and credentials comes out as
/// `.denied` when something is sent, with what to do about it, and is looked for again at every attempt.
package final class CloudWatchLogsService: DeliveryService {
    package struct Configuration: Sendable {
        /// `nil`: as the environment says.
        package var region: String?
        /// The URL to send to instead of the region's own; `nil`: as the environment says.
        package var endpointURL: String?
        /// The profile of the shared credentials file to use whatever else there is; `nil`: as the environment says.
        package var profile: String?
        /// Whether bodies over a KiB are compressed.
        package var compressesRequests = true
        package var connectTimeout: Duration = .seconds(5)
        package var requestTimeout: Duration = .seconds(30)
        /// Where variables are read from. The proxies' are read by libcurl, from the process's environment.
        package var environment: ProcessEnvironment

        package init(environment: ProcessEnvironment = .current) {
            self.environment = environment
        }
    }

    private let caller: JSONCaller
    private let transport: any HTTPTransport

    /// - Parameters:
    ///   - transport: what sends the requests; `nil` for libcurl.
    ///   - now: the time to sign by, in seconds since 1970-01-01T00:00:00Z.
    package init(
        _ configuration: Configuration,
        transport: (any HTTPTransport)? = nil,
        now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) {
        let transport = transport ?? HTTPClient(HTTPClient.Configuration(configuration))
        let service = AWSService(endpointPrefix: "logs", environmentID: "CLOUDWATCH_LOGS")
        self.transport = transport
        caller = JSONCaller(
            service: service,
            targetPrefix: "Logs_20140328",
            endpoint: Result { () throws(EndpointError) in
                try Endpoint.resolve(
                    service,
                    region: configuration.region,
                    url: configuration.endpointURL,
                    environment: configuration.environment
                )
            },
            credentials: CredentialsChain(environment: configuration.environment, profile: configuration.profile),
            transport: transport,
            compresses: configuration.compressesRequests,
            now: now
        )
    }

    package func send(_ batch: EventBatch) -> DeliveryOutcome {
        if let refusal = batch.destination.refusal { return refusal }
        return switch caller.call("PutLogEvents", RequestEncoder.body(batch)) {
        case .success(let answer): .accepted(RefusedEvents(answer, eventCount: batch.count))
        case .refused(let error): error.outcome
        case .undelivered(let outcome): outcome
        }
    }

    /// Creates the stream, and its group only if that is missing: so the permission to create groups is needed only by
    /// those who have none yet.
    package func create(_ destination: Destination) -> DeliveryOutcome {
        if let refusal = destination.refusal { return refusal }
        let stream = create("CreateLogStream", RequestEncoder.body(creating: destination))
        guard case .destinationMissing = stream else { return stream }
        let group = create("CreateLogGroup", RequestEncoder.body(creatingLogGroup: destination.logGroup))
        guard case .accepted = group else { return group }
        let secondTry = create("CreateLogStream", RequestEncoder.body(creating: destination))
        // The new group isn't known everywhere yet.
        if case .destinationMissing(let failure) = secondTry { return .transient(failure) }
        return secondTry
    }

    private func create(_ operation: String, _ body: [UInt8]) -> DeliveryOutcome {
        switch caller.call(operation, body) {
        case .success: return .accepted(.none)
        case .refused(let error) where error.code == "ResourceAlreadyExistsException": return .accepted(.none)
        case .refused(let error):
            // No batch is at fault here: it is the names that the service doesn't take.
            if case .invalid(let failure) = error.outcome { return .denied(failure) }
            return error.outcome
        case .undelivered(let outcome): return outcome
        }
    }

    package func cancel() {
        transport.cancel()
    }
}

extension HTTPClient.Configuration {
    fileprivate init(_ configuration: CloudWatchLogsService.Configuration) {
        self.init()
        connectTimeout = configuration.connectTimeout
        requestTimeout = configuration.requestTimeout
        certificateAuthorityFile = configuration.environment["AWS_CA_BUNDLE"]
    }
}

extension Destination {
    /// `.denied` for names that CloudWatch Logs takes nowhere.
    /// It would call the whole batch invalid, and the uploader would give up event after event.
    fileprivate var refusal: DeliveryOutcome? {
        let bound =
            !Self.isValid(logGroup: logGroup)
            ? "a log group is named with \(Self.logGroupBound)"
            : !Self.isValid(logStream: logStream) ? "a log stream is named with \(Self.logStreamBound)" : nil
        return bound.map { .denied(DeliveryFailure(code: "InvalidDestination", message: $0)) }
    }
}
