import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

/// Credentials, clocks, rights and destinations, as the endpoint itself judges them.
@Suite("What stands between a batch and its stream is mended, by us or by a person")
struct DeliveryMatrixAccessTests {
    typealias Failure = Delivery.Failure
    typealias Consequence = Delivery.Consequence

    private static let old = AccessKey(identifier: "ASIAOLD", secret: "old secret", sessionToken: "old token")
    private static let new = AccessKey(identifier: "ASIANEW", secret: "new secret", sessionToken: "new token")

    /// A shared credentials file, which people and tools rewrite while the process runs.
    private struct CredentialsFile {
        let directory: TemporaryDirectory
        var path: String { directory.file("credentials") }
        var environment: [String: String] { ["AWS_SHARED_CREDENTIALS_FILE": path] }

        init() throws { directory = try TemporaryDirectory() }

        func write(_ key: AccessKey) throws {
            var text = "[default]\naws_access_key_id = \(key.identifier)\naws_secret_access_key = \(key.secret)\n"
            if let token = key.sessionToken { text += "aws_session_token = \(token)\n" }
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
    }

    @Test("an expired token is replaced by the one that the file holds now, within the same attempt")
    func expiredToken() async throws {
        try await onOwnThread {
            let file = try CredentialsFile()
            try file.write(Self.old)
            let delivery = try Delivery(accessKeys: [Self.old, Self.new], environment: file.environment)
            try delivery.log(["one"])
            try delivery.deliver()
            try file.write(Self.new)
            delivery.endpoint.expire(Self.old)
            try delivery.log(["two"])
            try delivery.deliver()
            #expect(delivery.endpoint.records.refusals.map(\.errorType) == ["ExpiredTokenException"])
            #expect(try delivery.consequence == Consequence(puts: 3))
            try delivery.expectEverythingSettled()
        }
    }

    @Test(
        "wrong credentials keep the records until a person has mended them",
        arguments: [
            (
                AccessKey(identifier: new.identifier, secret: "wrong", sessionToken: new.sessionToken),
                "InvalidSignatureException"
            ),
            (
                AccessKey(identifier: "ASIAOTHER", secret: new.secret, sessionToken: new.sessionToken),
                "UnrecognizedClientException"
            ),
            (AccessKey(identifier: new.identifier, secret: new.secret), "UnrecognizedClientException"),
            (old, "ExpiredTokenException"),
        ]
    )
    func wrongCredentials(key: AccessKey, code: String) async throws {
        try await onOwnThread {
            let file = try CredentialsFile()
            try file.write(key)
            let delivery = try Delivery(accessKeys: [Self.old, Self.new], environment: file.environment)
            delivery.endpoint.expire(Self.old)
            try delivery.log(["one"])
            try delivery.deliver(untilFailures: 2)
            try file.write(Self.new)
            try delivery.deliver()
            // Two for each attempt, for the credentials are looked for again at once.
            let failure = Failure(code: code, isDenied: true)
            #expect(try delivery.consequence == Consequence(puts: 5, failures: [failure, failure]))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("without credentials nothing is sent, and with the first ones everything")
    func noCredentials() async throws {
        try await onOwnThread {
            let file = try CredentialsFile()
            let delivery = try Delivery(environment: file.environment)
            try delivery.log(["one"])
            try delivery.deliver(untilFailures: 2)
            #expect(delivery.endpoint.records.requests.isEmpty)
            try file.write(.any)
            try delivery.deliver()
            let failure = Failure(code: "NoCredentials", isDenied: true)
            #expect(try delivery.consequence == Consequence(puts: 1, failures: [failure, failure]))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("a clock that is wrong is corrected by the service's, once", arguments: [600_000, -600_000] as [Int64])
    func skewedClock(skew: Int64) async throws {
        try await onOwnThread {
            let delivery = try Delivery(skew: skew)
            try delivery.log(["one"])
            try delivery.deliver()
            #expect(delivery.endpoint.records.refusals.map(\.errorType) == ["InvalidSignatureException"])
            try delivery.log(["two"])
            try delivery.deliver()
            #expect(try delivery.consequence == Consequence(puts: 3))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("a right that is missing keeps the records until it is given")
    func deniedRight() async throws {
        try await onOwnThread {
            let delivery = try Delivery()
            delivery.endpoint.deny([.putLogEvents])
            try delivery.log(["one"])
            try delivery.deliver(untilFailures: 3)
            let error = try delivery.status.streams.first?.lastError ?? ""
            #expect(error.hasPrefix("AccessDeniedException: User: arn:aws:iam::"))
            #expect(error.hasSuffix("; allow this action for these credentials in IAM"))
            delivery.endpoint.deny([])
            try delivery.deliver()
            let failure = Failure(code: "AccessDeniedException", isDenied: true)
            #expect(try delivery.consequence == Consequence(puts: 4, failures: [failure, failure, failure]))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("where nobody listens the records stay, and are not in doubt")
    func nobodyListens() async throws {
        try await onOwnThread {
            // tcpmux, which nobody has.
            let delivery = try Delivery(url: "http://127.0.0.1:1")
            try delivery.log(["one"])
            try delivery.deliver(untilFailures: 2)
            let failure = Failure(code: "ConnectionError")
            #expect(try delivery.consequence == Consequence(puts: 0, failures: [failure, failure]))
            #expect(try delivery.status.pending == 1)
        }
    }

    // MARK: Destinations

    private static let whole: [LogsOperation] = [
        .putLogEvents, .createLogStream, .createLogGroup, .createLogStream, .putLogEvents,
    ]
    private static let streamAlone: [LogsOperation] = [.putLogEvents, .createLogStream, .putLogEvents]

    @Test("a missing stream, or group, is created, and the batch sent again", arguments: [false, true])
    func missing(hasGroup: Bool) async throws {
        try await onOwnThread {
            let delivery = try Delivery(autoCreate: false)
            if hasGroup { delivery.endpoint.setRetention(days: nil, ofGroup: Delivery.troubled.logGroup) }
            try delivery.log(["one", "two"])
            try delivery.deliver()
            #expect(delivery.calls == (hasGroup ? Self.streamAlone : Self.whole))
            #expect(try delivery.consequence == Consequence(puts: 2))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("a stream, or group, that a person deletes meanwhile is created again", arguments: [false, true])
    func deleted(withGroup: Bool) async throws {
        try await onOwnThread {
            let delivery = try Delivery(autoCreate: false)
            delivery.endpoint.create(Delivery.troubled)
            delivery.endpoint.create(Delivery.healthy)
            try delivery.log(["one", "two"])
            try delivery.deliver()
            if withGroup {
                delivery.endpoint.deleteGroup(Delivery.troubled.logGroup)
            } else {
                delivery.endpoint.delete(Delivery.troubled)
            }
            try delivery.log(["three"])
            try delivery.log(["healthy"], to: Delivery.healthy)
            try delivery.deliver()
            #expect(delivery.calls == [.putLogEvents] + (withGroup ? Self.whole : Self.streamAlone))
            #expect(try delivery.consequence == Consequence(puts: 3))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("a group that is deleted while a batch waits is created for it")
    func deletedWhileWaiting() async throws {
        try await onOwnThread {
            let delivery = try Delivery(autoCreate: false)
            delivery.endpoint.create(Delivery.troubled)
            delivery.fail([.status(400, errorType: "ThrottlingException")])
            try delivery.log(["one", "two"])
            try delivery.deliver(untilFailures: 1)
            delivery.endpoint.deleteGroup(Delivery.troubled.logGroup)
            try delivery.deliver()
            #expect(delivery.calls == [.putLogEvents] + Self.whole)
            let failure = Failure(code: "ThrottlingException")
            #expect(try delivery.consequence == Consequence(puts: 3, failures: [failure]))
            try delivery.expectEverythingSettled()
        }
    }

    struct Creation: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var operation: LogsOperation
        var fault: Fault
        var failure: Failure
        /// After the attempt that fails.
        var nextCalls = whole
    }

    /// All of them after a batch was refused because there is no group. So the batch is not in doubt, whatever happens to
    /// the calls that follow.
    @Test(
        "what goes wrong while a group is created is tried again with the batch",
        arguments: [
            Creation(
                testDescription: "throttled",
                operation: .createLogStream,
                fault: .status(400, errorType: "ThrottlingException"),
                failure: Failure(code: "ThrottlingException")
            ),
            Creation(
                testDescription: "somebody else is at it",
                operation: .createLogGroup,
                fault: .status(400, errorType: "OperationAbortedException"),
                failure: Failure(code: "OperationAbortedException")
            ),
            Creation(
                testDescription: "too many groups",
                operation: .createLogGroup,
                fault: .status(400, errorType: "LimitExceededException"),
                failure: Failure(code: "LimitExceededException")
            ),
            Creation(
                testDescription: "no right to create",
                operation: .createLogGroup,
                fault: .status(400, errorType: "AccessDeniedException"),
                failure: Failure(code: "AccessDeniedException", isDenied: true)
            ),
            Creation(
                testDescription: "a name that is not taken",
                operation: .createLogGroup,
                fault: .status(400, errorType: "InvalidParameterException"),
                failure: Failure(code: "InvalidParameterException", isDenied: true)
            ),
            Creation(
                testDescription: "somebody else was faster, and it is not to be seen yet",
                operation: .createLogGroup,
                fault: .status(400, errorType: "ResourceAlreadyExistsException"),
                failure: Failure(code: "ResourceNotFoundException")
            ),
            Creation(
                testDescription: "a page instead of the answer when the group was created",
                operation: .createLogGroup,
                fault: .nonJSONAnswer(accepting: true),
                failure: Failure(code: "UnexpectedAnswer"),
                nextCalls: streamAlone
            ),
            Creation(
                testDescription: "a server in trouble",
                operation: .createLogStream,
                fault: .answer(500),
                failure: Failure(code: "HTTP 500")
            ),
        ]
    )
    func creation(_ row: Creation) async throws {
        try await onOwnThread {
            let delivery = try Delivery(autoCreate: false)
            delivery.endpoint.create(Delivery.healthy)
            delivery.endpoint.enqueue(row.fault, for: row.operation)
            try delivery.log(["one", "two"])
            try delivery.log(["healthy"], to: Delivery.healthy)
            try delivery.deliver()
            #expect(Array(delivery.calls.suffix(row.nextCalls.count)) == row.nextCalls)
            #expect(try delivery.consequence == Consequence(puts: 3, failures: [row.failure]))
            try delivery.expectEverythingSettled()
        }
    }
}
