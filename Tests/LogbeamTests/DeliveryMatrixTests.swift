import LogbeamCore
import LogbeamTestSupport
import Testing

/// One row a fault: what it makes of the batch, of the error that is shown, and of the stream beside it.
@Suite("Every fault has its one consequence")
struct DeliveryMatrixTests {
    typealias Failure = Delivery.Failure
    typealias Consequence = Delivery.Consequence

    struct Row: CustomTestStringConvertible, Sendable {
        var testDescription: String
        /// What the first batches of the stream meet, one after the other.
        var faults: [Fault]
        var consequence: Consequence
        /// Where answers are withheld.
        var patience: Duration?
    }

    private static let messages = (1...5).map { "record \($0)" }

    @Test(
        "arrives in the end, by the right number of requests, and holds up nobody",
        arguments: troubles + denials + credentials + halvings + lostAnswers + throttlings
    )
    func arrives(_ row: Row) async throws {
        try await onOwnThread {
            let delivery = try Delivery(patience: row.patience)
            delivery.fail(row.faults)
            try delivery.log(Self.messages)
            try delivery.log(["one", "two"], to: Delivery.healthy)
            try delivery.deliver()
            #expect(try delivery.consequence == row.consequence)
            try delivery.expectEverythingSettled()
        }
    }

    @Test("an empty answer with status 200 is not the one of CloudWatch Logs, and acknowledges nothing")
    func emptyAnswer() async throws {
        try await onOwnThread {
            let delivery = try Delivery()
            delivery.fail([.answer(200)])
            try delivery.log(Self.messages)
            try delivery.deliver()
            let failure = Failure(code: "UnexpectedAnswer", isInDoubt: true)
            #expect(try delivery.consequence == Consequence(puts: 2, failures: [failure]))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("a batch is not sent again behind our back when a connection that was used before is reset")
    func resetOfUsedConnection() async throws {
        try await onOwnThread {
            let delivery = try Delivery(reconcileDelay: 0)
            try delivery.log(["the first on the connection"])
            try delivery.deliver()
            delivery.fail([.resetAfterAccepting])
            try delivery.log(Self.messages)
            try delivery.deliver()
            try delivery.expectEverythingSettled()
            // The loop knows that the batch is in doubt, looks for it, and finds it.
            let expected = Consequence(puts: 2, failures: [Self.doubtful("ConnectionError")])
            #expect(try delivery.consequence == expected)
        }
    }

    // MARK: Kept and sent again

    private static func row(_ name: String, _ fault: Fault, _ failure: Failure) -> Row {
        Row(testDescription: name, faults: [fault], consequence: Consequence(puts: 2, failures: [failure]))
    }

    private static func doubtful(_ code: String) -> Failure { Failure(code: code, isInDoubt: true) }

    /// What passes by itself. What a server in trouble, or something in between, says leaves open whether the batch arrived.
    private static let troubles: [Row] =
        [500, 502, 503, 504, 509, 520].map { status in
            row("\(status) without a name", .answer(status), doubtful("HTTP \(status)"))
        }
        + [301, 302, 303, 307, 308].map { status in
            row("redirected by \(status)", .answer(status, headers: ["Location": "/"]), doubtful("HTTP \(status)"))
        } + [
            row("a page with 503", .nonJSONAnswer(status: 503), doubtful("HTTP 503")),
            row("a page with 200", .nonJSONAnswer(), doubtful("UnexpectedAnswer")),
            row(
                "an error with 200",
                .answer(200, body: #"{"__type":"InternalFailure"}"#),
                doubtful("UnexpectedAnswer")
            ),
            row("an array with 200", .answer(200, body: "[]"), doubtful("UnexpectedAnswer")),
            row("204", .answer(204), doubtful("UnexpectedAnswer")),
            row("408", .answer(408), doubtful("HTTP 408")),
            row("429", .answer(429), Failure(code: "HTTP 429")),
            row("InternalFailure", .status(500, errorType: "InternalFailure"), doubtful("InternalFailure")),
            row("a reset before it is accepted", .resetBeforeAccepting, doubtful("ConnectionError")),
            Row(
                testDescription: "hangs before it is accepted",
                faults: [.hangBeforeAccepting(Gate())],
                consequence: Consequence(puts: 2, failures: [doubtful("Timeout")]),
                patience: .milliseconds(50)
            ),
            Row(
                testDescription: "one trouble after the other",
                faults: [.resetBeforeAccepting, .answer(503), .nonJSONAnswer(), .answer(429)],
                // Once in doubt, a batch stays so until it is acknowledged.
                consequence: Consequence(
                    puts: 5,
                    failures: ["ConnectionError", "HTTP 503", "UnexpectedAnswer", "HTTP 429"].map(doubtful)
                )
            ),
            Row(
                testDescription: "an answer that takes its time",
                faults: [.slowAnswer(pause: .microseconds(50))],
                consequence: Consequence(puts: 1)
            ),
            Row(testDescription: "nothing at all", faults: [], consequence: Consequence(puts: 1)),
        ]

    /// What a person must mend.
    private static let denials: [Row] = [
        row(
            "a right that is missing",
            .status(400, errorType: "AccessDeniedException"),
            denied("AccessDeniedException")
        ),
        row("no subscription", .status(400, errorType: "OptInRequired"), denied("OptInRequired")),
        row(
            "a proxy that takes the signature away",
            .status(400, errorType: "MissingAuthenticationTokenException"),
            denied("MissingAuthenticationTokenException")
        ),
        row(
            "no JSON, says a stand-in",
            .status(400, errorType: "SerializationException"),
            denied("SerializationException")
        ),
        row("an error that nobody knows", .status(400, errorType: "NewException"), denied("NewException")),
        row(
            "another service",
            .status(404, errorType: "UnknownOperationException"),
            denied("UnknownOperationException")
        ),
        row(
            "a proxy that wants a password",
            .answer(407, headers: ["Proxy-Authenticate": "Basic"]),
            denied("HTTP 407")
        ),
        row("a proxy that forbids it", .nonJSONAnswer(status: 403), denied("HTTP 403")),
        row("a server that knows no such path", .nonJSONAnswer(status: 404), denied("HTTP 404")),
    ]

    private static func denied(_ code: String) -> Failure { Failure(code: code, isDenied: true) }

    /// What a fresh signature may heal: sent again at once, once; after that a person must mend it.
    private static let credentials: [Row] = [
        "ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed",
        "InvalidClientTokenId", "UnrecognizedClientException", "IncompleteSignatureException",
        "InvalidSignatureException", "SignatureDoesNotMatch",
    ].flatMap { code in
        let fault = Fault.status(400, errorType: code)
        return [
            Row(testDescription: "\(code), once", faults: [fault], consequence: Consequence(puts: 2)),
            Row(
                testDescription: "\(code), twice",
                faults: [fault, fault],
                consequence: Consequence(puts: 3, failures: [denied(code)])
            ),
        ]
    }

    /// What finds fault with the batch: both halves are sent, and here both get through.
    private static let halvings: [Row] = [
        Fault.status(400, errorType: "InvalidParameterException"), .status(400, errorType: "ValidationException"),
        .nonJSONAnswer(status: 413),
    ].map { Row(testDescription: "halved after \($0)", faults: [$0], consequence: Consequence(puts: 3)) }

    // MARK: Accepted, and the answer lost

    private static let lostAnswers: [Row] = [
        lost("a reset", .resetAfterAccepting, "ConnectionError"),
        lost("an answer that breaks off", .truncatedAnswer, "ConnectionError"),
        lost("an answer shorter than it says", .wrongContentLength(off: 1), "ConnectionError"),
        lost("an answer longer than it says", .wrongContentLength(off: -1), "UnexpectedAnswer"),
        lost("a page with 200", .nonJSONAnswer(accepting: true), "UnexpectedAnswer"),
        lost("a page with 502", .nonJSONAnswer(status: 502, accepting: true), "HTTP 502"),
        lost("no answer", .hangAfterAccepting(Gate()), "Timeout", patience: .milliseconds(50)),
        lost("an answer without end", .slowAnswer(pause: .seconds(3600)), "Timeout", patience: .milliseconds(50)),
        Row(
            testDescription: "accepted, then reset, then told that it was accepted",
            faults: [.resetAfterAccepting, .status(400, errorType: "DataAlreadyAcceptedException")],
            consequence: Consequence(puts: 2, failures: [doubtful("ConnectionError")])
        ),
    ]

    /// That one batch comes twice, and nothing else does.
    private static func lost(_ name: String, _ fault: Fault, _ code: String, patience: Duration? = nil) -> Row {
        Row(
            testDescription: "accepted, then \(name)",
            faults: [fault],
            consequence: Consequence(puts: 2, failures: [doubtful(code)], duplicates: messages.count),
            patience: patience
        )
    }

    // MARK: Throttling, however it is spelt

    /// What AWS calls throttling or passing trouble.
    private static let throttlingCodes = [
        // botocore, retries/standard.py and data/_retry.json
        "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "RequestThrottled",
        "TooManyRequestsException", "ProvisionedThroughputExceededException", "TransactionInProgressException",
        "RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "SlowDown",
        "PriorRequestNotComplete", "EC2ThrottledException", "RequestTimeout", "RequestTimeoutException",
        // API Reference of CloudWatch Logs, and its common errors
        "ServiceUnavailableException", "OperationAbortedException", "InternalFailure", "ServiceUnavailable",
    ]

    /// How an error is written down.
    private enum Form: String, CaseIterable {
        case both, body, namespace, header, headerAlone, xml

        func fault(_ status: Int, _ code: String) -> Fault {
            let suffix = ":http://internal.amazon.com/coral/com.amazon.coral.availability/"
            return switch self {
            case .both: .status(status, errorType: code, message: "Rate exceeded")
            case .body: .answer(status, body: #"{"__type":"\#(code)","Message":"Rate exceeded"}"#)
            case .namespace:
                .answer(status, body: #"{"__type":"com.amazonaws.logs.v20140328#\#(code)\#(suffix)"}"#)
            case .header: .answer(status, headers: ["x-amzn-ErrorType": "\(code)\(suffix)"], body: "{}")
            case .headerAlone: .answer(status, headers: ["X-Amzn-Errortype": code])
            case .xml:
                .answer(
                    status,
                    headers: ["Content-Type": "text/xml"],
                    body:
                        "<ErrorResponse><Error><Code>\(code)</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
                )
            }
        }
    }

    private static let throttlings: [Row] = Form.allCases.flatMap { form in
        [400, 429, 503].map { status in
            Row(
                testDescription: "throttled with \(status), written as \(form)",
                faults: throttlingCodes.map { form.fault(status, $0) },
                consequence: Consequence(
                    puts: throttlingCodes.count + 1,
                    failures: throttlingCodes.map { Failure(code: $0, isInDoubt: status == 503) }
                )
            )
        }
    }
}
