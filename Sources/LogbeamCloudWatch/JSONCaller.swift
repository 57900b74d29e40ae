internal import LogbeamAWS
internal import LogbeamCore
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
    /// Credentials are looked for again this many seconds before they end.
    private static let expirationMargin: Int64 = 60

    private struct State {
        var credentials: Credentials?
        /// What to add to our clock, in seconds, to have AWS's.
        var clockOffset: Int64 = 0
    }

    private let service: AWSService
    /// The prefix of `X-Amz-Target`: the service's name and the version of its API.
    private let targetPrefix: String
    private let endpoint: Result<Endpoint, EndpointError>
    private let credentials: CredentialsChain
    private let transport: any HTTPTransport
    private let now: @Sendable () -> Int64
    private let compresses: Bool
    private let state = Mutex(State())

    init(
        service: AWSService,
        targetPrefix: String,
        endpoint: Result<Endpoint, EndpointError>,
        credentials: CredentialsChain,
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
        self.compresses = compresses
    }

    /// Calls an operation with a JSON body. If the service finds fault with the credentials or the time, it is called
    /// once more at once, with credentials that were looked for again and by the clock of the service.
    ///
    /// - Parameter hasEmptyAnswer: the operation is one whose success has no body. What has an empty body elsewhere is not
    ///   the service's answer.
    func call(_ operation: String, _ body: [UInt8], hasEmptyAnswer: Bool = false) -> CallResult {
        let compressed = compress(body)
        func attempt() -> CallResult {
            self.attempt(
                operation,
                compressed ?? body,
                isCompressed: compressed != nil,
                hasEmptyAnswer: hasEmptyAnswer
            )
        }
        let result = attempt()
        guard case .refused(let error) = result, error.mayHealWithFreshSignature else { return result }
        return attempt()
    }

    /// `nil` if the body goes as it is. AWS speaks HTTPS alone: behind a plain HTTP endpoint stands a substitute on this
    /// machine, where compressing saves nothing, and moto's server (5.2) can not take it.
    private func compress(_ body: [UInt8]) -> [UInt8]? {
        guard compresses, body.count > Self.compressionThreshold, (try? endpoint.get())?.isEncrypted == true,
            // Without zlib's memory the body goes as it is.
            var gzip = try? Gzip()
        else { return nil }
        return try? gzip.compress(body)
    }

    private func attempt(
        _ operation: String,
        _ body: [UInt8],
        isCompressed: Bool,
        hasEmptyAnswer: Bool
    ) -> CallResult {
        let response: HTTPResponse
        do {
            response = try transport.perform(try request(operation, body, isCompressed: isCompressed))
        } catch {
            return .undelivered(.of(error))
        }
        if (200..<300).contains(response.status) {
            return success(response, mayBeEmpty: hasEmptyAnswer)
        }
        let refusal = ServiceError(response, now: now())
        if refusal.mayHealWithFreshSignature {
            let serverTime = response[header: "Date"].flatMap(HTTPDate.secondsSinceEpoch)
            state.withLock { state in
                state.credentials = nil
                if let serverTime { state.clockOffset = serverTime - now() }
            }
        }
        return .refused(refusal)
    }

    /// A success without a JSON object is not the service's: a captive portal or a proxy says 200 as well.
    private func success(_ response: HTTPResponse, mayBeEmpty: Bool) -> CallResult {
        if mayBeEmpty, response.body.isEmpty, response.status == 200 { return .success(.object([:])) }
        if let answer = JSONValue(response.body), answer.isObject { return .success(answer) }
        let message =
            "the answer has status \(response.status), but is no JSON object; a proxy or a portal may be in between"
        return .undelivered(.transient(DeliveryFailure(code: "UnexpectedAnswer", message: message)))
    }

    private func request(_ operation: String, _ body: [UInt8], isCompressed: Bool) throws -> HTTPRequest {
        let endpoint = try endpoint.get()
        let (credentials, time) = try signingState()
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

    /// The credentials, looked for if there are none, and the time by AWS's clock.
    private func signingState() throws(CredentialsError) -> (credentials: Credentials, time: Int64) {
        let (known, offset) = state.withLock { ($0.credentials, $0.clockOffset) }
        let time = now() + offset
        if let known, known.expiration.map({ $0 - Self.expirationMargin > time }) ?? true { return (known, time) }
        let found = try credentials.resolve()
        state.withLock { $0.credentials = found }
        return (found, time)
    }
}

extension DeliveryOutcome {
    /// What it means that a request could not be sent or has no answer.
    fileprivate static func of(_ error: any Error) -> DeliveryOutcome {
        switch error {
        case let error as HTTPError: .of(error)
        case let error as EndpointError:
            .denied(unsent(error == .noRegion ? "NoRegion" : "InvalidEndpoint", error))
        case let error as CredentialsError: .denied(unsent("NoCredentials", error))
        default: .transient(unsent("SigningError", error))
        }
    }

    private static func unsent(_ code: String, _ error: any Error) -> DeliveryFailure {
        DeliveryFailure(code: code, message: "\(error)", mayHaveArrived: false)
    }

    private static func of(_ error: HTTPError) -> DeliveryOutcome {
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
        case .certificate:
            .denied(
                failure(
                    "CertificateError",
                    "; if a certificate authority of your own is to be trusted, name its file in AWS_CA_BUNDLE"
                )
            )
        }
    }
}
