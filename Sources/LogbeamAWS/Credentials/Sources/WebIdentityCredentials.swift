/// A role that is assumed with a token in a file, as Kubernetes gives it to a pod (IRSA): `AWS_WEB_IDENTITY_TOKEN_FILE`,
/// `AWS_ROLE_ARN` and `AWS_ROLE_SESSION_NAME`, or what the profile calls `web_identity_token_file`, `role_arn` and
/// `role_session_name`. The file is read again at every lookup.
struct WebIdentityCredentials: CredentialsSource {
    /// A token is a few KiB at most.
    private static let byteLimit = 1 << 16

    let context: LookupContext
    let name = "web identity"

    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup {
        let profiles = try context.profiles()
        guard let path = value("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file", profiles) else {
            return .absent("no AWS_WEB_IDENTITY_TOKEN_FILE")
        }
        guard let roleARN = value("AWS_ROLE_ARN", "role_arn", profiles) else {
            throw .unusable(
                source: name,
                reason: "there is a token file, but neither AWS_ROLE_ARN nor role_arn in profile [\(profiles.name)]"
            )
        }
        let source = "\(name) \(roleARN)"
        return .found(
            try SecurityTokenService(context: context).assumeRole(
                roleARN,
                sessionName: value("AWS_ROLE_SESSION_NAME", "role_session_name", profiles),
                webIdentityToken: try token(path, source),
                at: time,
                source: source
            ),
            place: "\(roleARN) by the token in \(path)"
        )
    }

    private func value(_ variable: String, _ setting: String, _ profiles: Profiles) -> String? {
        let value = context.profile == nil ? context.environment[variable] : nil
        return value ?? profiles.selected?[setting]
    }

    private func token(_ path: String, _ source: String) throws(CredentialsError) -> String {
        let bytes: [UInt8]?
        do throws(FileReadError) {
            bytes = try readFile(path, limit: Self.byteLimit) { context.requests.isCancelled }
        } catch {
            throw .unusable(source: source, reason: "the token file \(path) cannot be read: \(error)")
        }
        guard let bytes else { throw .unusable(source: source, reason: "there is no token file \(path)") }
        guard let token = String(validating: bytes, as: UTF8.self), !token.isEmpty else {
            throw .unusable(source: source, reason: "the token file \(path) holds no token")
        }
        return token
    }
}
