/// Why the id of the EC2 instance is not known. Says what to do.
package struct InstanceIDError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// Finds the id of the EC2 instance that this process runs on.
package enum InstanceID {
    /// Files that hold the id: what Nitro instances have from their firmware, and what cloud-init notes.
    private static let files = ["/sys/devices/virtual/dmi/id/board_asset_tag", "/var/lib/cloud/data/instance-id"]

    /// The id from a file, else from the instance metadata service, which takes two requests of at most a second each.
    /// Blocks. What ``InstanceMetadata`` goes by says where that service is, or that it is not asked.
    ///
    /// - Parameter files: tried in their order.
    package static func find(
        environment: ProcessEnvironment,
        files: [String]? = nil
    ) throws(InstanceIDError) -> String {
        for file in files ?? Self.files {
            if let bytes = try? readFile(file, limit: 4_096), let id = id(bytes) { return id }
        }
        do throws(InstanceMetadata.Failure) {
            let service = try InstanceMetadata(environment: environment, profile: nil, requests: CredentialsRequests())
            let token = try service.token()
            if let id = id(try service.get("latest/meta-data/instance-id", token: token)) { return id }
            throw InstanceMetadata.Failure(reason: "its answer is no instance id")
        } catch {
            throw InstanceIDError(
                description:
                    "the instance metadata service does not tell (\(error.reason)); enable it for this instance, "
                    + "allow one hop more if this is a container, or write the instance id out"
            )
        }
    }

    /// `i-` and hexadecimal digits, with white space around them. Elsewhere than on EC2 the files hold other things.
    private static func id(_ bytes: [UInt8]) -> String? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let word = text.split(whereSeparator: \.isWhitespace).first, word.hasPrefix("i-") else { return nil }
        let digits = word.utf8.dropFirst(2)
        guard (8...32).contains(digits.count),
            digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        return String(word)
    }
}
