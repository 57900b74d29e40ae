internal import LogbeamCore

/// The role that a profile names by `sso_account_id` and `sso_role_name`, with the token that `aws sso login` has left below
/// `~/.aws/sso/cache`. Where to ask is in the section that `sso_session` names, or, as it was before, in the profile itself:
/// `sso_start_url` and `sso_region`. The token of an `sso_session` is renewed as long as that is possible.
struct SSOCredentials: CredentialsSource {
    private static let service = AWSService(endpointPrefix: "portal.sso", environmentID: "SSO")

    let context: LookupContext
    let name = "SSO"

    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup {
        let profiles = try context.profiles()
        guard let profile = profiles.selected else { return .absent(profiles.nowhere) }
        guard profile["sso_account_id"] != nil || profile["sso_role_name"] != nil else {
            return .absent("no sso_account_id in profile [\(profiles.name)]")
        }
        let source = "\(name) of profile [\(profiles.name)]"
        let session = try SSOSession(profile, profiles, source: source)
        func setting(_ name: String) throws(CredentialsError) -> String {
            guard let value = profile[name] ?? profiles.ssoSessions[session.name ?? ""]?[name] else {
                throw .incompleteSSO(source, name)
            }
            return value
        }
        let account = try setting("sso_account_id")
        let role = try setting("sso_role_name")
        let token = try SSOTokenCache(context: context, profiles: profiles, session: session, source: source)
            .token(at: time)
        let credentials = try credentials(of: role, in: account, token, session.region, profiles, source)
        return .found(credentials, place: "role \(role) in account \(account) by the token of \(session.loginName)")
    }

    private func credentials(
        of role: String,
        in account: String,
        _ token: String,
        _ region: String,
        _ profiles: Profiles,
        _ source: String
    ) throws(CredentialsError) -> Credentials {
        let endpoint = try context.endpoint(of: Self.service, region: region, source: source)
        let query = CredentialsRequests.query([("role_name", role), ("account_id", account)])
        let request = HTTPRequest(
            method: .get,
            url: "\(endpoint.url.trimmingTrailingSlash)/federation/credentials?\(query)",
            headers: [
                HTTPHeader("x-amz-sso_bearer_token", token), HTTPHeader("User-Agent", "logbeam/\(Version.current)"),
            ]
        )
        let response = try context.answer(to: request, source: source)
        if response.status == 401 {
            throw .loginNeeded(source, "the service does not take the token any more", profiles)
        }
        guard response.status == 200 else {
            let message = JSONValue(response.body)?["message"]?.string.map { ": \($0)" } ?? ""
            let reason = "the service answers \(response.status)\(message)".onOneLine(limit: 500)
            if response.status >= 500 || response.status == 429 { throw .unavailable(source: source, reason: reason) }
            throw .unusable(source: source, reason: reason)
        }
        let answer = JSONValue(response.body)?["roleCredentials"]
        guard let accessKeyID = answer?["accessKeyId"]?.string,
            let secretAccessKey = answer?["secretAccessKey"]?.string,
            let sessionToken = answer?["sessionToken"]?.string, let milliseconds = answer?["expiration"]?.integer
        else { throw .unavailable(source: source, reason: "the answer has not all of the credentials") }
        return Credentials(
            accessKeyID: accessKeyID,
            secretAccessKey: secretAccessKey,
            sessionToken: sessionToken,
            expiration: milliseconds / 1_000
        )
    }
}

/// Where people log in.
struct SSOSession {
    /// The name of the section; `nil` where the profile itself says all.
    var name: String?
    var startURL: String
    var region: String

    init(_ profile: INISection, _ profiles: Profiles, source: String) throws(CredentialsError) {
        name = profile["sso_session"]
        var settings = profile
        if let name {
            guard let section = profiles.ssoSessions[name] else {
                throw .unusable(source: source, reason: "there is no section [sso-session \(name)]")
            }
            for setting in ["sso_start_url", "sso_region"] {
                if let one = profile[setting], let other = section[setting], one != other {
                    let reason = "\(setting) is not the same in the profile and in [sso-session \(name)]"
                    throw .unusable(source: source, reason: reason)
                }
            }
            settings.merge(section)
        }
        guard let startURL = settings["sso_start_url"] else { throw .incompleteSSO(source, "sso_start_url") }
        guard let region = settings["sso_region"] else { throw .incompleteSSO(source, "sso_region") }
        self.startURL = startURL
        self.region = region
    }

    /// What the name of the token's file is made of.
    var loginName: String { name ?? startURL }
}

extension CredentialsError {
    fileprivate static func incompleteSSO(_ source: String, _ setting: String) -> CredentialsError {
        .unusable(source: source, reason: "there is no \(setting); complete it with `aws configure sso`")
    }

    static func loginNeeded(_ source: String, _ reason: String, _ profiles: Profiles) -> CredentialsError {
        .unusable(source: source, reason: "\(reason); run `aws sso login --profile \(profiles.name)`")
    }
}

extension String {
    var trimmingTrailingSlash: String { hasSuffix("/") ? String(dropLast()) : self }
}
