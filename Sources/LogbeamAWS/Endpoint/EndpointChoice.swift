/// A region and an endpoint, and what named them.
package struct EndpointChoice: Sendable, Equatable {
    package var endpoint: Endpoint
    /// As a person would look for it: `AWS_REGION`, `profile [default]`.
    package var regionSource: String
    /// `nil` for the service's own host in the region.
    package var urlSource: String?

    package init(endpoint: Endpoint, regionSource: String, urlSource: String? = nil) {
        self.endpoint = endpoint
        self.regionSource = regionSource
        self.urlSource = urlSource
    }
}

extension EndpointChoice {
    /// What a program's own configuration says, which goes before all else.
    package struct Given: Sendable, Equatable {
        package var region: String?
        package var url: String?

        package init(region: String? = nil, url: String? = nil) {
            self.region = region
            self.url = url
        }
    }

    /// Finds the region and the endpoint as the AWS tools do. Pure but for `instanceRegion`.
    ///
    /// Region: the given one, `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's `region`, the region of the instance.
    /// Endpoint: the given URL, `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL`, the `endpoint_url` for the service in the
    /// profile's `services` section, the profile's `endpoint_url`; else the host of the service in the region, as
    /// `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` want it, by HTTPS. An endpoint that was configured overrides
    /// these two, and `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` overrides any but the given one. Each of the three can stand in
    /// the profile too. A region with `fips-` or `-fips` is the one without, and wants FIPS whatever else is said.
    ///
    /// - Parameter instanceRegion: the region of the machine, asked for only if nothing else names one.
    package static func resolve(
        _ service: AWSService,
        given: Given = Given(),
        environment: ProcessEnvironment,
        profiles: Profiles? = nil,
        instanceRegion: () throws(EndpointError) -> (region: String, source: String) = { () throws(EndpointError) in
            throw .noRegion("AWS_REGION is not set")
        }
    ) throws(EndpointError) -> EndpointChoice {
        let settings = Settings(service: service, given: given, environment: environment, profiles: profiles)
        let (named, regionSource) = if let region = settings.region() { region } else { try instanceRegion() }
        // As botocore reads `fips-us-east-1` and `us-gov-west-1-fips` (`_normalize_fips_region` of its client.py).
        let region = named.replacing("fips-", with: "").replacing("-fips", with: "")
        guard Endpoint.isHostLabel(region) else { throw .invalidRegion(named, source: regionSource) }
        if let (url, source) = try settings.url() {
            let endpoint = try Endpoint.parse(url, source: source, region: region)
            return EndpointChoice(endpoint: endpoint, regionSource: regionSource, urlSource: source)
        }
        let host = service.host(
            in: region,
            fips: region != named || settings.isTrue("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            dualStack: settings.isTrue("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")
        )
        let endpoint = Endpoint(region: region, origin: "https://\(host)", host: host, path: "/")
        return EndpointChoice(endpoint: endpoint, regionSource: regionSource)
    }
}

/// What the program, the environment and the profile say.
private struct Settings {
    let service: AWSService
    let given: EndpointChoice.Given
    let environment: ProcessEnvironment
    let profiles: Profiles?

    private var profile: INISection? { profiles?.selected }
    private var profileName: String { "profile [\(profiles?.name ?? "")]" }

    func region() -> (String, String)? {
        if let region = given.region { return (region, "the configuration") }
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if let region = environment[variable] { return (region, variable) }
        }
        return profile?["region"].map { ($0, "region of \(profileName)") }
    }

    func url() throws(EndpointError) -> (String, String)? {
        if let url = given.url { return (url, "the endpoint URL") }
        if isTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls") { return nil }
        for variable in ["AWS_ENDPOINT_URL_\(service.environmentID)", "AWS_ENDPOINT_URL"] {
            if let url = environment[variable] { return (url, variable) }
        }
        if let name = profile?["services"] {
            guard let section = profiles?.services[name] else {
                throw .invalidProfile("\(profileName) names the section [services \(name)], which is not in the file")
            }
            if let url = section[nested: service.environmentID.asciiLowercased]?["endpoint_url"] {
                return (url, "endpoint_url of [services \(name)]")
            }
        }
        return profile?["endpoint_url"].map { ($0, "endpoint_url of \(profileName)") }
    }

    /// A variable that is set overrides the profile, whatever it says.
    func isTrue(_ variable: String, _ setting: String) -> Bool {
        environment[variable] == nil
            ? profile?[setting]?.asciiLowercased == "true" : environment.isTrue(variable)
    }
}

extension AWSService {
    /// The service's own host in a region, by the rules that botocore has for CloudWatch Logs and STS.
    fileprivate func host(in region: String, fips: Bool, dualStack: Bool) -> String {
        let partition = AWSPartition.of(region: region)
        // The plain hosts of the GovCloud regions are FIPS endpoints already, and there are no others.
        let isPlainHostFIPS = region.hasPrefix("us-gov-") && !dualStack
        let label = endpointPrefix + (fips && !isPlainHostFIPS ? "-fips" : "")
        return "\(label).\(region).\(dualStack ? partition.dualStackDomain : partition.domain)"
    }
}

extension Endpoint {
    /// A label of a host name (RFC 1123): the region becomes one, so nothing else may come in with it.
    package static func isHostLabel(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count) && !text.hasPrefix("-") && !text.hasSuffix("-")
            && text.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }
    }
}
