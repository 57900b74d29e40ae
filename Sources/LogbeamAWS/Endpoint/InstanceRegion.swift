/// The region that the EC2 instance is in.
enum InstanceRegion {
    /// Asks the instance metadata service. Blocks.
    static func find(
        _ environment: ProcessEnvironment,
        _ profile: INISection?,
        _ requests: CredentialsRequests
    ) throws(EndpointError) -> (region: String, source: String) {
        do throws(InstanceMetadata.Failure) {
            let service = try InstanceMetadata(environment: environment, profile: profile, requests: requests)
            let region = try service.get("latest/meta-data/placement/region", token: service.token())
            return (String(decoding: region, as: UTF8.self), "instance metadata")
        } catch {
            throw .noRegion(
                "AWS_REGION is not set, the profile has none, and the instance metadata service does not tell: \(error.reason)",
                isPassing: error.isPassing
            )
        }
    }
}
