/// The role that a profile names by `role_arn`, assumed with the credentials of its `source_profile`, which may name another
/// role, or of its `credential_source`.
struct AssumedRoleCredentials: CredentialsSource {
    let context: LookupContext
    let name = "assumed role"

    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup {
        let profiles = try context.profiles()
        guard let profile = profiles.selected else { return .absent(profiles.nowhere) }
        guard profile.namesRole else { return .absent("no role_arn in profile [\(profiles.name)]") }
        let role = try assume(profiles.name, profiles, visited: [profiles.name], at: time)
        return .found(role, place: "\(profile["role_arn"] ?? "") of profile [\(profiles.name)]")
    }

    private func assume(
        _ name: String,
        _ profiles: Profiles,
        visited: [String],
        at time: Int64
    ) throws(CredentialsError) -> Credentials {
        let source = "profile [\(name)]"
        guard let profile = profiles[name], let roleARN = profile["role_arn"] else {
            throw .unusable(source: source, reason: "it has no role_arn")
        }
        let credentials: Credentials
        switch (profile["source_profile"], profile["credential_source"]) {
        case (nil, nil):
            throw .unusable(
                source: source,
                reason: "it has a role_arn, but neither source_profile nor credential_source says who assumes the role"
            )
        case (.some, .some):
            throw .unusable(source: source, reason: "it has both source_profile and credential_source; take one out")
        case (nil, let place?):
            try refuseCode(profile, source)
            credentials = try self.credentials(from: place, source, at: time)
        case (let parent?, nil):
            try refuseCode(profile, source)
            credentials = try self.credentials(of: parent, for: name, profiles, visited: visited, at: time)
        }
        return try SecurityTokenService(context: context).assumeRole(
            roleARN,
            sessionName: profile["role_session_name"],
            externalID: profile["external_id"],
            durationSeconds: profile["duration_seconds"].flatMap { Int($0) },
            with: credentials,
            at: time,
            source: "\(roleARN) of \(source)"
        )
    }

    private func refuseCode(_ profile: INISection, _ source: String) throws(CredentialsError) {
        guard profile["mfa_serial"] != nil else { return }
        throw .unusable(
            source: source,
            reason:
                "its mfa_serial asks for a code that only a person can type; let `aws configure export-credentials` "
                + "put temporary keys into the environment, or name a profile without it"
        )
    }

    /// The credentials of a source profile: a role that itself is to be assumed, or what else it has.
    private func credentials(
        of parent: String,
        for name: String,
        _ profiles: Profiles,
        visited: [String],
        at time: Int64
    ) throws(CredentialsError) -> Credentials {
        let source = "profile [\(name)]"
        guard let profile = profiles[parent] else {
            throw .unusable(source: source, reason: "its source_profile [\(parent)] does not exist")
        }
        // A profile may name itself if it has keys as well as a role.
        if visited.contains(parent), parent != name || !profile.hasKeys {
            let circle = (visited + [parent]).map { "[\($0)]" }.joined(separator: " → ")
            throw .unusable(source: source, reason: "its source_profile leads back to itself: \(circle)")
        }
        if !profile.hasKeys, profile.namesRole {
            return try assume(parent, profiles, visited: visited + [parent], at: time)
        }
        do throws(CredentialsError) {
            return try CredentialsChain.ofProfile(context.choosing(parent)).resolve(at: time).credentials
        } catch .notFound(let tried) {
            let reason =
                "its source_profile [\(parent)] has no credentials; looked in \(tried.joined(separator: ", then in "))"
            throw .unusable(source: source, reason: reason)
        }
    }

    private func credentials(
        from place: String,
        _ source: String,
        at time: Int64
    ) throws(CredentialsError) -> Credentials {
        let lookup: CredentialsLookup
        switch place {
        case "Environment": lookup = try EnvironmentCredentials(context: context).read()
        case "EcsContainer": lookup = try ContainerCredentials(context: context).find(at: time)
        case "Ec2InstanceMetadata": lookup = try InstanceMetadataCredentials(context: context).find(at: time)
        default:
            throw .unusable(
                source: source,
                reason: "its credential_source \(place.onOneLine(limit: 100)) is none of Environment, "
                    + "Ec2InstanceMetadata and EcsContainer"
            )
        }
        switch lookup {
        case .found(let credentials, _): return credentials
        case .absent(let reason):
            throw .unusable(source: source, reason: "its credential_source \(place) has none (\(reason))")
        }
    }
}

extension INISection {
    /// Whether a role is to be assumed with the credentials of another place. With a token file it is web identity.
    fileprivate var namesRole: Bool { self["role_arn"] != nil && self["web_identity_token_file"] == nil }
    fileprivate var hasKeys: Bool { self["aws_access_key_id"] != nil || self["aws_secret_access_key"] != nil }
}
