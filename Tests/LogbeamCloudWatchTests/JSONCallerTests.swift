import LogbeamAWS
import Synchronization
import Testing

@testable import LogbeamCloudWatch

@Suite("JSON caller")
struct JSONCallerTests {
    /// Temporary credentials that end 100 seconds after they were given out, with a new key each time.
    private final class TemporaryCredentials: CredentialsSource {
        private let clock: Mutex<Int64>
        private let given = Atomic(0)
        let name = "the test"

        init(now: Int64) { clock = Mutex(now) }

        var now: Int64 { clock.withLock { $0 } }

        func advance(by seconds: Int64) { clock.withLock { $0 += seconds } }

        func find() -> CredentialsLookup {
            let number = given.add(1, ordering: .sequentiallyConsistent).newValue
            return .found(
                Credentials(
                    accessKeyID: "KEY\(number)",
                    secretAccessKey: "S",
                    sessionToken: "TOKEN\(number)",
                    expiration: now + 100
                )
            )
        }
    }

    @Test("replaces temporary credentials a minute before they end, and not sooner")
    func expiration() {
        let source = TemporaryCredentials(now: 1_440_938_160)
        let transport = ScriptedTransport(.answer(200, "{}"), .answer(200, "{}"), .answer(200, "{}"))
        let caller = JSONCaller(
            service: AWSService(endpointPrefix: "logs", environmentID: "X"),
            targetPrefix: "Prefix",
            endpoint: .success(Endpoint(region: "r", origin: "https://h", host: "h", path: "/")),
            credentials: CredentialsChain([source]),
            transport: transport,
            compresses: false,
            now: { source.now }
        )
        for seconds in [0, 39, 1] as [Int64] {
            source.advance(by: seconds)
            if case .success = caller.call("Operation", []) {} else { Issue.record("the call did not succeed") }
        }
        let tokens = transport.requests.map { request in
            request.headers.first { $0.isNamed("X-Amz-Security-Token") }?.value
        }
        #expect(tokens == ["TOKEN1", "TOKEN1", "TOKEN2"])
    }
}
