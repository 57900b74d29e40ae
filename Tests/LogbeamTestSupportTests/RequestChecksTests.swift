import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("LocalEndpoint demands the headers of AWS")
struct RequestChecksTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var request: TestRequest
        var error: String

        init(_ description: String, _ header: String, _ value: String?, _ error: String) {
            testDescription = description
            request = TestRequest.put((0, "a")).with(header, value)
            self.error = error
        }

        init(_ description: String, _ error: String, signing change: (inout TestRequest.Signing) -> Void) {
            self.init(description, "Accept", nil, error)
            change(&request.signing)
        }
    }

    static let incomplete = "IncompleteSignatureException"
    static let invalid = "InvalidSignatureException"
    static let unknown = "UnknownOperationException"
    private static let signed = TestRequest.put((0, "a")).signed

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
            Case("SigV2", "Authorization", "AWS AKIDEXAMPLE:c2ln", incomplete),
            Case("another algorithm", incomplete) { $0.algorithm = "AWS4-HMAC-SHA1" },
            Case("a short signature", "Authorization", String(signed.dropLast()), incomplete),
            Case("a signature in upper case", "Authorization", String(signed.dropLast()) + "A", incomplete),
            Case("a signature twice", "Authorization", signed + ", Signature=0", incomplete),
            Case("a parameter too many", "Authorization", signed + ", Other=0", incomplete),
            Case("no signed headers", "Authorization", signed.replacing("SignedHeaders=", with: "Else="), incomplete),
            Case("a scope of four parts", "Authorization", signed.replacing("/us-east-1", with: ""), incomplete),
            Case("no access key", "Authorization", signed.replacing("AKIDEXAMPLE", with: ""), incomplete),
        ]
    )
    func refuses(_ testCase: Case) throws {
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        let client = try RawClient(port: endpoint.port)
        let answer = try client.exchange(testCase.request)
        #expect(answer.errorType == testCase.error)
        #expect(answer.headers["x-amzn-errortype"] == testCase.error)
        #expect(answer.headers["x-amzn-requestid"]?.isEmpty == false)
        #expect(endpoint.records.acceptedCount == 0)
        #expect(try client.exchange(.put((0, "a"))).status == 200, "the connection goes on")
    }

    @Test(
        "takes what differs only in form",
        arguments: [
            TestRequest.put((0, "a")).with(.with { $0.separator = "," }),
            .put((0, "a")).with("Content-Encoding", "identity"),
            .put((0, "a")).with("Content-Type", "  application/x-amz-json-1.1\t"),
            .put((0, "a")).with("Accept", "one  two").with(
                .with { $0.signedHeaders = ["accept", "content-type", "host", "x-amz-date", "x-amz-target"] }
            ),
            .put((0, "a")).with("X-Amz-Date", "20260101T000500Z"),
            .put((0, "a")).with("X-Amz-Date", "20251231T235500Z").with(.with { $0.scope.date = "20251231" }),
        ]
    )
    func takes(_ request: TestRequest) throws {
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        #expect(try RawClient(port: endpoint.port).exchange(request).status == 200)
    }

    @Test("tells the time of its own clock")
    func tellsTime() throws {
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        let answer = try RawClient(port: endpoint.port).exchange(.put((0, "a")))
        #expect(answer.headers["date"] == "Thu, 01 Jan 2026 00:00:00 GMT")
    }
}
