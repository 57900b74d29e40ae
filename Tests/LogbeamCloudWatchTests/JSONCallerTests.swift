import LogbeamAWS
import LogbeamCore
import Synchronization
import Testing

@testable import LogbeamCloudWatch

@Suite("JSON caller")
struct JSONCallerTests {
    /// Gives out temporary credentials that end 1,000 seconds later, with a new key each time.
    private final class Source: Sendable {
        private let clock: Mutex<Int64>
        private let given = Atomic(0)
        private let failure: CredentialsError?

        init(now: Int64, failure: CredentialsError? = nil) {
            clock = Mutex(now)
            self.failure = failure
        }

        var now: Int64 { clock.withLock { $0 } }

        func advance(by seconds: Int64) { clock.withLock { $0 += seconds } }

        func find(at time: Int64) throws(CredentialsError) -> CredentialsChain.Found {
            let number = given.add(1, ordering: .sequentiallyConsistent).newValue
            if let failure, number > 1 { throw failure }
            return CredentialsChain.Found(
                credentials: Credentials(
                    accessKeyID: "KEY\(number)",
                    secretAccessKey: "S",
                    sessionToken: "TOKEN\(number)",
                    expiration: time + 1_000
                ),
                source: "the test",
                place: "here"
            )
        }
    }

    private func caller(_ source: Source, _ transport: ScriptedTransport) -> JSONCaller {
        JSONCaller(
            service: AWSService(endpointPrefix: "logs", environmentID: "X"),
            targetPrefix: "Prefix",
            endpoint: { Endpoint(region: "r", origin: "https://h", host: "h", path: "/") },
            credentials: CredentialsCache(looking: { (time) throws(CredentialsError) in try source.find(at: time) }),
            transport: transport,
            compresses: false,
            now: { source.now }
        )
    }

    private func tokens(_ transport: ScriptedTransport) -> [String?] {
        transport.requests.map { request in request.headers.first { $0.isNamed("X-Amz-Security-Token") }?.value }
    }

    @Test("replaces temporary credentials a quarter of an hour before they end, and not sooner")
    func expiration() {
        let source = Source(now: 1_440_938_160)
        let transport = ScriptedTransport(.answer(200, "{}"), .answer(200, "{}"), .answer(200, "{}"))
        let caller = caller(source, transport)
        for seconds in [0, 100, 1] as [Int64] {
            source.advance(by: seconds)
            if case .success = caller.call("Operation", []) {} else { Issue.record("the call did not succeed") }
        }
        #expect(tokens(transport) == ["TOKEN1", "TOKEN1", "TOKEN2"])
    }

    @Test("goes on with credentials that cannot be replaced, until they end, and tells of it")
    func failingRefresh() {
        let source = Source(now: 1_440_938_160, failure: .unavailable(source: "STS", reason: "no answer"))
        let transport = ScriptedTransport(.answer(200, "{}"), .answer(200, "{}"))
        let caller = caller(source, transport)
        _ = caller.call("Operation", [])
        #expect(caller.credentialsTrouble == nil)
        source.advance(by: 999)
        if case .success = caller.call("Operation", []) {} else { Issue.record("the call did not succeed") }
        #expect(tokens(transport) == ["TOKEN1", "TOKEN1"])
        #expect(
            caller.credentialsTrouble
                == "the credentials end at 2015-08-30T12:52:40.000Z and cannot be renewed: "
                + "no AWS credentials from STS at the moment: no answer"
        )
        source.advance(by: 1)
        let result = caller.call("Operation", [])
        guard case .undelivered(.transient(let failure)) = result else {
            Issue.record("the call came to \(result)")
            return
        }
        #expect(failure.code == "NoCredentials")
        #expect(!failure.mayHaveArrived)
        #expect(transport.requests.count == 2)
    }
}
