internal import LogbeamCore

/// AWS's Security Token Service: gives temporary credentials for a role.
struct SecurityTokenService {
    private static let service = AWSService(endpointPrefix: "sts", environmentID: "STS")
    /// Where `AWS_STS_REGIONAL_ENDPOINTS` set to `legacy` means the global host: botocore's `endpoint-rule-set-1` of STS.
    private static let legacyRegions: Set<String> = [
        "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1",
        "eu-north-1",
        "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
    ]

    let context: LookupContext

    /// Assumes a role with credentials that may do so. Blocks.
    ///
    /// - Parameter source: how errors call the role.
    func assumeRole(
        _ roleARN: String,
        sessionName: String?,
        externalID: String?,
        durationSeconds: Int?,
        with credentials: Credentials,
        at time: Int64,
        source: String
    ) throws(CredentialsError) -> Credentials {
        var parameters = self.parameters("AssumeRole", roleARN, sessionName, time)
        if let externalID { parameters.append(("ExternalId", externalID)) }
        if let durationSeconds { parameters.append(("DurationSeconds", "\(durationSeconds)")) }
        return try call(parameters, signedWith: credentials, at: time, source: source)
    }

    /// Assumes a role with a token of somebody whom the role trusts. Blocks.
    func assumeRole(
        _ roleARN: String,
        sessionName: String?,
        webIdentityToken: String,
        at time: Int64,
        source: String
    ) throws(CredentialsError) -> Credentials {
        let parameters =
            parameters("AssumeRoleWithWebIdentity", roleARN, sessionName, time) + [
                ("WebIdentityToken", webIdentityToken)
            ]
        return try call(parameters, signedWith: nil, at: time, source: source)
    }

    private func parameters(
        _ action: String,
        _ roleARN: String,
        _ sessionName: String?,
        _ time: Int64
    ) -> [(name: String, value: String)] {
        [
            ("Action", action), ("Version", "2011-06-15"), ("RoleArn", roleARN),
            // botocore's default: there are trust policies which go by it.
            ("RoleSessionName", sessionName ?? "botocore-session-\(time)"),
        ]
    }

    private func call(
        _ parameters: [(name: String, value: String)],
        signedWith credentials: Credentials?,
        at time: Int64,
        source: String
    ) throws(CredentialsError) -> Credentials {
        let endpoint = try endpoint(source)
        let body = Array(CredentialsRequests.query(parameters).utf8)
        var headers = [
            HTTPHeader("Host", endpoint.host),
            HTTPHeader("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
            HTTPHeader("User-Agent", "logbeam/\(Version.current)"),
        ]
        if let credentials {
            let request = SigningRequest(method: "POST", path: endpoint.path, headers: headers, body: body)
            do {
                headers += try Signer(region: endpoint.region, service: "sts")
                    .headers(signing: request, with: credentials, at: time)
            } catch {
                throw .unavailable(source: source, reason: "\(error)")
            }
        }
        let request = HTTPRequest(method: .post, url: endpoint.url, headers: headers, body: body)
        return try Self.credentials(in: try context.answer(to: request, source: source), source: source)
    }

    func endpoint(_ source: String) throws(CredentialsError) -> Endpoint {
        var endpoint = try context.endpoint(of: Self.service, source: source)
        let settings = try context.settings()
        let setting = context.environment["AWS_STS_REGIONAL_ENDPOINTS"] ?? settings.selected?["sts_regional_endpoints"]
        if setting?.asciiLowercased == "legacy", Self.legacyRegions.contains(endpoint.region),
            endpoint.host == "sts.\(endpoint.region).amazonaws.com"
        {
            endpoint.region = "us-east-1"
            endpoint.host = "sts.amazonaws.com"
            endpoint.origin = "https://\(endpoint.host)"
        }
        return endpoint
    }

    /// Reads the answer of either action.
    static func credentials(in response: HTTPResponse, source: String) throws(CredentialsError) -> Credentials {
        let answer = XMLText(response.body)
        guard response.status == 200 else {
            let code = answer?["Error/Code"] ?? "status \(response.status)"
            let message = (answer?["Error/Message"]).map { ": \($0.withoutCanonicalRequest)" } ?? ""
            let reason = "STS answers \(code)\(message)".onOneLine(limit: 500)
            if response.status >= 500 || response.status == 429
                || ["Throttling", "IDPCommunicationError"].contains(code)
            {
                throw .unavailable(source: source, reason: reason)
            }
            throw .unusable(source: source, reason: reason)
        }
        func text(_ name: String) throws(CredentialsError) -> String {
            guard let text = answer?["Credentials/\(name)"], !text.isEmpty else {
                // A proxy or a portal says 200 as well.
                throw .unavailable(source: source, reason: "the answer of STS has no \(name)")
            }
            return text
        }
        guard let expiration = Timestamp.secondsSinceEpoch(try text("Expiration")) else {
            throw .unavailable(source: source, reason: "the Expiration in the answer of STS is no time")
        }
        return Credentials(
            accessKeyID: try text("AccessKeyId"),
            secretAccessKey: try text("SecretAccessKey"),
            sessionToken: try text("SessionToken"),
            expiration: expiration
        )
    }
}
