internal import Synchronization

/// Finds a service's endpoint when it is first asked for, and keeps it; until there is one it looks again each time, so that
/// what a person mends counts without a restart.
///
/// Thread-safe.
package final class EndpointFinder: Sendable {
    private let service: AWSService
    private let given: EndpointChoice.Given
    private let profile: String?
    private let environment: ProcessEnvironment
    private let found = Mutex<EndpointChoice?>(nil)
    private let requests = CredentialsRequests()

    /// - Parameter profile: the profile that the program's own configuration names, if it does.
    package init(
        _ service: AWSService,
        given: EndpointChoice.Given,
        profile: String?,
        environment: ProcessEnvironment
    ) {
        self.service = service
        self.given = given
        self.profile = profile
        self.environment = environment
    }

    /// Reads the shared AWS files, and asks the instance metadata service if nothing else names a region: then it blocks
    /// for a second for each of two requests, or as long as the variables of that service say.
    package func find() throws(EndpointError) -> EndpointChoice {
        if let choice = found.withLock({ $0 }) { return choice }
        let profiles: Profiles
        do throws(INIFile.Failure) {
            profiles = try Profiles(environment: environment, chosen: profile)
        } catch {
            throw .invalidProfile(error.description)
        }
        let choice = try EndpointChoice.resolve(
            service,
            given: given,
            environment: environment,
            profiles: profiles,
            instanceRegion: { () throws(EndpointError) in
                try InstanceRegion.find(environment, profiles.selected, requests)
            }
        )
        found.withLock { $0 = choice }
        return choice
    }

    /// Ends a search that is going on, and every later one that would ask somebody. May be called from any thread.
    package func cancel() { requests.cancel() }
}
