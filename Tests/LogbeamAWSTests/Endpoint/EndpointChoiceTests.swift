import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("The choice of region and endpoint")
struct EndpointChoiceTests {
    private static let logs = AWSService(endpointPrefix: "logs", environmentID: "CLOUDWATCH_LOGS")

    /// A config file with all that a profile can say.
    private static let config = """
        [default]
        region = r-default
        [profile all]
        region = r-profile
        endpoint_url = https://profile
        services = mine
        use_fips_endpoint = true
        [profile plain]
        endpoint_url = https://profile
        ignore_configured_endpoint_urls = True
        use_dualstack_endpoint = true
        [profile lost]
        services = nowhere
        [profile other]
        services = others
        endpoint_url = https://profile
        [services mine]
        cloudwatch_logs =
            endpoint_url = https://service-section
        logs =
            endpoint_url = https://not-a-name
        [services others]
        s3 =
            endpoint_url = https://s3
        """

    private let directory: TemporaryDirectory
    private let files: [String: String]

    init() throws {
        directory = try TemporaryDirectory()
        files = [
            "AWS_CONFIG_FILE": try directory.write(Self.config, to: "config"),
            "AWS_SHARED_CREDENTIALS_FILE": directory.file("none"),
        ]
    }

    private func resolve(
        _ variables: [String: String] = [:],
        profile: String? = nil,
        given: EndpointChoice.Given = .init()
    ) throws -> EndpointChoice {
        let environment = ProcessEnvironment(files.merging(variables) { $1 })
        return try EndpointChoice.resolve(
            Self.logs,
            given: given,
            environment: environment,
            profiles: Profiles(environment: environment, chosen: profile),
            instanceRegion: { () throws(EndpointError) in ("r-instance", "the instance") }
        )
    }

    @Test("takes the region from the nearest place, and says which")
    func region() throws {
        var variables = ["AWS_PROFILE": "plain"]
        func expect(_ region: String, from source: String, given: String? = nil) throws {
            let choice = try resolve(variables, given: .init(region: given))
            #expect(choice.endpoint.region == region)
            #expect(choice.regionSource == source)
        }
        try expect("r-instance", from: "the instance")
        variables["AWS_PROFILE"] = "all"
        try expect("r-profile", from: "region of profile [all]")
        variables["AWS_PROFILE"] = nil
        try expect("r-default", from: "region of profile [default]")
        variables["AWS_DEFAULT_REGION"] = "r-old"
        try expect("r-old", from: "AWS_DEFAULT_REGION")
        variables["AWS_REGION"] = ""
        try expect("r-old", from: "AWS_DEFAULT_REGION")
        variables["AWS_REGION"] = "r-new"
        try expect("r-new", from: "AWS_REGION")
        try expect("r-given", from: "the configuration", given: "r-given")
    }

    @Test("takes the endpoint from the nearest place, and says which")
    func endpoint() throws {
        var variables = ["AWS_PROFILE": "other", "AWS_REGION": "r", "AWS_ENDPOINT_URL_LOGS": "https://not-a-name"]
        func expect(_ host: String, from source: String?, given: String? = nil) throws {
            let choice = try resolve(variables, given: .init(url: given))
            #expect(choice.endpoint.host == host)
            #expect(choice.urlSource == source)
        }
        try expect("profile", from: "endpoint_url of profile [other]")
        variables["AWS_PROFILE"] = "all"
        try expect("service-section", from: "endpoint_url of [services mine]")
        variables["AWS_ENDPOINT_URL"] = "https://general"
        try expect("general", from: "AWS_ENDPOINT_URL")
        variables["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"] = "https://service"
        try expect("service", from: "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS")
        try expect("given", from: "the endpoint URL", given: "https://given")
        variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "TRUE"
        // No configured endpoint is left to override the profile's use_fips_endpoint.
        try expect("logs-fips.r.amazonaws.com", from: nil)
        try expect("given", from: "the endpoint URL", given: "https://given")
    }

    @Test(
        "lets the environment overrule the profile about FIPS, dual-stack and configured endpoints, in both directions"
    )
    func flags() throws {
        func host(_ variables: [String: String], profile: String) throws -> String {
            try resolve(variables.merging(["AWS_REGION": "r"]) { $1 }, profile: profile).endpoint.host
        }
        #expect(try host([:], profile: "plain") == "logs.r.api.aws")
        #expect(try host(["AWS_USE_DUALSTACK_ENDPOINT": "false"], profile: "plain") == "logs.r.amazonaws.com")
        #expect(try host(["AWS_USE_FIPS_ENDPOINT": "true"], profile: "plain") == "logs-fips.r.api.aws")
        #expect(try host(["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"], profile: "plain") == "profile")
        let withoutURLs = ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"]
        #expect(try host(withoutURLs, profile: "all") == "logs-fips.r.amazonaws.com")
        let neither = withoutURLs.merging(["AWS_USE_FIPS_ENDPOINT": "0"]) { $1 }
        #expect(try host(neither, profile: "all") == "logs.r.amazonaws.com")
    }

    @Test("says so if a profile names a services section that is not there")
    func missingSection() {
        let error = #expect(throws: EndpointError.self) { try resolve(["AWS_REGION": "r"], profile: "lost") }
        #expect(
            error?.description
                == "profile [lost] names the section [services nowhere], which is not in the file"
        )
        #expect(throws: Never.self) {
            try resolve(["AWS_REGION": "r", "AWS_ENDPOINT_URL": "https://h"], profile: "lost")
        }
    }

    @Test("has no region where nothing names one, and says what to do")
    func noRegion() {
        let error = #expect(throws: EndpointError.self) {
            try EndpointChoice.resolve(Self.logs, environment: ProcessEnvironment([:]))
        }
        #expect(error?.isMissingRegion == true)
        #expect(error?.description.contains("set AWS_REGION") == true)
    }
}
