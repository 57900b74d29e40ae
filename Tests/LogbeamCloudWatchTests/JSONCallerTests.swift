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

    // MARK: The clock, where credentials are had by time themselves

    /// 2015-08-30T12:36:00Z, a while later.
    private static let now: Int64 = 1_440_938_160

    /// When credentials were looked for.
    private final class Lookups: Sendable {
        private let state = Mutex<[Int64]>([])
        var times: [Int64] { state.withLock { $0 } }
        func add(_ time: Int64) { state.withLock { $0.append(time) } }
    }

    /// The answer of whoever is asked for the time.
    private static func greeting(_ date: String) -> ScriptedTransport.Step {
        .answer(404, "", [HTTPHeader("Date", date)])
    }

    /// Gives credentials by the right clock alone, as STS does.
    private func caller(
        _ transport: ScriptedTransport,
        failure: CredentialsError = .unusable(source: "STS", reason: "Signature expired"),
        _ lookups: Lookups
    ) -> JSONCaller {
        JSONCaller(
            service: AWSService(endpointPrefix: "logs", environmentID: "X"),
            targetPrefix: "Prefix",
            endpoint: { Endpoint(region: "r", origin: "https://h", host: "h", path: "/") },
            credentials: CredentialsCache(looking: { (time) throws(CredentialsError) in
                lookups.add(time)
                guard time == Self.now + 3_600 else { throw failure }
                return .init(
                    credentials: Credentials(accessKeyID: "K", secretAccessKey: "S", expiration: time + 3_600),
                    source: "STS",
                    place: "here"
                )
            }),
            transport: transport,
            compresses: false,
            now: { Self.now }
        )
    }

    @Test("asks for the time where what gives credentials takes none of ours")
    func clockOfCredentials() {
        let transport = ScriptedTransport(
            Self.greeting("Sun, 30 Aug 2015 13:36:00 GMT"),
            .answer(200, "{}"),
            .answer(200, "{}")
        )
        let lookups = Lookups()
        let caller = caller(transport, lookups)
        for _ in 1...2 {
            if case .success = caller.call("Operation", []) {} else { Issue.record("the call did not succeed") }
        }
        #expect(lookups.times == [Self.now, Self.now + 3_600])
        #expect(transport.operations == ["", "Operation", "Operation"])
        let dates = transport.requests.map { request in request.headers.first { $0.isNamed("X-Amz-Date") }?.value }
        #expect(dates == [nil, "20150830T133600Z", "20150830T133600Z"])
    }

    @Test("asks once, and looks no second time where the clock is right, is not told, or has nothing to do with it")
    func clockIsNotToBlame() {
        func looks(_ transport: ScriptedTransport, failure: CredentialsError? = nil) -> Int {
            let lookups = Lookups()
            let caller =
                failure.map { self.caller(transport, failure: $0, lookups) } ?? self.caller(transport, lookups)
            guard case .undelivered(let outcome) = caller.call("Operation", []) else { return -1 }
            #expect(outcome.failure?.code == "NoCredentials")
            return lookups.times.count
        }
        let right = ScriptedTransport(Self.greeting("Sun, 30 Aug 2015 12:41:00 GMT"))
        #expect(looks(right) == 1 && right.requests.count == 1)
        let untold = ScriptedTransport(.answer(404, ""))
        #expect(looks(untold) == 1 && untold.requests.count == 1)
        let away = ScriptedTransport(.failure(.connection))
        #expect(looks(away) == 1 && away.requests.count == 1)
        let none = ScriptedTransport()
        #expect(looks(none, failure: .notFound(tried: ["nowhere"])) == 1 && none.requests.isEmpty)
        #expect(looks(none, failure: .unavailable(source: "STS", reason: "away")) == 1 && none.requests.isEmpty)
    }
}
