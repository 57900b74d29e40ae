/// Credentials in a profile of the shared credentials file: `AWS_SHARED_CREDENTIALS_FILE`, else `~/.aws/credentials`.
///
/// The profile is the one that was chosen by name, else the one that the environment names, else `default`.
struct SharedFileCredentials: CredentialsSource {
    private let path: String?
    private let profile: String

    init(environment: ProcessEnvironment, profile: String?) {
        path = environment.path("AWS_SHARED_CREDENTIALS_FILE", else: ".aws/credentials")
        // botocore reads AWS_DEFAULT_PROFILE before AWS_PROFILE.
        self.profile = profile ?? environment["AWS_DEFAULT_PROFILE"] ?? environment["AWS_PROFILE"] ?? "default"
    }

    var name: String { "profile [\(profile)] of \(path ?? "~/.aws/credentials")" }

    func find() throws(CredentialsError) -> CredentialsLookup {
        guard let path else { return .absent("neither AWS_SHARED_CREDENTIALS_FILE nor HOME is set") }
        let file: INIFile?
        do throws(INIFile.Failure) {
            file = try INIFile(path: path)
        } catch {
            throw .unreadable(source: name, reason: error.description)
        }
        guard let file else { return .absent("no such file") }
        guard let section = file[profile] else { return .absent("no such section in the file") }
        guard let accessKeyID = section["aws_access_key_id"] else {
            return .absent("the section has no aws_access_key_id")
        }
        guard let secretAccessKey = section["aws_secret_access_key"] else {
            throw .incomplete(source: name, missing: "there is an aws_access_key_id, but no aws_secret_access_key")
        }
        let sessionToken = section["aws_security_token"] ?? section["aws_session_token"]
        return .found(
            Credentials(accessKeyID: accessKeyID, secretAccessKey: secretAccessKey, sessionToken: sessionToken)
        )
    }
}
