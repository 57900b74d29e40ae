/// The instance metadata service of EC2, version 2: it wants a token for each request, and falls back to version 1 where a
/// machine has no other, unless that is switched off.
///
/// `AWS_EC2_METADATA_SERVICE_ENDPOINT`, `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` (`IPv4`, `IPv6`),
/// its older form `AWS_IMDS_USE_IPV6`, `AWS_METADATA_SERVICE_TIMEOUT` (1 s), `AWS_METADATA_SERVICE_NUM_ATTEMPTS` (1) and
/// `AWS_EC2_METADATA_V1_DISABLED` can each stand in the profile as well. A timeout above 60 s counts as 60 s, more than 10
/// attempts as 10. It is never asked by a proxy.
struct InstanceMetadata {
    /// Why there is nothing to be had.
    struct Failure: Error, Equatable {
        var reason: String
        /// It is there, and may have it later though nobody does anything: EC2 throttles whoever asks often
        /// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html, "Query throttling").
        var isPassing = false
    }

    /// Whether an answer may be another one later.
    private static func isPassing(_ response: HTTPResponse) -> Bool { response.status >= 500 || response.status == 429 }

    let origin: String
    private let isDisabled: Bool
    private let isVersion1Disabled: Bool
    private let attempts: Int
    /// Sends a request to the service.
    var perform: (HTTPRequest) -> Result<HTTPResponse, HTTPError>

    init(environment: ProcessEnvironment, profile: INISection?, requests: CredentialsRequests) throws(Failure) {
        func setting(_ variable: String, _ name: String) -> String? { environment[variable] ?? profile?[name] }
        func number(_ variable: String, _ name: String, _ limit: Int) throws(Failure) -> Int {
            guard let text = setting(variable, name) else { return 1 }
            guard let number = Int(text), number >= 1 else {
                throw Failure(reason: "\(variable) is no whole number of at least 1")
            }
            return min(number, limit)
        }
        let mode = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode")?
            .asciiLowercased
        guard mode == nil || mode == "ipv4" || mode == "ipv6" else {
            throw Failure(reason: "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6")
        }
        let usesIPv6 =
            mode.map { $0 == "ipv6" } ?? (setting("AWS_IMDS_USE_IPV6", "imds_use_ipv6")?.asciiLowercased == "true")
        var origin =
            setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint")
            ?? (usesIPv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254")
        while origin.hasSuffix("/") { origin.removeLast() }
        guard ContainerCredentials.host(origin) != nil else {
            throw Failure(reason: "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL like http://HOST")
        }
        self.origin = origin
        isDisabled = environment.isTrue("AWS_EC2_METADATA_DISABLED")
        isVersion1Disabled =
            setting("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled")?.asciiLowercased == "true"
        let timeout = Duration.seconds(try number("AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout", 60))
        attempts = try number("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts", 10)
        perform = { request in
            Result { () throws(HTTPError) in try requests.perform(request, .onThisMachine(timeout: timeout)) }
        }
    }

    /// A token for the requests that follow, good for six hours; `nil` where only version 1 is spoken.
    func token() throws(Failure) -> String? {
        if isDisabled { throw Failure(reason: "AWS_EC2_METADATA_DISABLED is true") }
        let request = HTTPRequest(
            method: .put,
            url: "\(origin)/latest/api/token",
            headers: [HTTPHeader("x-aws-ec2-metadata-token-ttl-seconds", "21600")]
        )
        var reason = ""
        var (isReached, isPassing) = (false, false)
        attempts: for _ in 0..<attempts {
            switch perform(request) {
            case .success(let response):
                isReached = true
                if response.status == 200 { return String(decoding: response.body, as: UTF8.self) }
                reason = "it answers \(response.status) to the request for a token"
                isPassing = Self.isPassing(response)
                if response.status == 400 { throw Failure(reason: reason) }
                if [403, 404, 405].contains(response.status) { break attempts }
            case .failure(let error):
                reason = error.message.onOneLine(limit: 300)
                if error.kind == .cancelled { throw Failure(reason: reason) }
                if error.requestWasSent { isReached = true }
                if error.kind == .timeout, error.requestWasSent { break attempts }
            }
        }
        // Whoever takes the request and gives no answer may know version 1 alone; who takes none is not there.
        guard isReached else { throw Failure(reason: reason) }
        if isVersion1Disabled {
            throw Failure(reason: "\(reason), and version 1 is switched off", isPassing: isPassing)
        }
        return nil
    }

    /// What stands below a path; never empty.
    func get(_ path: String, token: String?) throws(Failure) -> [UInt8] {
        let request = HTTPRequest(
            method: .get,
            url: "\(origin)/\(path)",
            headers: token.map { [HTTPHeader("x-aws-ec2-metadata-token", $0)] } ?? []
        )
        var (reason, isPassing) = ("", false)
        for _ in 0..<attempts {
            switch perform(request) {
            case .success(let response):
                if response.status == 200, !response.body.isEmpty { return response.body }
                let what = response.status == 200 ? "nothing" : "\(response.status)"
                reason = "it answers \(what) to the request for \(path.onOneLine(limit: 200))"
                isPassing = Self.isPassing(response)
            case .failure(let error):
                reason = error.message.onOneLine(limit: 300)
                // Whoever has given a token is there.
                isPassing = token != nil
            }
        }
        throw Failure(reason: reason, isPassing: isPassing)
    }
}
