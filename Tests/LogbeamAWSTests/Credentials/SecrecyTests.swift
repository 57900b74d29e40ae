import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("Secrets")
struct SecrecyTests {
    /// All the ways in which a value gets printed.
    private func printed(_ value: Any) -> [String] {
        var dumped = ""
        dump(value, to: &dumped)
        var inside = ""
        dump(["in": Optional(value)], to: &inside)
        return ["\(value)", String(reflecting: value), String(describing: value), "\([value])", dumped, inside]
    }

    @Test("are in nothing that is printed, whatever of ours it is that somebody prints")
    func printing() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            "[default]\naws_secret_access_key = hidden\nnested =\n  x = hidden\n[services s]\nx = hidden\n",
            to: ".aws/config"
        )
        try directory.write("[default]\naws_session_token = hidden\n", to: ".aws/credentials")
        let environment = ProcessEnvironment(["HOME": directory.path, "AWS_SECRET_ACCESS_KEY": "hidden"])
        let profiles = try Profiles(environment: environment)
        #expect(profiles.config.path == file)
        let credentials = Credentials(
            accessKeyID: "AKID",
            secretAccessKey: "hidden",
            sessionToken: "hidden",
            expiration: 1
        )
        let found = CredentialsChain.Found(credentials: credentials, source: "s", place: "p")
        let context = LookupContext(environment: environment, requests: CredentialsRequests())
        let chain = CredentialsChain(environment: environment)
        let headers = [
            HTTPHeader("Authorization", "hidden"), HTTPHeader("X-Amz-Security-Token", "hidden"),
            HTTPHeader("x-amz-sso_bearer_token", "hidden"), HTTPHeader("X-aws-ec2-metadata-token", "hidden"),
        ]
        let body = Array("hidden".utf8)
        let request = HTTPRequest(method: .post, url: "http://h", headers: headers, body: body)
        let text = try #require(XMLText(Array("<a>hidden</a>".utf8)))
        let values: [Any] = [
            credentials, found, CredentialsLookup.found(credentials, place: "p"), environment, profiles,
            profiles.config,
            try #require(profiles.selected), context, chain, ContainerCredentials(context: context), headers[0],
            request,
            HTTPResponse(status: 200, headers: headers, body: body), text,
            ProxyRules(environment: ProcessEnvironment(["https_proxy": "http://me:hidden@h:1"])),
            Result<Credentials, CredentialsError>.success(credentials),
            CredentialsCache(looking: { _ in found }),
        ]
        for value in values {
            for text in printed(value) {
                #expect(!text.contains("hidden"), "\(type(of: value))")
                // Nor the bytes of a body, one by one.
                #expect(!text.contains("104, 105, 100"), "\(type(of: value))")
            }
        }
    }
}
