import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("LocalEndpoint demands the headers of AWS")
struct RequestChecksTests {
    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var header: String
        var value: String?
        var error: String

        init(_ description: String, _ header: String, _ value: String?, _ error: String) {
            (testDescription, self.header, self.value, self.error) = (description, header, value, error)
        }
    }

    static let incomplete = "IncompleteSignatureException"
    static let invalid = "InvalidSignatureException"
    static let unknown = "UnknownOperationException"

    @Test(
        "refuses a request with one thing wrong",
        arguments: [
            Case("no target", "X-Amz-Target", nil, unknown),
            Case("another service's target", "X-Amz-Target", "DynamoDB_20120810.PutItem", unknown),
            Case("an unknown operation", "X-Amz-Target", "Logs_20140328.PutLogEvent", unknown),
            Case("no content type", "Content-Type", nil, unknown),
            Case("JSON 1.0", "Content-Type", "application/x-amz-json-1.0", unknown),
            Case("an unknown coding", "Content-Encoding", "br", "SerializationException"),
            Case("gzip that is none", "Content-Encoding", "gzip", "SerializationException"),
            Case("no signature", "Authorization", nil, "MissingAuthenticationTokenException"),
            Case("no date", "X-Amz-Date", nil, incomplete),
            Case("a date of another format", "X-Amz-Date", "20260101T000000", incomplete),
            Case("a day that does not exist", "X-Amz-Date", "20260101T000060Z", incomplete),
            Case("a date before the skew", "X-Amz-Date", "20251231T235459Z", invalid),
            Case("a date after the skew", "X-Amz-Date", "20260101T000501Z", invalid),
            Case("SigV2", "Authorization", "AWS AKIDEXAMPLE:c2ln", incomplete),
            Case(
                "another algorithm",
                "Authorization",
                TestRequest.authorization(algorithm: "AWS4-HMAC-SHA1"),
                incomplete
            ),
            Case("a short signature", "Authorization", TestRequest.authorization(signature: "0a"), incomplete),
            Case(
                "a signature in upper case",
                "Authorization",
                TestRequest.authorization(signature: String(repeating: "0A", count: 32)),
                incomplete
            ),
            Case("a signature twice", "Authorization", TestRequest.authorization() + ", Signature=0", incomplete),
            Case("a parameter too many", "Authorization", TestRequest.authorization() + ", Other=0", incomplete),
            Case(
                "no signed headers",
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=a/20260101/r/logs/aws4_request, Signature=0",
                incomplete
            ),
            Case(
                "a scope without region",
                "Authorization",
                TestRequest.authorization(scope: "A/20260101//logs/aws4_request"),
                invalid
            ),
            Case(
                "a scope of four parts",
                "Authorization",
                TestRequest.authorization(scope: "A/20260101/logs/aws4_request"),
                incomplete
            ),
            Case(
                "a scope of another day",
                "Authorization",
                TestRequest.authorization(scope: "A/20251231/r/logs/aws4_request"),
                invalid
            ),
            Case(
                "a scope of another service",
                "Authorization",
                TestRequest.authorization(scope: "A/20260101/r/s3/aws4_request"),
                invalid
            ),
            Case(
                "a scope of another end",
                "Authorization",
                TestRequest.authorization(scope: "A/20260101/r/logs/aws5"),
                invalid
            ),
            Case(
                "an unsigned host",
                "Authorization",
                TestRequest.authorization(signedHeaders: "content-type;x-amz-date;x-amz-target"),
                invalid
            ),
            Case(
                "an unsigned target",
                "Authorization",
                TestRequest.authorization(signedHeaders: "content-type;host;x-amz-date"),
                invalid
            ),
            Case("an unsigned token", "X-Amz-Security-Token", "token", invalid),
            Case(
                "signed headers out of order",
                "Authorization",
                TestRequest.authorization(signedHeaders: "host;content-type;x-amz-date;x-amz-target"),
                invalid
            ),
            Case(
                "signed headers in upper case",
                "Authorization",
                TestRequest.authorization(signedHeaders: "Content-Type;host;x-amz-date;x-amz-target"),
                invalid
            ),
            Case(
                "a signed header that is missing",
                "Authorization",
                TestRequest.authorization(signedHeaders: "accept;host;x-amz-date;x-amz-target"),
                invalid
            ),
        ]
    )
    func refuses(_ testCase: Case) throws {
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        let client = try RawClient(port: endpoint.port)
        let answer = try client.exchange(.put((0, "a")).with(testCase.header, testCase.value))
        #expect(answer.errorType == testCase.error)
        #expect(answer.headers["x-amzn-errortype"] == testCase.error)
        #expect(answer.headers["x-amzn-requestid"]?.isEmpty == false)
        #expect(endpoint.records.acceptedCount == 0)
        #expect(try client.exchange(.put((0, "a"))).status == 200, "the connection goes on")
    }

    @Test(
        "takes what differs only in form",
        arguments: [
            ("Authorization", TestRequest.authorization().replacing(", ", with: ",")),
            ("X-Amz-Date", "20251231T235500Z"), ("X-Amz-Date", "20260101T000500Z"), ("Content-Encoding", "identity"),
        ]
    )
    func takes(header: String, value: String) throws {
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        var request = TestRequest.put((0, "a")).with(header, value)
        if value.hasPrefix("20251231") {
            let scope = "A/20251231/r/logs/aws4_request"
            request = request.with("Authorization", TestRequest.authorization(scope: scope))
        }
        #expect(try RawClient(port: endpoint.port).exchange(request).status == 200)
    }

    @Test("tells the time of its own clock")
    func tellsTime() throws {
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        let answer = try RawClient(port: endpoint.port).exchange(.put((0, "a")))
        #expect(answer.headers["date"] == "Thu, 01 Jan 2026 00:00:00 GMT")
    }
}
