import LogbeamAWS
import LogbeamCore
import Testing

@testable import LogbeamCloudWatch

@Suite("Error classification")
struct ErrorClassificationTests {
    enum Kind { case accepted, transient, missing, denied, invalid }

    private func kind(_ outcome: DeliveryOutcome) -> Kind {
        switch outcome {
        case .accepted: .accepted
        case .transient: .transient
        case .destinationMissing: .missing
        case .denied: .denied
        case .invalid: .invalid
        }
    }

    @Test(
        "keeps and repeats what is throttled, in every spelling",
        arguments: [
            "ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "RequestThrottledException",
            "TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown",
            "LimitExceededException", "ProvisionedThroughputExceededException", "EC2ThrottledException",
            "PriorRequestNotComplete", "TransactionInProgressException",
        ]
    )
    func throttled(_ code: String) {
        #expect(kind(ServiceError(status: 400, code: code).outcome) == .transient)
    }

    @Test(
        "knows what each answer means for the batch",
        arguments: [
            (500, "", .transient), (500, "InvalidParameterException", .transient), (502, "", .transient),
            (503, "ServiceUnavailableException", .transient), (504, "", .transient), (599, "", .transient),
            (400, "ServiceUnavailableException", .transient), (400, "ServiceUnavailable", .transient),
            (400, "InternalFailure", .transient), (400, "RequestTimeout", .transient),
            (400, "OperationAbortedException", .transient), (429, "", .transient), (408, "", .transient),
            (301, "", .transient), (302, "AccessDenied", .transient), (100, "", .transient),
            (400, "ResourceNotFoundException", .missing),
            (400, "DataAlreadyAcceptedException", .accepted),
            (400, "InvalidParameterException", .invalid), (400, "ValidationException", .invalid),
            (400, "SerializationException", .denied), (413, "", .invalid), (413, "RequestEntityTooLarge", .invalid),
            (400, "AccessDeniedException", .denied), (403, "AccessDenied", .denied),
            (400, "UnrecognizedClientException", .denied), (403, "InvalidClientTokenId", .denied),
            (403, "InvalidSignatureException", .denied), (403, "SignatureDoesNotMatch", .denied),
            (403, "IncompleteSignatureException", .denied), (403, "MissingAuthenticationToken", .denied),
            (403, "ExpiredToken", .denied), (403, "ExpiredTokenException", .denied), (400, "RequestExpired", .denied),
            (403, "RequestTimeTooSkewed", .denied), (403, "OptInRequired", .denied),
            (400, "InvalidSequenceTokenException", .denied), (400, "UnknownOperationException", .denied),
            (400, "ServiceQuotaExceededException", .denied), (400, "FromTheFutureException", .denied),
            (400, "", .denied), (401, "", .denied), (403, "", .denied), (404, "", .denied), (405, "", .denied),
            (407, "", .denied), (418, "", .denied), (501, "", .denied), (501, "InternalFailure", .denied),
            // Only AWS's own word leads to giving up events, not its sound.
            (400, "invalidparameterexception", .denied), (404, "NotFound", .denied),
        ] as [(Int, String, Kind)]
    )
    func classifies(_ status: Int, _ code: String, _ expected: Kind) {
        let outcome = ServiceError(status: status, code: code, message: "why").outcome
        #expect(kind(outcome) == expected)
        #expect(outcome.failure?.code == (expected == .accepted ? nil : code.isEmpty ? "HTTP \(status)" : code))
        #expect(outcome.failure?.message.hasPrefix("why") != false)
    }

    @Test(
        "knows that nothing has arrived of what was turned down, and that it may have where a server is in trouble",
        arguments: [
            (400, "ThrottlingException", false), (429, "", false), (403, "AccessDenied", false), (413, "", false),
            (400, "ResourceNotFoundException", false), (408, "", true), (500, "", true), (503, "SlowDown", true),
            (504, "", true), (302, "", true),
        ]
    )
    func mayHaveArrived(_ status: Int, _ code: String, _ expected: Bool) {
        #expect(ServiceError(status: status, code: code).outcome.failure?.mayHaveArrived == expected)
    }

    @Test(
        "says what a person can do about a refusal",
        arguments: [
            (400, "AccessDeniedException", "in IAM"), (400, "UnrecognizedClientException", "AWS_ACCESS_KEY_ID"),
            (403, "SignatureDoesNotMatch", "secret access key"), (400, "RequestExpired", "clock"),
            (403, "ExpiredToken", "renew"), (403, "MissingAuthenticationToken", "endpoint"),
            (403, "OptInRequired", "region"), (400, "SerializationException", "endpoint"),
            (407, "", "HTTPS_PROXY"), (404, "", "endpoint"), (302, "", "endpoint"),
        ]
    )
    func remedy(_ status: Int, _ code: String, _ word: String) {
        let message = ServiceError(status: status, code: code, message: "why").outcome.failure?.message
        #expect(message?.hasPrefix("why; ") == true)
        #expect(message?.contains(word) == true)
    }

    @Test(
        "asks for a fresh signature where one may help, and nowhere else",
        arguments: [
            (403, "ExpiredToken", true), (400, "ExpiredTokenException", true), (400, "RequestExpired", true),
            (403, "RequestTimeTooSkewed", true), (403, "InvalidSignatureException", true),
            (403, "SignatureDoesNotMatch", true), (400, "UnrecognizedClientException", true),
            (403, "InvalidClientTokenId", true), (400, "AccessDeniedException", false), (403, "", false),
            (503, "ExpiredToken", false), (400, "ThrottlingException", false),
            (403, "MissingAuthenticationToken", false),
        ]
    )
    func freshSignature(_ status: Int, _ code: String, _ expected: Bool) {
        #expect(ServiceError(status: status, code: code).mayHealWithFreshSignature == expected)
    }

    @Test(
        "finds the name of the error in the header field, the JSON and the XML",
        arguments: [
            ("ThrottlingException", "{}", "ThrottlingException"),
            (
                "ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.service/", "",
                "ThrottlingException"
            ),
            ("com.amazonaws.logs#ThrottlingException:http://x#y", "{\"__type\":\"Other\"}", "ThrottlingException"),
            (nil, #"{"__type":"com.amazonaws.logs#ResourceNotFoundException"}"#, "ResourceNotFoundException"),
            (nil, #"{"__type":"ResourceNotFoundException"}"#, "ResourceNotFoundException"),
            (nil, #"{"code":"AccessDenied"}"#, "AccessDenied"),
            (nil, #"{"__type":12}"#, ""), (nil, "[]", ""), (nil, "not JSON", ""), (nil, "", ""), (":", "", ""),
            ("#", "", ""),
            (
                nil, "<Response><Errors><Error><Code>SignatureDoesNotMatch</Code></Error></Errors></Response>",
                "SignatureDoesNotMatch"
            ),
            (nil, "<Code>", ""), (nil, "<html><body>Forbidden</body></html>", ""), (nil, "x<Code>A</Code>", ""),
        ] as [(String?, String, String)]
    )
    func code(_ field: String?, _ body: String, _ expected: String) {
        let headers = field.map { [HTTPHeader("X-AMZN-ErrorType", $0)] } ?? []
        let error = ServiceError(HTTPResponse(status: 400, headers: headers, body: Array(body.utf8)), now: 0)
        #expect(error.code == expected)
    }

    @Test(
        "finds the message, on one line and cut to a length",
        arguments: [
            (#"{"message":"lower"}"#, "lower"), (#"{"Message":"upper"}"#, "upper"), (#"{"message":null}"#, ""),
            (#"{"message":"two\r\nlines\u0000 \u001b[31mred"}"#, "two  lines   [31mred"),
            ("<Error><Code>A</Code><Message>from XML</Message></Error>", "from XML"), ("", ""),
            ("{\"message\":\"\(String(repeating: "é", count: 600))\"}", String(repeating: "é", count: 500) + "…"),
            // What AWS adds has the session token in it.
            (
                #"{"message":"It does not match.\n\nThe Canonical String for this request should have been\n'POST\n/\n\n"#
                    + #"x-amz-security-token:SECRET\n\nhost'"}"#,
                "It does not match.  "
            ),
            (#"{"message":"'POST\n/\n\nhost:h\nx-amz-security-token:SECRET\n'"}"#, "'POST /  host:h "),
        ]
    )
    func message(_ body: String, _ expected: String) {
        #expect(ServiceError(HTTPResponse(status: 400, body: Array(body.utf8)), now: 0).message == expected)
    }

    @Test("waits for a region that is not told at the moment, and for nothing else that only a person can say")
    func region() {
        #expect(kind(.of(EndpointError.noRegion("why", isPassing: true))) == .transient)
        #expect(kind(.of(EndpointError.noRegion("why"))) == .denied)
        #expect(kind(.of(EndpointError.invalidProfile("why"))) == .denied)
    }

    @Test(
        "honours Retry-After, up to an hour",
        arguments: [
            ("7", .seconds(7)), ("3600", .seconds(3_600)), ("99999999999", .seconds(3_600)), ("0", nil), ("-1", nil),
            ("soon", nil), ("", nil), ("99999999999999999999", nil),
            ("Sun, 30 Aug 2015 12:36:30 GMT", .seconds(30)), ("Sun, 30 Aug 2015 12:35:00 GMT", nil),
        ] as [(String, Duration?)]
    )
    func retryAfter(_ value: String, _ expected: Duration?) {
        let response = HTTPResponse(status: 503, headers: [HTTPHeader("retry-after", value)])
        let error = ServiceError(response, now: 1_440_938_160)
        #expect(error.retryAfter == expected)
        #expect(error.outcome.failure?.retryAfter == expected)
    }
}
