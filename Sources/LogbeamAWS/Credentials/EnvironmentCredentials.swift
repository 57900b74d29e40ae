/// Credentials in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary ones, `AWS_SESSION_TOKEN`.
struct EnvironmentCredentials: CredentialsSource {
    let environment: ProcessEnvironment
    let name = "environment variables"

    func find() throws(CredentialsError) -> CredentialsLookup {
        guard let accessKeyID = environment["AWS_ACCESS_KEY_ID"] else {
            return .absent("AWS_ACCESS_KEY_ID is not set")
        }
        guard let secretAccessKey = environment["AWS_SECRET_ACCESS_KEY"] else {
            throw .incomplete(source: name, missing: "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not")
        }
        // botocore reads the old name of the variable first.
        let sessionToken = environment["AWS_SECURITY_TOKEN"] ?? environment["AWS_SESSION_TOKEN"]
        return .found(
            Credentials(accessKeyID: accessKeyID, secretAccessKey: secretAccessKey, sessionToken: sessionToken)
        )
    }
}
