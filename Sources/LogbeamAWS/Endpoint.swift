/// What the rules for regions and endpoints have to know about a service.
package struct AWSService: Sendable, Equatable {
    /// The first label of the service's host names, `logs`, which is also the name that signatures carry.
    package var endpointPrefix: String
    /// The service's id as environment variables write it: `CLOUDWATCH_LOGS`.
    package var environmentID: String

    package init(endpointPrefix: String, environmentID: String) {
        self.endpointPrefix = endpointPrefix
        self.environmentID = environmentID
    }
}

/// Where a service's requests go.
package struct Endpoint: Sendable, Equatable {
    /// The region of the credential scope.
    package var region: String
    /// Without a path: `https://logs.eu-central-1.amazonaws.com`.
    package var origin: String
    /// The value of the `Host` field: with a port if it isn't the scheme's own.
    package var host: String
    /// Starts with a slash.
    package var path: String

    package var url: String { origin + path }

    /// Whether requests go by HTTPS.
    package var isEncrypted: Bool { origin.hasPrefix("https:") }

    package init(region: String, origin: String, host: String, path: String) {
        self.region = region
        self.origin = origin
        self.host = host
        self.path = path
    }
}

/// Why it is not known where requests go. Says what to do.
package enum EndpointError: Error, Sendable, Equatable, CustomStringConvertible {
    case noRegion
    case invalidRegion(String)
    /// The text, where it came from, and what is wrong with it.
    case invalidURL(String, source: String, reason: String)

    package var description: String {
        switch self {
        case .noRegion: "no AWS region; set AWS_REGION, or name the region in the configuration"
        case .invalidRegion(let region):
            "\(quoted(region)) is no AWS region; a region is named like eu-central-1"
        case .invalidURL(let url, let source, let reason):
            "\(source) is \(quoted(url)), which \(reason); it is written like https://HOST[:PORT]"
        }
    }

    /// On one line, and short, whatever somebody put into a variable.
    private func quoted(_ text: String) -> String { String(reflecting: String(text.prefix(100))) }
}

extension Endpoint {
    /// Finds the region and the endpoint as the AWS tools do.
    ///
    /// Region: the given one, `AWS_REGION`, `AWS_DEFAULT_REGION`. Endpoint: the given URL,
    /// `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL` (unless `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is true), else the
    /// host of the service in the region, as `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` want it, by
    /// HTTPS. An endpoint that was configured overrides these two.
    package static func resolve(
        _ service: AWSService,
        region givenRegion: String? = nil,
        url givenURL: String? = nil,
        environment: ProcessEnvironment
    ) throws(EndpointError) -> Endpoint {
        guard let region = givenRegion ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] else {
            throw .noRegion
        }
        guard isHostLabel(region) else { throw .invalidRegion(region) }

        if let givenURL { return try parse(givenURL, source: "the endpoint URL", region: region) }
        if !environment.isTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
            for variable in ["AWS_ENDPOINT_URL_\(service.environmentID)", "AWS_ENDPOINT_URL"] {
                guard let url = environment[variable] else { continue }
                return try parse(url, source: variable, region: region)
            }
        }
        let host = defaultHost(
            service,
            region: region,
            fips: environment.isTrue("AWS_USE_FIPS_ENDPOINT"),
            dualStack: environment.isTrue("AWS_USE_DUALSTACK_ENDPOINT")
        )
        return Endpoint(region: region, origin: "https://\(host)", host: host, path: "/")
    }

    /// The domains of AWS's partitions by the start of their regions' names, from botocore's `partitions.json`.
    /// Regions that begin otherwise are in the first partition.
    private static let partitions: [(prefix: String, domain: String, dualStackDomain: String)] = [
        ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
        ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
        ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        ("", "amazonaws.com", "api.aws"),
    ]

    private static func defaultHost(_ service: AWSService, region: String, fips: Bool, dualStack: Bool) -> String {
        let partition = partitions.first { region.hasPrefix($0.prefix) } ?? partitions[partitions.count - 1]
        // The plain hosts of the GovCloud regions are FIPS endpoints already, and there are no others.
        let isPlainHostFIPS = region.hasPrefix("us-gov-") && !dualStack
        let label = service.endpointPrefix + (fips && !isPlainHostFIPS ? "-fips" : "")
        return "\(label).\(region).\(dualStack ? partition.dualStackDomain : partition.domain)"
    }

    /// A label of a host name (RFC 1123): the region becomes one, so nothing else may come in with it.
    private static func isHostLabel(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count) && !text.hasPrefix("-") && !text.hasSuffix("-")
            && text.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }
    }
}

extension UInt8 {
    fileprivate var isASCIILetterOrDigit: Bool {
        (0x30...0x39).contains(self) || (0x61...0x7A).contains(asciiLowercased)
    }
}

extension Endpoint {
    /// Takes a URL apart: `http` or `https`, a host, perhaps a port and a path. User names, queries and fragments have no
    /// place in an endpoint.
    private static func parse(_ url: String, source: String, region: String) throws(EndpointError) -> Endpoint {
        func invalid(_ reason: String) -> EndpointError {
            // What stands before an @ may be a password.
            let shown = url.lastIndex(of: "@").map { "…" + url[$0...] } ?? url
            return .invalidURL(shown, source: source, reason: reason)
        }
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw invalid("has spaces or other characters that a URL cannot have")
        }
        let scheme = ["https", "http"].first { url.asciiLowercased.hasPrefix("\($0)://") }
        guard let scheme else { throw invalid("does not begin with https:// or http://") }
        let rest = url.dropFirst(scheme.count + 3)
        guard !rest.contains(where: { "@?#\\".contains($0) }) else {
            throw invalid("has a user name, a query or a fragment")
        }
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        let name: Substring
        if authority.hasPrefix("[") {
            name = authority.prefix { $0 != "]" } + (authority.contains("]") ? "]" : "")
        } else {
            name = authority.prefix { $0 != ":" }
        }
        guard isHost(name) else { throw invalid("has no valid host") }

        var host = String(name)
        let portPart = authority.dropFirst(name.count)
        if !portPart.isEmpty {
            guard portPart.hasPrefix(":"), !portPart.contains("+"), let port = UInt16(portPart.dropFirst()), port > 0
            else {
                throw invalid("has no valid port")
            }
            if port != (scheme == "https" ? 443 : 80) { host += ":\(port)" }
        }
        return Endpoint(
            region: region,
            origin: "\(scheme)://\(host)",
            host: host,
            path: path.isEmpty ? "/" : String(path)
        )
    }

    /// A name, an IPv4 address, or an IPv6 address in brackets.
    private static func isHost(_ name: Substring) -> Bool {
        if name.hasPrefix("[") {
            return name.hasSuffix("]") && name.count > 3
                && name.dropFirst().dropLast().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
        }
        return (1...255).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0.isASCIILetterOrDigit || "-._".utf8.contains($0) }
    }
}
