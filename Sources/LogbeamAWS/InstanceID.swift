/// Why the id of the EC2 instance is not known. Says what to do.
package struct InstanceIDError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// Finds the id of the EC2 instance that this process runs on.
package enum InstanceID {
    /// Files that hold the id: what Nitro instances have from their firmware, and what cloud-init notes.
    private static let files = ["/sys/devices/virtual/dmi/id/board_asset_tag", "/var/lib/cloud/data/instance-id"]

    /// The id from a file, else from the instance metadata service, version 2, which takes two requests of at most a
    /// second each. Blocks.
    ///
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT` says where that is, else `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` (`IPv4` or
    /// `IPv6`); with `AWS_EC2_METADATA_DISABLED` set to `true` it is not asked.
    ///
    /// - Parameters:
    ///   - files: tried in their order.
    ///   - transport: what sends the requests; `nil` for libcurl.
    package static func find(
        environment: ProcessEnvironment,
        files: [String]? = nil,
        transport: (any HTTPTransport)? = nil
    ) throws(InstanceIDError) -> String {
        for file in files ?? Self.files {
            if let bytes = try? readFile(file, limit: 4_096), let id = id(bytes) { return id }
        }
        if environment.isTrue("AWS_EC2_METADATA_DISABLED") {
            throw InstanceIDError(
                description: "AWS_EC2_METADATA_DISABLED is true; unset it, or write the instance id out"
            )
        }
        return try ask(environment, transport ?? HTTPClient(.metadata))
    }

    private static func ask(
        _ environment: ProcessEnvironment,
        _ transport: any HTTPTransport
    ) throws(InstanceIDError) -> String {
        var origin = endpoint(environment)
        while origin.hasSuffix("/") { origin.removeLast() }
        let token = try body(
            of: HTTPRequest(
                method: .put,
                url: "\(origin)/latest/api/token",
                headers: [HTTPHeader("X-aws-ec2-metadata-token-ttl-seconds", "60")]
            ),
            from: transport
        )
        let answer = try body(
            of: HTTPRequest(
                method: .get,
                url: "\(origin)/latest/meta-data/instance-id",
                headers: [HTTPHeader("X-aws-ec2-metadata-token", String(decoding: token, as: UTF8.self))]
            ),
            from: transport
        )
        guard let id = id(answer) else { throw failure("its answer is no instance id") }
        return id
    }

    private static func endpoint(_ environment: ProcessEnvironment) -> String {
        if let endpoint = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] { return endpoint }
        let isIPv6 = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"]?.asciiLowercased == "ipv6"
        return isIPv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254"
    }

    private static func body(
        of request: HTTPRequest,
        from transport: any HTTPTransport
    ) throws(InstanceIDError) -> [UInt8] {
        let response: HTTPResponse
        do {
            response = try transport.perform(request)
        } catch {
            throw failure(error.message)
        }
        guard response.status == 200 else { throw failure("it answers with status \(response.status)") }
        return response.body
    }

    private static func failure(_ reason: String) -> InstanceIDError {
        InstanceIDError(
            description: "the instance metadata service does not tell (\(reason)); enable it for this instance, allow "
                + "one hop more if this is a container, or write the instance id out"
        )
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

extension HTTPClient.Configuration {
    /// For services at an address of the link, which answer at once or never, and never by a proxy.
    fileprivate static var metadata: Self {
        var configuration = Self()
        configuration.connectTimeout = .seconds(1)
        configuration.requestTimeout = .seconds(1)
        configuration.responseLimit = 4_096
        configuration.usesProxy = false
        return configuration
    }
}
