package import LogbeamAWS
package import LogbeamCore
internal import Synchronization

/// What came of one call.
enum CallResult {
    /// The members of the answer; none if its body is empty.
    case success(JSONValue)
    case refused(ServiceError)
    /// There is no answer of the service, or the request was never sent.
    case undelivered(DeliveryOutcome)
}

/// Calls operations by AWS's JSON 1.1 protocol: header fields, credentials, signature, and the kind of an error.
///
/// Nothing about the batch is known here. Thread-safe, as the transport is.
final class JSONCaller: Sendable {
    /// A body above this many bytes is compressed: AWS's own agents do the same.
    private static let compressionThreshold = 1_024

    private struct Clock {
        /// What to add to our clock, in seconds, to sign by AWS's.
        var offset: Int64 = 0
        /// How far the clock of whoever answered last was ahead of ours.
        var observedOffset: Int64?
        /// The same of the last answer that was the service's own.
        var serviceOffset: Int64?
    }

    private let service: AWSService
    /// The prefix of `X-Amz-Target`: the service's name and the version of its API.
    private let targetPrefix: String
    private let endpoint: @Sendable () throws(EndpointError) -> Endpoint
    private let credentials: CredentialsCache
    private let transport: any HTTPTransport
    private let now: @Sendable () -> Int64
    /// Whether bodies are compressed, as far as the service has not shown that it can not read them.
    private let compresses: Atomic<Bool>
    private let clock = Mutex(Clock())

    init(
        service: AWSService,
        targetPrefix: String,
        endpoint: @escaping @Sendable () throws(EndpointError) -> Endpoint,
        credentials: CredentialsCache,
        transport: any HTTPTransport,
        compresses: Bool,
        now: @escaping @Sendable () -> Int64
    ) {
        self.service = service
        self.targetPrefix = targetPrefix
        self.endpoint = endpoint
        self.credentials = credentials
        self.transport = transport
        self.now = now
        self.compresses = Atomic(compresses)
    }

    /// Calls an operation with a JSON body. If the service finds fault with the credentials or the time, it is called
    /// once more at once, with credentials that were looked for again and by the clock of the service.
    ///
    /// If it can make nothing of a compressed body, it is called once more with the body as it is.
    ///
    /// - Parameters:
    ///   - mayCompress: the operation is one that is known to take compressed bodies.
    ///   - hasEmptyAnswer: the operation is one whose success has no body. What has an empty body elsewhere is not the
    ///     service's answer.
    func call(
        _ operation: String,
        _ body: [UInt8],
        mayCompress: Bool = false,
        hasEmptyAnswer: Bool = false
    ) -> CallResult {
        let endpoint: Endpoint
        do {
            endpoint = try self.endpoint()
        } catch {
            return .undelivered(.of(error))
        }
        func send(_ body: [UInt8], isCompressed: Bool) -> CallResult {
            func attempt() -> CallResult {
                self.attempt(operation, body, isCompressed, to: endpoint, hasEmptyAnswer: hasEmptyAnswer)
            }
            let result = attempt()
            guard case .refused(let error) = result, error.mayHealWithFreshSignature else { return result }
            return attempt()
        }
        guard mayCompress, let compressed = compress(body, for: endpoint) else {
            return send(body, isCompressed: false)
        }
        let result = send(compressed, isCompressed: true)
        guard case .refused(let error) = result, error.mayHealUncompressed else { return result }
        let second = send(body, isCompressed: false)
        if case .success = second { compresses.store(false, ordering: .relaxed) }
        return second
    }

    /// `nil` if the body goes as it is. AWS speaks HTTPS alone: behind a plain HTTP endpoint stands a substitute on this
    /// machine, where compressing saves nothing, and moto's server (5.2) can not take it.
    private func compress(_ body: [UInt8], for endpoint: Endpoint) -> [UInt8]? {
        guard compresses.load(ordering: .relaxed), body.count > Self.compressionThreshold, endpoint.isEncrypted else {
            return nil
        }
        // Without zlib's memory the body goes as it is.
        return try? Gzip.compress(body)
    }

    private func attempt(
        _ operation: String,
        _ body: [UInt8],
        _ isCompressed: Bool,
        to endpoint: Endpoint,
        hasEmptyAnswer: Bool
    ) -> CallResult {
        let response: HTTPResponse
        let used: Credentials
        do {
            let time: Int64
            (used, time) = try signingCredentials(endpoint)
            let request = try request(operation, body, isCompressed, to: endpoint, signedWith: used, at: time)
            response = try transport.perform(request)
        } catch {
            return .undelivered(.of(error))
        }
        let offset = noteClock(of: response)
        if (200..<300).contains(response.status) {
            let result = success(response, mayBeEmpty: hasEmptyAnswer)
            if case .success = result { clock.withLock { $0.serviceOffset = offset ?? $0.serviceOffset ?? 0 } }
            return result
        }
        let refusal = ServiceError(response, now: now() + (offset ?? 0))
        if refusal.mayHealWithFreshSignature {
            // For this call and later ones, and for signatures alone: records keep the time that they were logged at.
            if let offset { clock.withLock { $0.offset = offset } }
            credentials.doubt(used, areWorthless: refusal.saysCredentialsAreWorthless)
        }
        return .refused(refusal)
    }

    /// Credentials, and the time to sign by. Where what should give credentials refuses, our clock may be why: STS takes no
    /// signature of another time, and by a clock that is ahead all that it gave has ended. Then whoever is at the endpoint
    /// is asked for the time.
    private func signingCredentials(_ endpoint: Endpoint) throws(CredentialsError) -> (Credentials, time: Int64) {
        let time = signingTime
        do throws(CredentialsError) {
            return (try credentials.credentials(at: time), time)
        } catch {
            guard case .unusable = error, let offset = (try? greet(endpoint)) ?? nil, adopt(offset) else { throw error }
        }
        let corrected = signingTime
        return (try credentials.credentials(at: corrected), corrected)
    }

    /// The time to sign by, in seconds since 1970-01-01T00:00:00Z.
    private var signingTime: Int64 { now() + clock.withLock { $0.offset } }

    /// A success without a JSON object, or with an error in it, is not the service's: a captive portal or a proxy says 200 as
    /// well.
    private func success(_ response: HTTPResponse, mayBeEmpty: Bool) -> CallResult {
        if mayBeEmpty, response.body.isEmpty, response.status == 200 { return .success(.object([:])) }
        if let answer = JSONValue(response.body), answer.isObject, answer["__type"] == nil { return .success(answer) }
        let message =
            "the answer has status \(response.status), but is not the service's; a proxy or a portal may be in between"
        return .undelivered(.transient(DeliveryFailure(code: "UnexpectedAnswer", message: message)))
    }

    private func request(
        _ operation: String,
        _ body: [UInt8],
        _ isCompressed: Bool,
        to endpoint: Endpoint,
        signedWith credentials: Credentials,
        at time: Int64
    ) throws(Signer.Failure) -> HTTPRequest {
        var headers = [
            HTTPHeader("Host", endpoint.host),
            HTTPHeader("Content-Type", "application/x-amz-json-1.1"),
            HTTPHeader("X-Amz-Target", "\(targetPrefix).\(operation)"),
            HTTPHeader("User-Agent", "logbeam/\(Version.current)"),
        ]
        if isCompressed { headers.append(HTTPHeader("Content-Encoding", "gzip")) }
        headers += try Signer(region: endpoint.region, service: service.endpointPrefix).headers(
            signing: SigningRequest(method: "POST", path: endpoint.path, headers: headers, body: body),
            with: credentials,
            at: time
        )
        return HTTPRequest(method: .post, url: endpoint.url, headers: headers, body: body)
    }

    /// See `CredentialsCache.trouble`.
    var credentialsTrouble: String? {
        credentials.trouble(at: signingTime)
    }
}

// MARK: The clock

extension JSONCaller {
    /// From the day of CloudWatch Logs' API, 2014-03-28, to 2100-01-01. A signature for another time would be good for
    /// nobody but whoever keeps it until then.
    private static let plausibleTimes: ClosedRange<Int64> = 1_395_964_800...4_102_444_800

    /// How far the clock of whoever answers is ahead of ours, in seconds, and notes it; `nil` if it says nothing, or what no
    /// clock of AWS shows. Ours may be off by decades: small machines start in 1970.
    private func noteClock(of response: HTTPResponse) -> Int64? {
        guard let time = response[header: "Date"].flatMap(HTTPDate.secondsSinceEpoch),
            Self.plausibleTimes.contains(time)
        else { return nil }
        let (offset, overflow) = time.subtractingReportingOverflow(now())
        if overflow { return nil }
        clock.withLock { $0.observedOffset = offset }
        return offset
    }

    /// Now by the clock of whoever answered last, in seconds since 1970-01-01T00:00:00Z.
    var observedTime: Int64 { now() + clock.withLock { $0.observedOffset ?? $0.offset } }

    /// See ``DeliveryService/clockOffset``.
    var clockOffset: Int64? {
        clock.withLock { $0.serviceOffset }?.multipliedSaturated(by: 1_000)
    }

    /// Takes a clock for the right one. False if signatures by ours are good there: AWS takes them for 5 minutes
    /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html).
    private func adopt(_ offset: Int64) -> Bool {
        clock.withLock { clock in
            guard (offset &- clock.offset).magnitude > 300 else { return false }
            clock.offset = offset
            return true
        }
    }

    /// Sends a request that is not signed; returns how far the clock of whoever answers is ahead, as far as that is told.
    func greet(_ endpoint: Endpoint) throws(HTTPError) -> Int64? {
        noteClock(of: try transport.perform(HTTPRequest(method: .get, url: endpoint.url)))
    }
}

extension DeliveryOutcome {
    /// What it means that a request could not be sent or has no answer.
    static func of(_ error: any Error) -> DeliveryOutcome {
        switch error {
        case let error as HTTPError: .of(error)
        case let error as EndpointError:
            error.isPassing
                ? .transient(unsent("NoRegion", error))
                : .denied(unsent(error.isMissingRegion ? "NoRegion" : "InvalidEndpoint", error))
        case let error as CredentialsError:
            error.isPassing ? .transient(unsent("NoCredentials", error)) : .denied(unsent("NoCredentials", error))
        default: .transient(unsent("SigningError", error))
        }
    }

    private static func unsent(_ code: String, _ error: any Error) -> DeliveryFailure {
        DeliveryFailure(code: code, message: "\(error)", mayHaveArrived: false)
    }

    package static func of(_ error: HTTPError) -> DeliveryOutcome {
        func failure(_ code: String, _ remedy: String = "") -> DeliveryFailure {
            DeliveryFailure(
                code: code,
                message: error.message.onOneLine(limit: 500) + remedy,
                mayHaveArrived: error.requestWasSent
            )
        }
        return switch error.kind {
        case .connection: .transient(failure("ConnectionError"))
        case .timeout: .transient(failure("Timeout"))
        case .tooLarge: .transient(failure("UnexpectedAnswer"))
        case .cancelled: .transient(failure(DeliveryFailure.cancelled))
        case .unusable: .denied(failure("RequestError"))
        case .proxy: .denied(failure("ProxyError"))
        case .certificate(let fault): .denied(failure("CertificateError", "; \(remedy(fault))"))
        }
    }

    private static func remedy(_ fault: HTTPError.CertificateFault) -> String {
        switch fault {
        case .untrusted:
            "if a certificate authority of your own is to be trusted, name its file in AWS_CA_BUNDLE"
        case .expired, .notYetValid: "renew it, or set the clock of this machine right"
        case .otherHost: "check the endpoint, and that no portal or proxy answers in its place"
        case .unusableFile: "AWS_CA_BUNDLE, or ca_bundle in the profile, must name a file of certificates in PEM"
        }
    }
}
