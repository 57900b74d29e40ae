/// How long to wait before trying again: "full jitter", a random time up to a limit that doubles with each failure.
///
/// | failures in a row | waits up to |
/// |------------------:|------------:|
/// |                 1 |     200 ms  |
/// |                 2 |     400 ms  |
/// |                 3 |     800 ms  |
/// |                 8 |      25.6 s |
/// |         9 and more|      30 s   |
///
/// Full jitter spreads many clients evenly after an outage: see "Exponential Backoff And Jitter", AWS Architecture Blog.
package struct Backoff: Sendable, Equatable {
    /// The limit after the first failure, in milliseconds.
    package var base: Int64
    /// The highest limit, in milliseconds.
    package var cap: Int64

    package init(base: Int64, cap: Int64) {
        self.base = base
        self.cap = cap
    }

    /// For what heals by itself: throttling, 5xx, the network.
    package static let transient = Backoff(base: 200, cap: 30_000)
    /// For what a person must mend: permissions, credentials, configuration.
    package static let denied = Backoff(base: 5_000, cap: 60_000)
    /// The longest wait that a service may ask for with `Retry-After`, in milliseconds.
    package static let longestRetryAfter: Int64 = 300_000

    /// Milliseconds to wait.
    ///
    /// - Parameters:
    ///   - failures: how many times in a row it failed, from 1.
    ///   - fraction: a random number from 0 up to 1.
    package func delay(failures: Int, fraction: Double) -> Int64 {
        // Capped before shifting, so that no number of failures overflows.
        let doublings = min(max(failures, 1) - 1, 30)
        let limit = min(cap, base << Int64(doublings))
        return Int64(Double(limit) * min(max(fraction, 0), 1))
    }
}
