/// The credentials of the role that an EC2 instance has.
///
/// Where the service can give no newer ones and those that it has are near their end, or past it, they count for a while
/// longer, as botocore has it: AWS takes such credentials while the part of it that would renew them is in trouble.
struct InstanceMetadataCredentials: CredentialsSource {
    private static let path = "latest/meta-data/iam/security-credentials/"

    let context: LookupContext
    let name = "instance metadata"

    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup {
        let profiles = try context.profiles()
        do throws(InstanceMetadata.Failure) {
            let service = try InstanceMetadata(
                environment: context.environment,
                profile: profiles.selected,
                requests: context.requests
            )
            let token = try service.token()
            let role = String(decoding: try service.get(Self.path, token: token), as: UTF8.self)
            // It goes into a URL.
            guard role.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw InstanceMetadata.Failure(reason: "what it gives as the name of the role is none")
            }
            let answer = try service.get(Self.path + role, token: token)
            let place = "role \(role.onOneLine(limit: 100)) from \(service.origin)"
            return .found(try credentials(in: answer, at: time), place: place)
        } catch {
            if error.isPassing { throw .unavailable(source: name, reason: error.reason) }
            return .absent(error.reason)
        }
    }

    private func credentials(in answer: [UInt8], at time: Int64) throws(InstanceMetadata.Failure) -> Credentials {
        guard let json = JSONValue(answer), json.isObject else {
            throw InstanceMetadata.Failure(reason: "its answer is no JSON object")
        }
        do throws(CredentialsError) {
            var credentials = try CredentialsAnswer.credentials(
                in: json,
                tokenName: "Token",
                required: true,
                source: name
            )
            credentials.expiration = credentials.expiration.map {
                Self.extended($0, at: time, spread: credentials.accessKeyID)
            }
            return credentials
        } catch .unusable(_, let reason) {
            // A role that EC2 cannot assume comes as a code and a message, with status 200.
            let code = json["Code"]?.string.map { " (\($0.onOneLine(limit: 100)))" } ?? ""
            throw InstanceMetadata.Failure(reason: reason + code)
        } catch {
            throw InstanceMetadata.Failure(reason: "\(error)")
        }
    }

    /// The end, put off if it is nearer than 15 minutes and a part of the 2 to 10 minutes above that which differs from
    /// machine to machine, so that they don't all ask again at once.
    static func extended(_ expiration: Int64, at time: Int64, spread: String) -> Int64 {
        let jitter = 120 + spread.utf8.reduce(Int64(0)) { ($0 &* 31 &+ Int64($1)) % 481 }
        let window = 15 * 60 + jitter
        return time >= expiration - window ? time + window : expiration
    }
}
