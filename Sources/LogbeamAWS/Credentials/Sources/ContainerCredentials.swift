/// Credentials from an agent beside this container, as ECS and EKS (Pod Identity) have it:
/// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, else `AWS_CONTAINER_CREDENTIALS_FULL_URI`, with the token in
/// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`, which is read again at every lookup, else `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
struct ContainerCredentials: CredentialsSource {
    /// botocore's `ContainerMetadataFetcher` has all these numbers and addresses.
    private static let attempts = 3
    /// Who may be asked without TLS, beside this machine itself: ECS, and EKS by IPv4 and IPv6.
    private static let plainHosts: Set<String> = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "localhost"]

    let context: LookupContext
    let name = "container credentials"

    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup {
        guard let url = try url() else {
            return .absent("no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI")
        }
        var headers = [HTTPHeader("Accept", "application/json")]
        if let token = try token() { headers.append(HTTPHeader("Authorization", token)) }
        let json = try answer(to: HTTPRequest(method: .get, url: url, headers: headers))
        let credentials = try CredentialsAnswer.credentials(
            in: json,
            tokenName: "Token",
            required: true,
            source: name
        )
        return .found(credentials, place: Self.origin(url))
    }

    private func url() throws(CredentialsError) -> String? {
        if let path = context.environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
            // Anything else could make another host of it.
            guard path.hasPrefix("/") else {
                throw .unusable(
                    source: name,
                    reason: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a slash"
                )
            }
            return "http://\(context.containerAgent)\(path)"
        }
        guard let url = context.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] else { return nil }
        guard let host = Self.host(url) else {
            throw .unusable(source: name, reason: "AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL like http://HOST/PATH")
        }
        guard url.asciiLowercased.hasPrefix("https:") || Self.plainHosts.contains(host) || Self.isLoopback(host) else {
            throw .unusable(
                source: name,
                reason:
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI names the host \(host.onOneLine(limit: 100)), which may only "
                    + "be asked by https"
            )
        }
        return url
    }

    /// The host as it stands in the URL, in lower case and without its port; `nil` if there is none, or something
    /// behind which another host could hide: a user name, or what libcurl may read otherwise than this does.
    static func host(_ url: String) -> String? {
        let url = url.asciiLowercased
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") }) else { return nil }
        guard let scheme = ["https://", "http://"].first(where: url.hasPrefix) else { return nil }
        let authority = url.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
        guard !authority.isEmpty, !authority.contains("@") else { return nil }
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            return String(authority[...end])
        }
        return String(authority.prefix { $0 != ":" })
    }

    /// 127.0.0.0/8 and ::1, written in full. A name may resolve to something else tomorrow.
    static func isLoopback(_ host: String) -> Bool {
        if host == "[::1]" || host == "[0:0:0:0:0:0:0:1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127"
            && parts.allSatisfy { $0.utf8.allSatisfy { (0x30...0x39).contains($0) } && UInt8($0) != nil }
    }

    private static func origin(_ url: String) -> String {
        let scheme = url.asciiLowercased.hasPrefix("https:") ? "https" : "http"
        return "\(scheme)://\(url.dropFirst(scheme.count + 3).prefix { !"/?#".contains($0) })"
    }

    private func token() throws(CredentialsError) -> String? {
        var token = context.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        if let path = context.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] {
            let bytes: [UInt8]?
            do throws(FileReadError) {
                bytes = try readFile(path, limit: CredentialsAnswer.byteLimit) { context.requests.isCancelled }
            } catch {
                throw .unusable(source: name, reason: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE \(path): \(error)")
            }
            guard let bytes else {
                throw .unusable(source: name, reason: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: there is no \(path)")
            }
            token = String(decoding: bytes, as: UTF8.self)
        }
        if let token, token.utf8.contains(where: { $0 == 0x0D || $0 == 0x0A || $0 == 0 }) {
            throw .unusable(source: name, reason: "the authorization token has a line break, so it cannot be sent")
        }
        return token
    }

    private func answer(to request: HTTPRequest) throws(CredentialsError) -> JSONValue {
        var attempt = 1
        while true {
            let failure: CredentialsError
            do throws(CredentialsError) {
                let response = try context.requests.answer(
                    to: request,
                    .onThisMachine(timeout: context.containerTimeout),
                    source: name
                )
                if response.status == 200, let json = JSONValue(response.body), json.isObject { return json }
                let reason =
                    response.status == 200 ? "the answer is no JSON object" : "the answer has status \(response.status)"
                failure =
                    (400..<500).contains(response.status) && response.status != 429
                    ? .unusable(source: name, reason: reason) : .unavailable(source: name, reason: reason)
            } catch {
                failure = error
            }
            if attempt == Self.attempts || context.requests.isCancelled { throw failure }
            attempt += 1
            context.requests.waitBetweenAttempts()
        }
    }
}
