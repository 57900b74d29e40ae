import LogbeamCore
import Testing

@Suite("Backoff doubles up to its cap")
struct BackoffTests {
    @Test(
        "waits up to",
        arguments: [
            (Backoff.transient, 1, 200), (.transient, 2, 400), (.transient, 3, 800), (.transient, 8, 25_600),
            (.transient, 9, 30_000), (.transient, 1_000, 30_000),
            (.denied, 1, 5_000), (.denied, 4, 40_000), (.denied, 5, 60_000), (.denied, 100, 60_000),
        ] as [(Backoff, Int, Int64)]
    )
    func limit(backoff: Backoff, failures: Int, limit: Int64) {
        #expect(backoff.delay(failures: failures, fraction: 1) == limit)
        #expect(backoff.delay(failures: failures, fraction: 0.5) == limit / 2)
        #expect(backoff.delay(failures: failures, fraction: 0) == 0)
    }

    @Test("bears any number of failures and any fraction")
    func extremes() {
        #expect(Backoff.transient.delay(failures: .max, fraction: 1) == 30_000)
        #expect(Backoff.transient.delay(failures: 0, fraction: 1) == 200)
        #expect(Backoff.transient.delay(failures: .min, fraction: 1) == 200)
        #expect(Backoff.transient.delay(failures: 1, fraction: 99) == 200)
        #expect(Backoff.transient.delay(failures: 1, fraction: -.infinity) == 0)
    }
}
