import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("Credentials of roles")
struct RoleCredentialsTests {
    /// A home directory, and STS and SSO on loopback.
    private struct Machine {
        let directory: TemporaryDirectory
        var variables: [String: String]

        init(_ server: TinyServer, config: String, files: [String: String] = [:]) throws {
            directory = try TemporaryDirectory()
            try directory.write(config, to: ".aws/config")
            try directory.write(
                "[base]\naws_access_key_id = BASE\naws_secret_access_key = hidden\n",
                to: ".aws/credentials"
            )
            for (name, text) in files { try directory.write(text, to: name) }
            variables = [
                "HOME": directory.path, "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "\(server.url)x",
                "AWS_EC2_METADATA_DISABLED": "true",
            ]
        }

        func resolve(at time: Int64 = 1_800_000_000) async throws -> CredentialsChain.Found {
            let chain = CredentialsChain(environment: ProcessEnvironment(variables))
            return try await onOwnThread { try chain.resolve(at: time) }
        }

        func failure(at time: Int64 = 1_800_000_000) async -> CredentialsError? {
            do {
                Issue.record("found \(try await resolve(at: time))")
                return nil
            } catch {
                return error as? CredentialsError
            }
        }
    }

    private static let role = "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n"

    @Test(
        "fail with what STS says, and whether it may pass",
        arguments: [
            (
                "403 No",
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no\u{7}</Message></Error></ErrorResponse>",
                false, "STS answers AccessDenied: no "
            ),
            (
                "403 No",
                "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Check it.\n\nThe Canonical String for this "
                    + "request should have been\n'POST\nx-amz-security-token:SECRET'</Message></Error></ErrorResponse>",
                false, "STS answers SignatureDoesNotMatch: Check it.  "
            ),
            (
                "400 No", "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>", true,
                "STS answers Throttling"
            ),
            ("400 No", "not xml", false, "STS answers status 400"), ("404 No", "", false, "STS answers status 404"),
            ("500 Oh", "", true, "STS answers status 500"), ("503 Oh", "<a/>", true, "STS answers status 503"),
            ("200 OK", "<html><body>Log in to the portal</body></html>", true, "the answer of STS has no Expiration"),
            ("200 OK", "<a><Credentials><Expiration>x</Expiration></Credentials></a>", true, "no time"),
            ("200 OK", "<AssumeRoleResponse><Credentials><AccessKeyId>A", true, "the answer of STS has no Expiration"),
            ("200 OK", String(repeating: "x", count: 70_000), true, "larger than 65536 bytes"),
        ]
    )
    func refusals(_ status: String, _ body: String, _ isPassing: Bool, _ reason: String) async throws {
        let server = try TinyServer { _, connection in connection.answer(status, body) }
        let error = try await Machine(server, config: Self.role).failure()
        #expect(error?.isPassing == isPassing)
        #expect(error?.description.contains("SECRET") == false)
        #expect(
            error?.description.contains("arn:aws:iam::1:role/r of profile [default]") == true
                && error?.description.contains(reason) == true,
            "\(String(describing: error))"
        )
    }

    @Test("are not to be had at the moment where STS does not answer")
    func noAnswer() async throws {
        let server = try TinyServer { _, connection in connection.close() }
        #expect(try await Machine(server, config: Self.role).failure()?.isPassing == true)
    }

    @Test("need nobody who types a code")
    func code() async throws {
        let server = try FakeAWS.start()
        let machine = try Machine(server, config: Self.role + "mfa_serial = arn:aws:iam::1:mfa/me\n")
        let error = await machine.failure()
        #expect(error?.description.contains("mfa_serial asks for a code that only a person can type") == true)
        #expect(server.requests.isEmpty)
    }

    @Test("tell a circle by its profiles")
    func circle() async throws {
        let server = try FakeAWS.start()
        let config =
            "[default]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = c\n"
            + "[profile c]\nrole_arn = r\nsource_profile = b\n"
        #expect(
            try await Machine(server, config: config).failure()
                == .unusable(
                    source: "profile [c]",
                    reason: "its source_profile leads back to itself: [default] → [b] → [c] → [b]"
                )
        )
    }

    @Test("are signed for STS by the keys of the source, with the time of the caller")
    func signature() async throws {
        let server = try FakeAWS.start()
        var machine = try Machine(server, config: Self.role)
        machine.variables["AWS_ENDPOINT_URL_STS"] = "\(server.url)sts"
        let found = try await machine.resolve(at: 1_440_938_160)
        #expect(found.description == "assumed role (arn:aws:iam::1:role/r of profile [default])")
        #expect(found.credentials.sessionToken == "session<1>")
        let request = try #require(server.requests.first)
        #expect(FakeAWS.field("X-Amz-Date", of: request) == "20150830T123600Z")
        #expect(
            FakeAWS.field("Authorization", of: request)?.hasPrefix(
                "AWS4-HMAC-SHA256 Credential=BASE/20150830/eu-central-1/sts/aws4_request, "
                    + "SignedHeaders=content-type;host;x-amz-date, Signature="
            ) == true
        )
        let body = String(decoding: request.body, as: UTF8.self)
        #expect(
            body
                == "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
                + "&RoleSessionName=botocore-session-1440938160"
        )
    }

    @Test(
        "come from the STS of the region, or from the one for all where that is wanted",
        arguments: [
            ("eu-central-1", nil, "https://sts.eu-central-1.amazonaws.com/", "eu-central-1"),
            ("eu-central-1", "legacy", "https://sts.amazonaws.com/", "us-east-1"),
            ("eu-central-1", "regional", "https://sts.eu-central-1.amazonaws.com/", "eu-central-1"),
            ("me-south-1", "legacy", "https://sts.me-south-1.amazonaws.com/", "me-south-1"),
            ("cn-north-1", "legacy", "https://sts.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
            ("us-gov-west-1", nil, "https://sts.us-gov-west-1.amazonaws.com/", "us-gov-west-1"),
            ("fips-us-east-1", "legacy", "https://sts-fips.us-east-1.amazonaws.com/", "us-east-1"),
        ] as [(String, String?, String, String)]
    )
    func endpoints(_ region: String, _ setting: String?, _ url: String, _ signingRegion: String) throws {
        var variables = ["AWS_REGION": region]
        variables["AWS_STS_REGIONAL_ENDPOINTS"] = setting
        let environment = ProcessEnvironment(variables)
        let context = LookupContext(environment: environment, requests: CredentialsRequests())
        let endpoint = try SecurityTokenService(context: context).endpoint("test")
        #expect(endpoint.url == url)
        #expect(endpoint.region == signingRegion)
    }

    private static let session = """
        [default]
        sso_session = corp
        sso_account_id = 1
        sso_role_name = r
        [sso-session corp]
        sso_region = eu-west-1
        sso_start_url = https://d
        """
    private static let tokenPath = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json"

    @Test("by SSO leave a renewed token to the other tools, in a file for its owner alone")
    func renewedToken() async throws {
        let server = try FakeAWS.start()
        let cached = """
            {"accessToken": "old", "expiresAt": "2027-01-15T08:05:00Z", "clientId": "c", "clientSecret": "s\\"",
            "registrationExpiresAt": "2030-01-01T00:00:00Z", "refreshToken": "again", "region": "x", "startUrl": "y"}
            """
        var machine = try Machine(server, config: Self.session, files: [Self.tokenPath: cached])
        machine.variables["AWS_ENDPOINT_URL_SSO"] = "\(server.url)sso"
        machine.variables["AWS_ENDPOINT_URL_SSO_OIDC"] = "\(server.url)oidc"
        // Five minutes to go.
        let found = try await machine.resolve(at: 1_800_000_000)
        #expect(found.credentials.accessKeyID == "SSO|r|1|renewed-by-again")
        #expect(found.place == "role r in account 1 by the token of corp")
        let path = machine.directory.file(Self.tokenPath)
        let written = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path))) as? [String: String]
        #expect(
            written == [
                "accessToken": "renewed-by-again", "expiresAt": "2027-01-15T16:00:00Z", "clientId": "c",
                "clientSecret": "s\"", "registrationExpiresAt": "2030-01-01T00:00:00Z", "refreshToken": "next",
                "region": "eu-west-1", "startUrl": "https://d",
            ]
        )
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: machine.directory.file(".aws/sso/cache")).count == 1
        )
        // The new one is good for eight hours: nothing is renewed now.
        _ = try await machine.resolve(at: 1_800_000_000)
        #expect(server.requests.filter { $0.head.hasPrefix("POST /oidc/token") }.count == 1)
    }

    @Test(
        "by SSO say who has to log in",
        arguments: [
            (nil, "nobody has logged in"), ("[]", "is no JSON object"), ("{\"accessToken\": \"a\"}", "holds no token"),
            ("{\"accessToken\": \"a\", \"expiresAt\": 1}", "holds no token"), ("{\"acc", "is no JSON object"),
            ("{\"accessToken\": \"a\", \"expiresAt\": \"2020-01-01T00:00:00Z\"}", "the login has ended"),
            ("{\"accessToken\": \"revoked\", \"expiresAt\": \"2090-01-01T00:00:00Z\"}", "does not take the token"),
        ] as [(String?, String)]
    )
    func login(_ file: String?, _ reason: String) async throws {
        let server = try FakeAWS.start()
        var machine = try Machine(server, config: Self.session, files: file.map { [Self.tokenPath: $0] } ?? [:])
        machine.variables["AWS_ENDPOINT_URL_SSO"] = "\(server.url)sso"
        let error = await machine.failure()
        #expect(error?.isPassing == false)
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
        #expect(error?.description.hasSuffix("run `aws sso login --profile default`") == true)
    }

    @Test(
        "by SSO fail with what the service says",
        arguments: [
            ("403 No", #"{"message":"No access"}"#, false, "the service answers 403: No access"),
            ("500 Oh", "", true, "the service answers 500"), ("429 Slow", "", true, "the service answers 429"),
            ("200 OK", "{}", true, "has not all of the credentials"),
            ("200 OK", #"{"roleCredentials":{"accessKeyId":"A"}}"#, true, "has not all of the credentials"),
        ]
    )
    func service(_ status: String, _ body: String, _ isPassing: Bool, _ reason: String) async throws {
        let server = try TinyServer { _, connection in connection.answer(status, body) }
        let token = #"{"accessToken": "a", "expiresAt": "2090-01-01T00:00:00Z"}"#
        let error = try await Machine(server, config: Self.session, files: [Self.tokenPath: token]).failure()
        #expect(error?.isPassing == isPassing)
        #expect(error?.description.contains("SECRET") == false)
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }
}
