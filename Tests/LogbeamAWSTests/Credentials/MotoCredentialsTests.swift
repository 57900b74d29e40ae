import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

/// moto plays STS and the instance metadata service: nothing of what answers here was written by us.
@Suite("Credentials from moto")
struct MotoCredentialsTests {
    private func resolve(_ variables: [String: String]) async throws -> CredentialsChain.Found {
        let now = Int64(Date().timeIntervalSince1970)
        let chain = CredentialsChain(environment: ProcessEnvironment(variables))
        return try await onOwnThread { try chain.resolve(at: now) }
    }

    @Test("are those of a role, for a request whose signature it verifies, and none for a wrong one")
    func assumedRole() async throws {
        let moto = try await onOwnThread { try MotoServer(authentication: true, allowing: ["sts:AssumeRole"]) }
        let directory = try TemporaryDirectory()
        try directory.write(
            "[default]\nrole_arn = arn:aws:iam::123456789012:role/r+s\nsource_profile = base\n"
                + "external_id = a:b@c,d=/e\nrole_session_name = me@here\n[profile wrong]\n"
                + "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = other\n",
            to: ".aws/config"
        )
        try directory.write(
            "[base]\naws_access_key_id = \(moto.accessKey.identifier)\naws_secret_access_key = \(moto.accessKey.secret)\n"
                + "[other]\naws_access_key_id = \(moto.accessKey.identifier)\naws_secret_access_key = other\n",
            to: ".aws/credentials"
        )
        var variables = ["HOME": directory.path, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_STS": moto.url]
        let found = try await resolve(variables)
        #expect(found.credentials.accessKeyID.hasPrefix("ASIA"))
        #expect(found.credentials.sessionToken?.isEmpty == false)
        #expect((found.credentials.expiration ?? 0) > Int64(Date().timeIntervalSince1970) + 3_000)
        variables["AWS_PROFILE"] = "wrong"
        do {
            Issue.record("found \(try await resolve(variables))")
        } catch {
            #expect("\(error)".contains("STS answers SignatureDoesNotMatch"))
        }
    }

    @Test("are those of a web identity, and of an instance")
    func withoutKeys() async throws {
        let moto = try await onOwnThread { try MotoServer() }
        let directory = try TemporaryDirectory()
        let web = try await resolve([
            "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": moto.url,
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/web",
            "AWS_WEB_IDENTITY_TOKEN_FILE": try directory.write("header.payload.signature", to: "token"),
        ])
        #expect(web.source == "web identity")
        #expect(web.credentials.accessKeyID.hasPrefix("ASIA"))
        let instance = try await resolve([
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": moto.url, "AWS_METADATA_SERVICE_TIMEOUT": "60",
        ])
        #expect(instance.source == "instance metadata")
        #expect(instance.credentials.accessKeyID == "test-key")
        #expect(instance.credentials.sessionToken == "test-session-token")
    }
}
