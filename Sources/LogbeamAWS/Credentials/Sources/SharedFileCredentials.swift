/// Keys in the shared credentials file: `AWS_SHARED_CREDENTIALS_FILE`, else `~/.aws/credentials`.
struct SharedFileCredentials: CredentialsSource {
    let context: LookupContext
    let name = "shared credentials file"

    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup {
        let profiles = try context.profiles()
        return try profiles.keys(in: profiles.credentials)
    }
}

extension Profiles {
    /// The keys that the profile has in one of the two files.
    func keys(in file: File) throws(CredentialsError) -> CredentialsLookup {
        if selected == nil { return .absent(nowhere) }
        let place = "profile [\(name)] of \(file.path)"
        guard let section = file.profiles[name], let accessKeyID = section["aws_access_key_id"] else {
            return .absent(file.absence.map { "\(file.path): \($0)" } ?? "no aws_access_key_id in \(place)")
        }
        guard let secretAccessKey = section["aws_secret_access_key"] else {
            throw .incomplete(source: place, missing: "there is an aws_access_key_id, but no aws_secret_access_key")
        }
        let sessionToken = section["aws_security_token"] ?? section["aws_session_token"]
        return .found(
            Credentials(accessKeyID: accessKeyID, secretAccessKey: secretAccessKey, sessionToken: sessionToken),
            place: place
        )
    }
}
