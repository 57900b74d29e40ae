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
        package var connectTimeout: Duration = .seconds(15)
        package var requestTimeout: Duration = .seconds(30)
        /// What is created where a destination is missing.
        package var creation = CreationSettings()
        /// Takes a line for a person about what went wrong and is not tried again.
        package var report: @Sendable (String) -> Void = { _ in }
        /// Where variables are read from, those of proxies among them.
        package var environment: ProcessEnvironment

        package init(environment: ProcessEnvironment = .current) {
            self.environment = environment
        }
    }

    let caller: JSONCaller
    let transport: any HTTPTransport
    let finder: EndpointFinder
    let configuration: Configuration
    private let credentials: CredentialsCache
    private let creator: DestinationCreator

    /// - Parameters:
    ///   - transport: what sends the requests; `nil` for libcurl.
    ///   - now: the time to sign by, in seconds since 1970-01-01T00:00:00Z.
    package init(
        _ configuration: Configuration,
        transport: (any HTTPTransport)? = nil,
        now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) {
        let transport =
            transport
            ?? HTTPClientPool { () throws(HTTPError) in
                do throws(INIFile.Failure) {
                    return try HTTPClient.Configuration(configuration)
                } catch {
                    throw HTTPError(.unusable, "it is not known whom to trust: \(error)")
                }
            }
        let service = AWSService(endpointPrefix: "logs", environmentID: "CLOUDWATCH_LOGS")
        let finder = EndpointFinder(
            service,
            given: .init(region: configuration.region, url: configuration.endpointURL),
            profile: configuration.profile,
            environment: configuration.environment
        )
        let credentials = CredentialsCache(
            CredentialsChain(
                environment: configuration.environment,
                profile: configuration.profile,
                region: configuration.region
            )
        )
        self.configuration = configuration
        self.transport = transport
        self.finder = finder
        self.credentials = credentials
        creator = DestinationCreator(configuration.creation, report: configuration.report)
        caller = JSONCaller(
            service: service,
            targetPrefix: "Logs_20140328",
            endpoint: { () throws(EndpointError) in try finder.find().endpoint },
            credentials: credentials,
            transport: transport,
            compresses: configuration.compressesRequests,
            now: now
        )
    }

    package func send(_ batch: EventBatch) -> DeliveryOutcome {
        if let refusal = batch.destination.refusal { return refusal }
        switch caller.call("PutLogEvents", RequestEncoder.body(batch), mayCompress: true) {
        case .success(let answer):
            creator.setOwedRetention(ofLogGroup: batch.destination.logGroup, by: self)
            return .accepted(RefusedEvents(answer, eventCount: batch.count))
        case .refused(let error): return error.outcome
        case .undelivered(let outcome): return outcome
        }
    }

    package func create(_ destination: Destination) -> DeliveryOutcome {
        destination.refusal ?? creator.create(destination, by: self)
    }

    package var warning: String? { caller.credentialsTrouble }

    package var clockOffset: Int64? { caller.clockOffset }

    package func cancel() {
        finder.cancel()
        credentials.cancel()
        transport.cancel()
    }
}

extension CloudWatchLogsService: CreationCalls {
    package func createLogStream(_ destination: Destination) -> CreationAnswer {
        create("CreateLogStream", RequestEncoder.body(creating: destination))
    }

    package func createLogGroup(_ name: String, _ settings: CreationSettings) -> CreationAnswer {
        create("CreateLogGroup", RequestEncoder.body(creatingLogGroup: name, settings))
    }

    private func create(_ operation: String, _ body: [UInt8]) -> CreationAnswer {
        switch caller.call(operation, body, hasEmptyAnswer: true) {
        case .success: .created
        case .refused(let error) where error.code == "ResourceAlreadyExistsException": .existed
        case .refused(let error): .failed(error.outcome)
        case .undelivered(let outcome): .failed(outcome)
        }
    }

    package func putRetentionPolicy(_ logGroup: String, days: Int) -> DeliveryOutcome {
        let body = RequestEncoder.body(settingRetentionOf: logGroup, days: days)
        return switch caller.call("PutRetentionPolicy", body, hasEmptyAnswer: true) {
        case .success: .accepted(.none)
        case .refused(let error): error.outcome
        case .undelivered(let outcome): outcome
        }
    }
}

extension CloudWatchLogsService.Configuration {
    /// The file of certificate authorities to trust instead of the system's. Reads the shared AWS files if no variable names
    /// it.
    var certificateAuthorityFile: String? {
        get throws(INIFile.Failure) {
            try CertificateBundle.path(environment: environment) { () throws(INIFile.Failure) in
                try Profiles(environment: environment, chosen: profile)
            }
        }
    }
}

extension HTTPClient.Configuration {
    fileprivate init(_ configuration: CloudWatchLogsService.Configuration) throws(INIFile.Failure) {
        self.init()
        connectTimeout = configuration.connectTimeout
        requestTimeout = configuration.requestTimeout
        // A page of GetLogEvents has 1 MB of events. With names and times around each of at most 10,000 messages, and
        // every byte of them escaped as `\u0001`, it becomes 8 MB of JSON at most.
        responseLimit = 8 << 20
        proxies = ProxyRules(environment: configuration.environment)
        certificateAuthorityFile = try configuration.certificateAuthorityFile
    }
}

extension Destination {
    /// `.denied` for names that CloudWatch Logs takes nowhere.
    /// It would call the whole batch invalid, and the uploader would give up event after event.
    var refusal: DeliveryOutcome? {
        let bound =
            !Self.isValid(logGroup: logGroup)
            ? "a log group is named with \(Self.logGroupBound)"
            : !Self.isValid(logStream: logStream) ? "a log stream is named with \(Self.logStreamBound)" : nil
        return bound.map { .denied(DeliveryFailure(code: "InvalidDestination", message: $0)) }
    }
}
