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
    /// Why the place where it was looked for last has none, and whether it may have one later.
    case noRegion(String, isPassing: Bool = false)
    case invalidRegion(String, source: String)
    /// The text, where it came from, and what is wrong with it.
    case invalidURL(String, source: String, reason: String)
    /// The shared AWS files cannot be used as they are.
    case invalidProfile(String)

    package var isMissingRegion: Bool {
        if case .noRegion = self { true } else { false }
    }

    /// Whether the same may be found later though nobody does anything.
    package var isPassing: Bool {
        if case .noRegion(_, isPassing: true) = self { true } else { false }
    }

    /// Whether it is the region that is in the way, not the endpoint.
    package var isAboutRegion: Bool {
        switch self {
        case .noRegion, .invalidRegion: true
        case .invalidURL, .invalidProfile: false
        }
    }

    package var description: String {
        switch self {
        case .noRegion(let reason, _):
            "no AWS region (\(reason)); set AWS_REGION, or name the region in the configuration or the profile"
        case .invalidRegion(let region, let source):
            "\(source) is \(quoted(region)), which is no AWS region; a region is named like eu-central-1"
        case .invalidURL(let url, let source, let reason):
            "\(source) is \(quoted(url)), which \(reason); it is written like https://HOST[:PORT]"
        case .invalidProfile(let reason): reason
        }
    }

    /// On one line, and short, whatever somebody put into a variable.
    private func quoted(_ text: String) -> String { String(reflecting: String(text.prefix(100))) }
}

extension UInt8 {
    var isASCIILetterOrDigit: Bool {
        (0x30...0x39).contains(self) || (0x61...0x7A).contains(asciiLowercased)
    }
}

extension Endpoint {
    /// Takes a URL apart: `http` or `https`, a host, perhaps a port and a path. User names, queries and fragments have no
    /// place in an endpoint.
    package static func parse(_ url: String, source: String, region: String) throws(EndpointError) -> Endpoint {
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
        let authorityPart = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authorityPart.count)
        guard let authority = Authority(String(authorityPart)) else { throw invalid("has no valid host and port") }
        var host = authority.host
        if let port = authority.port, port != (scheme == "https" ? 443 : 80) { host += ":\(port)" }
        return Endpoint(
            region: region,
            origin: "\(scheme)://\(host)",
            host: host,
            path: path.isEmpty ? "/" : String(path)
        )
    }
}
