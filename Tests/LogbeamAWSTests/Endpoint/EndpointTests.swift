import Testing

@testable import LogbeamAWS

@Suite("Endpoint")
struct EndpointTests {
    private static let logs = AWSService(endpointPrefix: "logs", environmentID: "CLOUDWATCH_LOGS")

    private func resolve(
        region: String? = nil,
        url: String? = nil,
        _ variables: [String: String] = [:]
    ) throws(EndpointError) -> Endpoint {
        try EndpointChoice.resolve(
            Self.logs,
            given: .init(region: region, url: url),
            environment: ProcessEnvironment(variables)
        ).endpoint
    }

    @Test(
        "refuses a region that would change the host",
        arguments: [
            "", "fips-", "-a", "a-", "a.b", "a/b", "a@b", "a b", "eu-central-1\r\n", "é", "a#", "..",
            String(repeating: "a", count: 64),
        ]
    )
    func invalidRegion(_ region: String) {
        let expected = EndpointError.invalidRegion(region, source: "the configuration")
        #expect(throws: expected) { try resolve(region: region) }
        #expect(expected.description.contains("\n") == false)
    }

    @Test(
        "finds the host of every partition",
        arguments: [
            ("eu-central-1", false, false, "logs.eu-central-1.amazonaws.com"),
            ("eu-central-1", true, false, "logs-fips.eu-central-1.amazonaws.com"),
            ("eu-central-1", false, true, "logs.eu-central-1.api.aws"),
            ("eu-central-1", true, true, "logs-fips.eu-central-1.api.aws"),
            ("cn-north-1", false, false, "logs.cn-north-1.amazonaws.com.cn"),
            ("cn-north-1", false, true, "logs.cn-north-1.api.amazonwebservices.com.cn"),
            ("us-gov-west-1", false, false, "logs.us-gov-west-1.amazonaws.com"),
            ("us-gov-west-1", true, false, "logs.us-gov-west-1.amazonaws.com"),
            ("us-gov-east-1", true, false, "logs.us-gov-east-1.amazonaws.com"),
            ("aws-cn-global", false, false, "logs.aws-cn-global.amazonaws.com.cn"),
            ("us-gov-west-1", true, true, "logs-fips.us-gov-west-1.api.aws"),
            ("us-iso-east-1", false, false, "logs.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", false, false, "logs.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", false, false, "logs.eusc-de-east-1.amazonaws.eu"),
            ("of-the-future-9", false, false, "logs.of-the-future-9.amazonaws.com"),
        ]
    )
    func defaultHost(_ region: String, fips: Bool, dualStack: Bool, _ expected: String) throws {
        let endpoint = try resolve(
            region: region,
            ["AWS_USE_FIPS_ENDPOINT": "\(fips)", "AWS_USE_DUALSTACK_ENDPOINT": "\(dualStack)"]
        )
        #expect(endpoint == Endpoint(region: region, origin: "https://\(expected)", host: expected, path: "/"))
    }

    @Test(
        "takes fips- and -fips in a region for FIPS in the region without it, whatever the variables say",
        arguments: [
            ("fips-us-east-1", false, "us-east-1", "logs-fips.us-east-1.amazonaws.com"),
            ("us-east-1-fips", false, "us-east-1", "logs-fips.us-east-1.amazonaws.com"),
            ("fips-us-east-1", true, "us-east-1", "logs-fips.us-east-1.api.aws"),
            ("us-gov-west-1-fips", false, "us-gov-west-1", "logs.us-gov-west-1.amazonaws.com"),
            ("fips-cn-north-1", false, "cn-north-1", "logs-fips.cn-north-1.amazonaws.com.cn"),
        ]
    )
    func pseudoRegion(_ region: String, dualStack: Bool, _ real: String, _ host: String) throws {
        let variables = ["AWS_USE_FIPS_ENDPOINT": "false", "AWS_USE_DUALSTACK_ENDPOINT": "\(dualStack)"]
        let endpoint = try resolve(region: region, variables)
        #expect(endpoint == Endpoint(region: real, origin: "https://\(host)", host: host, path: "/"))
        #expect(try resolve(region: region, url: "https://h").region == real)
    }

    @Test(
        "takes a URL apart as the Host field needs it",
        arguments: [
            ("http://localhost:4566", "http://localhost:4566", "localhost:4566", "/"),
            ("http://127.0.0.1:80/", "http://127.0.0.1", "127.0.0.1", "/"),
            ("https://h:443/a/b", "https://h", "h", "/a/b"),
            ("https://h:80", "https://h:80", "h:80", "/"),
            (
                "HTTPS://vpce-1.logs.eu-central-1.vpce.amazonaws.com",
                "https://vpce-1.logs.eu-central-1.vpce.amazonaws.com",
                "vpce-1.logs.eu-central-1.vpce.amazonaws.com", "/"
            ),
            ("http://[::1]:8080/x", "http://[::1]:8080", "[::1]:8080", "/x"),
        ]
    )
    func url(_ url: String, _ origin: String, _ host: String, _ path: String) throws {
        #expect(
            try resolve(region: "r", url: url) == Endpoint(region: "r", origin: origin, host: host, path: path)
        )
    }

    @Test(
        "refuses what is no endpoint, and shows no password of it",
        arguments: [
            "", "localhost:4566", "ftp://h", "https://", "https:///path", "https://h:0", "https://h:65536",
            "https://h:",
            "https://h:+1", "https://h:1x", "https://user:hidden@h", "https://h?hidden", "https://h#f", "https://h h",
            "https://h\r\nX: y", "https://[::1", "https://[::1]x", "https://[zz]", "https://é", "https://a%2eb",
            "file:///etc/passwd",
        ]
    )
    func invalidURL(_ url: String) {
        let error = #expect(throws: EndpointError.self) { try resolve(region: "r", url: url) }
        #expect(error?.description.hasPrefix("the endpoint URL is ") == true)
        #expect(error?.description.contains("user:hidden") == false)
        #expect(error?.description.contains("\n") == false)
    }
}
