import Foundation
import LogbeamAWS
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamCloudWatch

@Suite("CloudWatch Logs service")
struct CloudWatchLogsServiceTests {
    private static let environment = [
        "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET",
    ]
    let destination = Destination(logGroup: "group", logStream: "stream")

    func service(
        _ transport: ScriptedTransport,
        environment: [String: String] = environment,
        compressesRequests: Bool = true,
        now: @escaping @Sendable () -> Int64 = { 1_440_938_160 }
    ) -> CloudWatchLogsService {
        var configuration = CloudWatchLogsService.Configuration(environment: ProcessEnvironment(environment))
        configuration.compressesRequests = compressesRequests
        return CloudWatchLogsService(configuration, transport: transport, now: now)
    }

    private func batch(_ messages: String...) -> EventBatch {
        var batch = EventBatch(destination: destination)
        for message in messages { batch.append(id: 1, timestamp: 1, message: message.utf8) }
        return batch
    }

    private func field(_ name: String, _ request: HTTPRequest?) -> String? {
        request?.headers.first { $0.isNamed(name) }?.value
    }

    // MARK: The request

    @Test("asks STS too by FIPS where the name of the region wants it")
    func identity() throws {
        let transport = ScriptedTransport(.answer(403, "{}"))
        let environment = Self.environment.merging(["AWS_REGION": "fips-us-east-1"]) { $1 }
        _ = service(transport, environment: environment).identity()
        #expect(transport.requests.map(\.url) == ["https://sts-fips.us-east-1.amazonaws.com/"])
        let signature = try #require(field("Authorization", transport.requests.first))
        #expect(signature.contains("/us-east-1/sts/aws4_request"))
    }

    @Test("sends a signed JSON 1.1 request")
    func request() throws {
        let transport = ScriptedTransport(.answer(200, "{}"))
        #expect(service(transport).send(batch("hello")) == .accepted(.none))
        let request = try #require(transport.requests.first)
        #expect(request.method == .post)
        #expect(request.url == "https://logs.eu-central-1.amazonaws.com/")
        #expect(field("Host", request) == "logs.eu-central-1.amazonaws.com")
        #expect(field("Content-Type", request) == "application/x-amz-json-1.1")
        #expect(field("X-Amz-Target", request) == "Logs_20140328.PutLogEvents")
        #expect(field("X-Amz-Date", request) == "20150830T123600Z")
        #expect(field("User-Agent", request)?.hasPrefix("logbeam/") == true)
        #expect(field("Content-Encoding", request) == nil)
        #expect(
            field("Authorization", request)?.hasPrefix(
                "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-central-1/logs/aws4_request, "
                    + "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="
            ) == true
        )
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == #"{"logGroupName":"group","logStreamName":"stream","logEvents":[{"timestamp":1,"message":"hello"}]}"#
        )
    }

    @Test("compresses a body over a KiB if it may, and signs that it did")
    func compression() throws {
        let large = String(repeating: "a line of a log ", count: 100)
        let transport = ScriptedTransport(.answer(200, "{}"), .answer(200, "{}"))
        let compressing = service(transport)
        #expect(compressing.send(batch(large)) == .accepted(.none))
        let request = try #require(transport.requests.first)
        #expect(field("Content-Encoding", request) == "gzip")
        #expect(field("Authorization", request)?.contains("SignedHeaders=content-encoding;") == true)
        #expect(request.body.starts(with: [0x1F, 0x8B]))
        #expect(request.body.count < 1_000)

        let plain = ScriptedTransport(.answer(200, "{}"))
        #expect(service(plain, compressesRequests: false).send(batch(large)) == .accepted(.none))
        #expect(field("Content-Encoding", plain.requests.first) == nil)
        #expect((plain.requests.first?.body.count ?? 0) > 1_600)

        let unencrypted = ScriptedTransport(.answer(200, "{}"))
        let environment = Self.environment.merging(["AWS_ENDPOINT_URL": "http://127.0.0.1:5000"]) { $1 }
        #expect(service(unencrypted, environment: environment).send(batch(large)) == .accepted(.none))
        #expect(field("Content-Encoding", unencrypted.requests.first) == nil)
    }

    private func encodings(_ transport: ScriptedTransport) -> [String?] {
        transport.requests.map { field("Content-Encoding", $0) }
    }

    @Test(
        "sends a batch as it is where nobody can unpack it, and those that follow",
        arguments: [(400, #"{"__type":"SerializationException"}"#), (415, "")]
    )
    func uncompressed(_ status: Int, _ body: String) {
        let large = String(repeating: "a line of a log ", count: 100)
        let transport = ScriptedTransport(.answer(status, body), .answer(200, "{}"), .answer(200, "{}"))
        let service = service(transport)
        for _ in 1...2 { #expect(service.send(batch(large)) == .accepted(.none)) }
        #expect(encodings(transport) == ["gzip", nil, nil])
    }

    @Test("gives up no record because nobody can read it, packed or not")
    func unreadable() {
        let large = String(repeating: "a line of a log ", count: 100)
        let refusal = ScriptedTransport.Step.answer(400, #"{"__type":"SerializationException"}"#)
        let transport = ScriptedTransport(refusal, refusal, .answer(200, "{}"))
        let service = service(transport)
        guard case .denied(let failure) = service.send(batch(large)) else {
            Issue.record("it is not kept")
            return
        }
        #expect(failure.code == "SerializationException" && failure.message.contains("endpoint"))
        // That it could not be read as it was either says nothing of compression.
        #expect(service.send(batch(large)) == .accepted(.none))
        #expect(encodings(transport) == ["gzip", nil, "gzip"])
    }

    @Test("compresses nothing but batches")
    func compressesBatchesAlone() {
        let transport = ScriptedTransport(.answer(200, ""))
        let settings = Dictionary(uniqueKeysWithValues: (1...50).map { ("a tag that has a long name \($0)", "value") })
        var creation = CreationSettings()
        creation.tags = settings
        #expect(service(transport).createLogGroup("g", creation) == .created)
        #expect(encodings(transport) == [nil])
        #expect(transport.requests[0].body.count > 1_024)
    }

    @Test("goes to the configured endpoint, with its path")
    func endpoint() {
        let transport = ScriptedTransport(.answer(200, "{}"))
        var configuration = CloudWatchLogsService.Configuration(environment: ProcessEnvironment(Self.environment))
        configuration.endpointURL = "http://127.0.0.1:5000/base"
        configuration.region = "us-east-1"
        #expect(CloudWatchLogsService(configuration, transport: transport).send(batch("x")) == .accepted(.none))
        #expect(transport.requests.first?.url == "http://127.0.0.1:5000/base")
        #expect(field("Host", transport.requests.first) == "127.0.0.1:5000")
        #expect(field("Authorization", transport.requests.first)?.contains("/us-east-1/logs/") == true)
    }

    // MARK: The answer

    @Test(
        "tells which events of an accepted batch were refused, within the bounds of the batch",
        arguments: [
            ("{}", .none), (#"{"nextSequenceToken":"1"}"#, .none),
            (#"{"rejectedLogEventsInfo":{}}"#, .none), (#"{"rejectedLogEventsInfo":null}"#, .none),
            (#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1}}"#, RefusedEvents(tooOldEnd: 1)),
            (#"{"rejectedLogEventsInfo":{"expiredLogEventEndIndex":2}}"#, RefusedEvents(expiredEnd: 2)),
            (#"{"rejectedLogEventsInfo":{"tooNewLogEventStartIndex":0}}"#, RefusedEvents(tooNewStart: 0)),
            (
                #"{"rejectedLogEventsInfo":{"tooNewLogEventStartIndex":2,"tooOldLogEventEndIndex":1}}"#,
                RefusedEvents(tooOldEnd: 1, tooNewStart: 2)
            ),
            (
                #"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":99,"tooNewLogEventStartIndex":-99}}"#,
                RefusedEvents(tooOldEnd: 3, tooNewStart: 0)
            ),
            (#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":-5,"tooNewLogEventStartIndex":3}}"#, .none),
            (#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":"1","tooNewLogEventStartIndex":1.5}}"#, .none),
        ] as [(String, RefusedEvents)]
    )
    func accepted(_ body: String, _ expected: RefusedEvents) {
        let transport = ScriptedTransport(.answer(200, body))
        #expect(service(transport).send(batch("a", "b", "c")) == .accepted(expected))
    }

    @Test(
        "does not take a success for one unless it is the service's",
        arguments: [
            (200, "<html>Please log in</html>"), (200, "{\"next"), (200, "[]"), (200, "null"), (200, "\"ok\""),
            (200, " "),
            (204, ""), (202, ""), (200, ""),
        ]
    )
    func portal(_ status: Int, _ body: String) {
        let outcome = service(ScriptedTransport(.answer(status, body))).send(batch("x"))
        guard case .transient(let failure) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(failure.code == "UnexpectedAnswer")
    }

    @Test(
        "says what became of a request without an answer",
        arguments: [
            (.connection, "ConnectionError", false), (.timeout, "Timeout", false),
            (.tooLarge, "UnexpectedAnswer", false),
            (.cancelled, "Cancelled", false), (.certificate(.untrusted), "CertificateError", true),
            (.unusable, "RequestError", true),
        ] as [(HTTPError.Kind, String, Bool)]
    )
    func unanswered(_ kind: HTTPError.Kind, _ code: String, isDenied: Bool) {
        let outcome = service(ScriptedTransport(.failure(kind))).send(batch("x"))
        let failure = outcome.failure ?? DeliveryFailure(code: "", message: "")
        #expect(outcome == (isDenied ? .denied(failure) : .transient(failure)))
        #expect(failure.code == code)
        #expect(failure.message.hasPrefix("said the script in two lines"))
        #expect(failure.message.contains("AWS_CA_BUNDLE") == (kind == .certificate(.untrusted)))
    }

    @Test("passes on what the service refuses, after one try")
    func refused() {
        let transport = ScriptedTransport(.answer(400, #"{"__type":"InvalidParameterException","message":"m"}"#))
        #expect(
            service(transport).send(batch("x"))
                == .invalid(DeliveryFailure(code: "InvalidParameterException", message: "m", mayHaveArrived: false))
        )
        #expect(transport.requests.count == 1)
    }

    // MARK: Configuration

    @Test("is denied, with the remedy and without a request, while there is no region or no endpoint")
    func noEndpoint() {
        let transport = ScriptedTransport()
        var environment = Self.environment
        environment["AWS_REGION"] = nil
        let noRegion = service(transport, environment: environment).send(batch("x")).failure
        #expect(noRegion?.code == "NoRegion")
        #expect(noRegion?.message.contains("AWS_REGION") == true)
        environment["AWS_REGION"] = "a/b"
        let badRegion = service(transport, environment: environment).send(batch("x"))
        #expect(badRegion.failure?.code == "InvalidEndpoint")
        guard case .denied = badRegion else {
            Issue.record("\(badRegion)")
            return
        }
        #expect(transport.requests.isEmpty)
    }

    @Test("looks for credentials again while there are none, and keeps them once it has them")
    func credentials() throws {
        let directory = try TemporaryDirectory()
        let transport = ScriptedTransport(.answer(200, "{}"), .answer(200, "{}"))
        let service = service(
            transport,
            environment: [
                "AWS_REGION": "r", "AWS_SHARED_CREDENTIALS_FILE": directory.file("credentials"),
                "AWS_EC2_METADATA_DISABLED": "true",
            ]
        )
        let outcome = service.send(batch("x"))
        guard case .denied(let failure) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(failure.code == "NoCredentials")
        #expect(failure.message.contains("set AWS_ACCESS_KEY_ID"))
        #expect(transport.requests.isEmpty)

        let file = try directory.write(
            "[default]\naws_access_key_id = FROMFILE\naws_secret_access_key = S\n",
            to: "credentials"
        )
        #expect(service.send(batch("x")) == .accepted(.none))
        try FileManager.default.removeItem(atPath: file)
        #expect(service.send(batch("x")) == .accepted(.none))
        #expect(transport.requests.allSatisfy { field("Authorization", $0)?.contains("FROMFILE") == true })
    }

    @Test(
        "is denied, without a request, a destination that CloudWatch Logs cannot have",
        arguments: [
            ("", "s"), ("g", ""), ("a b", "s"), ("é", "s"), ("g:x", "s"), ("g", "a:b"), ("g", "*"),
            (String(repeating: "g", count: 513), "s"), ("g", String(repeating: "é", count: 513)),
        ]
    )
    func invalidDestination(_ group: String, _ stream: String) {
        let transport = ScriptedTransport()
        let destination = Destination(logGroup: group, logStream: stream)
        for outcome in [
            service(transport).send(EventBatch(destination: destination)), service(transport).create(destination),
        ] {
            #expect(outcome.failure?.code == "InvalidDestination")
            if case .denied = outcome {} else { Issue.record("\(outcome)") }
        }
        #expect(transport.requests.isEmpty)
    }

    @Test("takes the longest names, and every character that is allowed")
    func validDestination() {
        let transport = ScriptedTransport(.answer(200, "{}"))
        let group = String(repeating: "g", count: 496) + "/aZ09_-.#" + "/aZ09_-"
        let destination = Destination(logGroup: group, logStream: String(repeating: "é", count: 512))
        #expect(service(transport).send(EventBatch(destination: destination)) == .accepted(.none))
    }

    // MARK: Fresh signatures

    @Test("sends again at once, once, with fresh credentials and by the clock of the service")
    func freshSignature() throws {
        let directory = try TemporaryDirectory()
        func write(_ key: String) throws {
            try directory.write(
                "[default]\naws_access_key_id = \(key)\naws_secret_access_key = S\n",
                to: "credentials"
            )
        }
        try write("OLD")
        let date = HTTPHeader("Date", "Sun, 30 Aug 2015 13:36:00 GMT")
        let transport = ScriptedTransport(
            .answer(200, "{}"),
            .answer(400, #"{"__type":"ExpiredTokenException"}"#, [date]),
            .answer(200, "{}"),
            .answer(200, "{}")
        )
        let service = service(
            transport,
            environment: ["AWS_REGION": "r", "AWS_SHARED_CREDENTIALS_FILE": directory.file("credentials")]
        )
        #expect(service.send(batch("x")) == .accepted(.none))
        try write("NEW")
        #expect(service.send(batch("x")) == .accepted(.none))
        #expect(service.send(batch("x")) == .accepted(.none))
        let keys = transport.requests.map { field("Authorization", $0)?.contains("Credential=NEW/") }
        #expect(keys == [false, false, true, true])
        // The clock is an hour behind the service's.
        #expect(
            transport.requests.map { field("X-Amz-Date", $0) }
                == ["20150830T123600Z", "20150830T123600Z", "20150830T133600Z", "20150830T133600Z"]
        )
    }

    @Test("is denied if fresh credentials do not help, and tries afresh next time")
    func freshSignatureInVain() {
        let refusal = ScriptedTransport.Step.answer(
            403,
            "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"
        )
        let transport = ScriptedTransport(refusal, refusal, .answer(200, "{}"))
        let service = service(transport)
        let outcome = service.send(batch("x"))
        guard case .denied(let failure) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(failure.code == "SignatureDoesNotMatch")
        #expect(failure.message.hasPrefix("no; check the secret access key"))
        #expect(transport.requests.count == 2)
        #expect(service.send(batch("x")) == .accepted(.none))
    }

    @Test("passes on a cancellation")
    func cancel() {
        let transport = ScriptedTransport()
        service(transport).cancel()
        #expect(transport.isCancelled)
    }
}
