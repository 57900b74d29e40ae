import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("LocalEndpoint verifies the signature")
struct SignatureTests {
    static let temporary = AccessKey(identifier: "ASIAEXAMPLE", secret: "secret", sessionToken: "token")

    private static func endpoint() throws -> LocalEndpoint {
        try LocalEndpoint(accessKeys: [.any, temporary], autoCreate: true, clock: { TestRequest.now })
    }

    /// Signed with the temporary key.
    static let temporaryRequest = TestRequest.put((0, "a")).with("X-Amz-Security-Token", "token").with(
        .with {
            $0.key = temporary
            $0.signedHeaders.insert("x-amz-security-token", at: 3)
        }
    )

    @Test("computes what AWS publishes for its simplest case")
    func published() {
        // get-vanilla of AWS's test suite for Signature Version 4.
        let signature = SignatureV4.signature(
            method: "GET",
            target: "/",
            fields: [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")],
            signedHeaders: ["host", "x-amz-date"],
            body: [],
            date: "20150830T123600Z",
            scope: CredentialScope(date: "20150830", region: "us-east-1", service: "service"),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
        )
        #expect(signature == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
    }

    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var request: TestRequest
        var error = "InvalidSignatureException"
        /// How its message begins.
        var message: String
    }

    private static let mismatch = "The request signature we calculated does not match the signature you provided."
    private static let unknownKey = "The security token included in the request is invalid."

    /// A request that was changed after it was signed.
    private static func changed(_ description: String, _ change: (inout TestRequest) -> Void) -> Case {
        var request = TestRequest.put((0, "a"))
        request.authorization = request.signed
        change(&request)
        return Case(testDescription: description, request: request, message: mismatch)
    }

    private static func signing(
        _ description: String,
        _ message: String,
        error: String = "InvalidSignatureException",
        _ change: (inout TestRequest.Signing) -> Void
    ) -> Case {
        var request = TestRequest.put((0, "a"))
        change(&request.signing)
        return Case(testDescription: description, request: request, error: error, message: message)
    }

    @Test(
        "refuses a request that is not what was signed, by whom and for what it should be",
        arguments: [
            changed("another body") { $0.body[0] ^= 0x20 },
            changed("another operation") { $0 = $0.with("X-Amz-Target", "Logs_20140328.GetLogEvents") },
            changed("another host") { $0 = $0.with("Host", "localhost") },
            changed("a date a second later") { $0 = $0.with("X-Amz-Date", "20260101T000001Z") },
            changed("a header twice") { $0.headers.append(("Content-Type", "text/plain")) },
            signing("another secret", mismatch) { $0.key.secret = "Example" },
            signing("another region", "Credential should be scoped to a valid region, not 'us-east-2'. ") {
                $0.scope.region = "us-east-2"
            },
            signing("no region", "Credential should be scoped to a valid region, not ''. ") { $0.scope.region = "" },
            signing("another service", "Credential should be scoped to correct service: 'logs'. ") {
                $0.scope.service = "s3"
            },
            signing("another end", "Credential should be scoped with a valid terminator: 'aws4_request', not 'x'. ") {
                $0.scope.terminator = "x"
            },
            signing("another day", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date") {
                $0.scope.date = "20251231"
            },
            signing("an unsigned host", "'host' must be a 'SignedHeader' in the AWS Authorization.") {
                $0.signedHeaders = ["content-type", "x-amz-date", "x-amz-target"]
            },
            signing("an unsigned target", "'x-amz-target' must be a 'SignedHeader'") {
                $0.signedHeaders = ["content-type", "host", "x-amz-date"]
            },
            signing("signed headers out of order", "SignedHeaders is not sorted") {
                $0.signedHeaders = ["host", "content-type", "x-amz-date", "x-amz-target"]
            },
            signing("signed headers in upper case", "SignedHeaders is not sorted, or not in lower case") {
                $0.signedHeaders[0] = "Content-Type"
            },
            signing("a signed header that is missing", "'accept' is in SignedHeaders and not in the request.") {
                $0.signedHeaders.insert("accept", at: 0)
            },
            signing("an unknown key", unknownKey, error: "UnrecognizedClientException") { $0.key.identifier = "AKIA" },
            Case(
                testDescription: "a temporary key without its token",
                request: TestRequest.put((0, "a")).with(.with { $0.key = temporary }),
                error: "UnrecognizedClientException",
                message: unknownKey
            ),
            Case(
                testDescription: "a temporary key with another token",
                request: temporaryRequest.with("X-Amz-Security-Token", "other"),
                error: "UnrecognizedClientException",
                message: unknownKey
            ),
            Case(
                testDescription: "a time before the skew",
                request: TestRequest.put((0, "a")).with("X-Amz-Date", "20251231T235459Z")
                    .with(.with { $0.scope.date = "20251231" }),
                message: "Signature expired: 20251231T235459Z is now earlier than 20251231T235500Z"
            ),
            Case(
                testDescription: "a time after the skew",
                request: TestRequest.put((0, "a")).with("X-Amz-Date", "20260101T000501Z"),
                message: "Signature not yet current: 20260101T000501Z is still later than 20260101T000500Z"
            ),
        ]
    )
    func refuses(_ testCase: Case) throws {
        let endpoint = try Self.endpoint()
        let client = try RawClient(port: endpoint.port)
        let answer = try client.exchange(testCase.request)
        #expect(answer.status == 400)
        #expect(answer.errorType == testCase.error)
        let message = try #require(answer.json["message"] as? String)
        #expect(message.hasPrefix(testCase.message))
        #expect(endpoint.records.acceptedCount == 0)
        #expect(try client.exchange(.put((0, "a"))).status == 200)
    }

    @Test("takes a session token until it is declared expired, and other keys after that")
    func expires() throws {
        let endpoint = try Self.endpoint()
        let client = try RawClient(port: endpoint.port)
        #expect(try client.exchange(Self.temporaryRequest).status == 200)
        endpoint.expire(Self.temporary)
        let answer = try client.exchange(Self.temporaryRequest)
        #expect(answer.status == 400)
        #expect(answer.errorType == "ExpiredTokenException")
        #expect(answer.json["message"] as? String == "The security token included in the request is expired")
        #expect(try client.exchange(.put((0, "a"))).status == 200)
    }

    @Test("forbids an operation when told to, and only then")
    func denies() throws {
        let endpoint = try Self.endpoint()
        let client = try RawClient(port: endpoint.port)
        endpoint.deny([.putLogEvents])
        let answer = try client.exchange(.put((0, "a")))
        #expect(answer.status == 400)
        #expect(answer.errorType == "AccessDeniedException")
        let message = try #require(answer.json["message"] as? String)
        #expect(
            message.contains("is not authorized to perform: logs:PutLogEvents on resource: arn:aws:logs:us-east-1:")
        )
        #expect(try client.exchange(TestRequest("CreateLogGroup", ["logGroupName": "h"])).status == 200)
        endpoint.deny([])
        #expect(try client.exchange(.put((0, "a"))).status == 200)
        #expect(endpoint.records.acceptedCount == 1)
    }
}
