internal import LogbeamCore

/// The token of one login, in the file that `aws sso login` writes and every AWS tool renews.
struct SSOTokenCache {
    private static let service = AWSService(endpointPrefix: "oidc", environmentID: "SSO_OIDC")
    /// botocore renews a token that ends sooner.
    private static let renewalWindow: Int64 = 15 * 60

    let context: LookupContext
    let profiles: Profiles
    let session: SSOSession
    let source: String

    /// The token, renewed if it ends soon and belongs to an `sso_session`. One that could not be renewed counts to its end.
    func token(at time: Int64) throws(CredentialsError) -> String {
        let path = try path()
        let cached = try read(path)
        guard let token = cached["accessToken"]?.string,
            let end = cached["expiresAt"]?.string.flatMap(Timestamp.secondsSinceEpoch)
        else { throw .loginNeeded(source, "\(path) holds no token", profiles) }
        if session.name != nil, end - time < Self.renewalWindow, let renewed = renew(cached, at: time) {
            save(renewed, at: path)
            if let token = renewed["accessToken"]?.string { return token }
        }
        if end <= time { throw .loginNeeded(source, "the login has ended", profiles) }
        return token
    }

    private func path() throws(CredentialsError) -> String {
        guard let home = context.environment.home else {
            throw .unusable(source: source, reason: "HOME is not set, so the token cannot be found")
        }
        guard let digest = try? Digest.sha1(Array(session.loginName.utf8)) else {
            throw .unavailable(source: source, reason: "libcrypto could not compute a SHA-1 digest")
        }
        return "\(home)/.aws/sso/cache/\(Digest.hexadecimal(digest)).json"
    }

    private func read(_ path: String) throws(CredentialsError) -> [String: JSONValue] {
        let bytes: [UInt8]?
        do throws(FileReadError) {
            bytes = try readFile(path, limit: CredentialsAnswer.byteLimit)
        } catch {
            throw .unusable(source: source, reason: "the token's file \(path) cannot be read: \(error)")
        }
        guard let bytes else { throw .loginNeeded(source, "nobody has logged in (there is no \(path))", profiles) }
        guard case .object(let members) = JSONValue(bytes) else {
            throw .loginNeeded(source, "\(path) is no JSON object", profiles)
        }
        return members
    }

    /// The members of the file with a new token; `nil` if there is none to be had.
    private func renew(_ cached: [String: JSONValue], at time: Int64) -> [String: JSONValue]? {
        guard let clientID = cached["clientId"]?.string, let clientSecret = cached["clientSecret"]?.string,
            let refreshToken = cached["refreshToken"]?.string,
            let registrationEnd = cached["registrationExpiresAt"]?.string.flatMap(Timestamp.secondsSinceEpoch),
            registrationEnd > time,
            let endpoint = try? context.endpoint(of: Self.service, region: session.region, source: source)
        else { return nil }
        let members: [String: JSONValue] = [
            "grantType": .string("refresh_token"), "clientId": .string(clientID),
            "clientSecret": .string(clientSecret), "refreshToken": .string(refreshToken),
        ]
        let request = HTTPRequest(
            method: .post,
            url: "\(endpoint.url.trimmingTrailingSlash)/token",
            headers: [
                HTTPHeader("Content-Type", "application/json"), HTTPHeader("User-Agent", "logbeam/\(Version.current)"),
            ],
            body: Self.json(members)
        )
        guard let response = try? context.answer(to: request, source: source), response.status == 200,
            let answer = JSONValue(response.body), answer["accessToken"]?.string != nil,
            let lifetime = answer["expiresIn"]?.integer, (0...31_536_000).contains(lifetime)
        else { return nil }
        let end = CivilTime(secondsSinceEpoch: time + lifetime).iso8601
        var renewed = cached
        renewed["startUrl"] = .string(session.startURL)
        renewed["region"] = .string(session.region)
        renewed["accessToken"] = answer["accessToken"]
        renewed["expiresAt"] = .string(end)
        // Where a new one comes, the one that was used is worth nothing any more.
        renewed["refreshToken"] = answer["refreshToken"]
        return renewed
    }

    /// Leaves the renewed token to the other tools too. Where that fails, this lookup has it all the same.
    private func save(_ members: [String: JSONValue], at path: String) {
        try? replaceFile(path, with: Self.json(members))
    }

    /// A flat object of strings.
    private static func json(_ members: [String: JSONValue]) -> [UInt8] {
        var bytes = [UInt8(ascii: "{")]
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            guard let text = value.string else { continue }
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            bytes.appendJSONString(name)
            bytes.append(UInt8(ascii: ":"))
            bytes.appendJSONString(text)
        }
        return bytes + [UInt8(ascii: "}")]
    }
}

extension CivilTime {
    /// `2026-01-31T12:00:00Z`.
    fileprivate var iso8601: String {
        "\(UTCTime(millisecondsSinceEpoch: secondsSinceEpoch * 1_000).iso8601.dropLast(5))Z"
    }
}
