/// What the sources of one chain look at.
struct LookupContext: Sendable {
    let environment: ProcessEnvironment
    /// The profile that was chosen by name; `nil`: as the environment says. Who chooses one by name means it: the keys
    /// in the environment don't count then.
    private(set) var profile: String?
    /// The profile that says where services are and whom to trust: the one that the program chose, though a role may
    /// have led to another.
    private let settingsProfile: String?
    /// The region that the program's configuration names.
    private let region: String?
    let requests: CredentialsRequests
    /// Where `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` leads: the agent of ECS.
    var containerAgent = "169.254.170.2"
    /// How long a container's agent may take, as botocore has it.
    var containerTimeout = Duration.seconds(2)

    init(
        environment: ProcessEnvironment,
        profile: String? = nil,
        region: String? = nil,
        requests: CredentialsRequests = CredentialsRequests()
    ) {
        self.environment = environment
        self.profile = profile
        settingsProfile = profile
        self.region = region
        self.requests = requests
    }

    /// Reads the profiles, now. Throws if the files cannot be read as such, and if there is no profile of a name that
    /// somebody chose: with other credentials than those that were meant, records would go to somebody else's account.
    func profiles() throws(CredentialsError) -> Profiles { try read(profile) }

    private func read(_ profile: String?) throws(CredentialsError) -> Profiles {
        let profiles: Profiles
        do throws(INIFile.Failure) {
            profiles = try Profiles(environment: environment, chosen: profile)
        } catch {
            throw .unusable(source: "the shared AWS files", reason: error.description)
        }
        if let source = profiles.source, profiles.selected == nil {
            let remedy =
                switch source {
                case .configuration: "choose another one"
                case .variable(let name): "name another one in \(name), or unset it"
                }
            throw .unusable(source: "profile [\(profiles.name)]", reason: "\(profiles.nowhere); \(remedy)")
        }
        return profiles
    }

    /// The settings for calls of services.
    func settings() throws(CredentialsError) -> Profiles { try read(settingsProfile) }

    /// Where the requests to a service go.
    ///
    /// - Parameter region: the one of the service, if it is not that of all else.
    func endpoint(
        of service: AWSService,
        region: String? = nil,
        source: String
    ) throws(CredentialsError) -> Endpoint {
        let settings = try settings()
        do throws(EndpointError) {
            return try EndpointChoice.resolve(
                service,
                given: .init(region: region ?? self.region),
                environment: environment,
                profiles: settings,
                instanceRegion: { () throws(EndpointError) in
                    try InstanceRegion.find(environment, settings.selected, requests)
                }
            ).endpoint
        } catch {
            if error.isPassing { throw .unavailable(source: source, reason: error.description) }
            throw .unusable(source: source, reason: error.description)
        }
    }

    /// The answer of one of AWS's services. Blocks.
    func answer(to request: HTTPRequest, source: String) throws(CredentialsError) -> HTTPResponse {
        var configuration = HTTPClient.Configuration()
        configuration.responseLimit = CredentialsAnswer.byteLimit
        configuration.certificateAuthorityFile = try CertificateBundle.path(
            environment: environment,
            profiles: settings
        )
        configuration.proxies = ProxyRules(environment: environment)
        return try requests.answer(to: request, configuration, source: source)
    }

    /// The same, for another profile.
    func choosing(_ profile: String) -> LookupContext {
        var context = self
        context.profile = profile
        return context
    }
}

extension Profiles {
    /// That the profile does not exist, and where it was looked for.
    var nowhere: String {
        let places = [config, credentials].map { file in file.path + (file.absence.map { " (\($0))" } ?? "") }
        return "profile [\(name)] is in neither \(places[0]) nor \(places[1])"
    }
}
