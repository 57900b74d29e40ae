import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamAWS

@Suite("Credentials cache")
struct CredentialsCacheTests {
    /// Gives out numbered credentials with an hour to go, and says when it was asked.
    private final class Source: Sendable {
        private let state = Mutex<(asked: [Int64], failures: Int)>(([], 0))

        var asked: [Int64] { state.withLock { $0.asked } }

        func fail(_ times: Int) { state.withLock { $0.failures = times } }

        func find(at time: Int64) throws(CredentialsError) -> CredentialsChain.Found {
            let (number, fails) = state.withLock { state in
                state.asked.append(time)
                state.failures -= 1
                return (state.asked.count, state.failures >= 0)
            }
            if fails { throw .unavailable(source: "test", reason: "failure \(number)") }
            return CredentialsCacheTests.found("KEY\(number)", expiration: time + 3_600)
        }
    }

    private static func found(_ key: String, expiration: Int64?) -> CredentialsChain.Found {
        CredentialsChain.Found(
            credentials: Credentials(accessKeyID: key, secretAccessKey: "S", expiration: expiration),
            source: "test",
            place: "here"
        )
    }

    private func cache(_ source: Source) -> CredentialsCache {
        CredentialsCache(looking: { (time) throws(CredentialsError) in try source.find(at: time) })
    }

    @Test(
        "goes by the time that is left",
        arguments: [
            (nil, .fresh), (901, .fresh), (900, .fresh), (899, .aging), (600, .aging), (599, .ending), (1, .ending),
            (0, .over), (-1, .over),
        ] as [(Int64?, CredentialsAge)]
    )
    func age(_ left: Int64?, _ expected: CredentialsAge) {
        #expect(CredentialsAge(expiration: left.map { 1_000_000 + $0 }, at: 1_000_000) == expected)
    }

    @Test("looks once, and again a quarter of an hour before the end")
    func ahead() throws {
        let source = Source()
        let cache = cache(source)
        for (time, key) in [(0, "KEY1"), (2_700, "KEY1"), (2_701, "KEY2"), (2_702, "KEY2"), (9_000, "KEY3")] {
            #expect(try cache.credentials(at: Int64(time)).accessKeyID == key)
        }
        #expect(source.asked == [0, 2_701, 9_000])
    }

    @Test("looks no more than once a minute for what is never fresh")
    func brief() throws {
        let asked = Mutex<[Int64]>([])
        let cache = CredentialsCache(looking: { time in
            asked.withLock { $0.append(time) }
            return Self.found("KEY", expiration: time + 500)
        })
        for time in [0, 1, 59, 60, 61, 119, 120, 700, 701] as [Int64] { _ = try cache.credentials(at: time) }
        #expect(asked.withLock { $0 } == [0, 60, 120, 700])
    }

    @Test("never looks again for what never ends")
    func endless() throws {
        let count = Atomic(0)
        let cache = CredentialsCache(looking: { _ in
            count.add(1, ordering: .sequentiallyConsistent)
            return Self.found("KEY", expiration: nil)
        })
        for time in [0, 1_000_000, .max] as [Int64] { #expect(try cache.credentials(at: time).accessKeyID == "KEY") }
        #expect(count.load(ordering: .sequentiallyConsistent) == 1)
    }

    @Test("keeps what is still good when a lookup fails, tells of it, and looks again once a minute")
    func failing() throws {
        let source = Source()
        let cache = cache(source)
        _ = try cache.credentials(at: 0)
        source.fail(2)
        for time in [2_701, 2_702, 2_760] as [Int64] { #expect(try cache.credentials(at: time).accessKeyID == "KEY1") }
        #expect(source.asked == [0, 2_701])
        #expect(
            cache.trouble(at: 2_760)
                == "the credentials end at 1970-01-01T01:00:00.000Z and cannot be renewed: "
                + "no AWS credentials from test at the moment: failure 2"
        )
        #expect(try cache.credentials(at: 2_761).accessKeyID == "KEY1")
        #expect(try cache.credentials(at: 2_821).accessKeyID == "KEY4")
        #expect(source.asked == [0, 2_701, 2_761, 2_821])
        #expect(cache.trouble(at: 2_821) == nil)
    }

    @Test("has none when the last ones have ended, and looks at every call then")
    func over() throws {
        let source = Source()
        let cache = cache(source)
        _ = try cache.credentials(at: 0)
        source.fail(3)
        #expect(try cache.credentials(at: 3_599).accessKeyID == "KEY1")
        for number in 3...4 {
            #expect(throws: CredentialsError.unavailable(source: "test", reason: "failure \(number)")) {
                try cache.credentials(at: 3_600)
            }
            #expect(cache.trouble(at: 3_600) == nil)
        }
        #expect(try cache.credentials(at: 3_600).accessKeyID == "KEY5")
    }

    @Test("looks again for what AWS does not take, and only for that")
    func doubt() throws {
        let source = Source()
        let cache = cache(source)
        let first = try cache.credentials(at: 0)
        cache.doubt(first, areWorthless: false)
        source.fail(1)
        #expect(try cache.credentials(at: 1).accessKeyID == "KEY1")
        #expect(try cache.credentials(at: 2).accessKeyID == "KEY1")
        #expect(source.asked == [0, 1])
        cache.doubt(first, areWorthless: true)
        #expect(try cache.credentials(at: 3).accessKeyID == "KEY3")
        cache.doubt(first, areWorthless: true)
        #expect(try cache.credentials(at: 4).accessKeyID == "KEY3")
        source.fail(1)
        cache.doubt(try cache.credentials(at: 5), areWorthless: true)
        #expect(throws: CredentialsError.self) { try cache.credentials(at: 6) }
    }

    @Test("makes one lookup however many threads ask, and lets none wait for it while there is time")
    func threads() async throws {
        let gate = Gate()
        let count = Atomic(0)
        let cache = CredentialsCache(looking: { time in
            let number = count.add(1, ordering: .sequentiallyConsistent).newValue
            if number > 1 { gate.pass() }
            return Self.found("KEY\(number)", expiration: time + 3_600)
        })
        _ = try cache.credentials(at: 0)
        try await onOwnThreads {
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try cache.credentials(at: 2_800).accessKeyID }
                #expect(gate.waitForArrivals())
                // The lookup hangs; whoever asks with a quarter of an hour to go gets the old ones at once.
                for _ in 0..<8 { #expect(try cache.credentials(at: 2_800).accessKeyID == "KEY1") }
                // With less than ten minutes to go they wait for the new ones.
                for _ in 0..<16 { group.addTask { try cache.credentials(at: 3_100).accessKeyID } }
                gate.open()
                for try await key in group { #expect(key == "KEY2") }
            }
        }
        #expect(count.load(ordering: .sequentiallyConsistent) == 2)
    }

    @Test("shows no secret, however it is printed")
    func description() throws {
        let cache = CredentialsCache(looking: { _ in
            CredentialsChain.Found(
                credentials: Credentials(accessKeyID: "AKID", secretAccessKey: "hidden", sessionToken: "hidden"),
                source: "test",
                place: "here"
            )
        })
        let found = try cache.credentials(at: 0)
        var texts = ["\(cache)", String(reflecting: cache), String(reflecting: found)]
        var dumped = ""
        dump(cache, to: &dumped)
        texts.append(dumped)
        for text in texts { #expect(!text.contains("hidden")) }
        #expect(cache.source == "test (here)")
    }
}
