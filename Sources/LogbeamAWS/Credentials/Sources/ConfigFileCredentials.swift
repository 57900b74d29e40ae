/// Keys in the config file: `AWS_CONFIG_FILE`, else `~/.aws/config`.
struct ConfigFileCredentials: CredentialsSource {
    let context: LookupContext
    let name = "config file"

    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup {
        let profiles = try context.profiles()
        return try profiles.keys(in: profiles.config)
    }
}
