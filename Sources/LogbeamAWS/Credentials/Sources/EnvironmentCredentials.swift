/// Credentials in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary ones, `AWS_SESSION_TOKEN` and
/// `AWS_CREDENTIAL_EXPIRATION`.
struct EnvironmentCredentials: CredentialsSource {
    let context: LookupContext
    let name = "environment variables"

    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup {
        if let profile = context.profile { return .absent("profile [\(profile)] was chosen by name") }
        return try read()
    }

    /// Reads them whether a profile was chosen or not.
    func read() throws(CredentialsError) -> CredentialsLookup {
        let environment = context.environment
        guard let accessKeyID = environment["AWS_ACCESS_KEY_ID"] else {
            return .absent("no AWS_ACCESS_KEY_ID")
        }
        guard let secretAccessKey = environment["AWS_SECRET_ACCESS_KEY"] else {
            throw .incomplete(source: name, missing: "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not")
        }
        var credentials = Credentials(
            accessKeyID: accessKeyID,
            secretAccessKey: secretAccessKey,
            // botocore reads the old name of the variable first.
            sessionToken: environment["AWS_SECURITY_TOKEN"] ?? environment["AWS_SESSION_TOKEN"]
        )
        if let end = environment["AWS_CREDENTIAL_EXPIRATION"] {
            guard let expiration = Timestamp.secondsSinceEpoch(end) else {
                throw .unusable(source: name, reason: "AWS_CREDENTIAL_EXPIRATION is no time like 2026-01-31T12:00:00Z")
            }
            credentials.expiration = expiration
        }
        return .found(credentials, place: "AWS_ACCESS_KEY_ID")
    }
}
