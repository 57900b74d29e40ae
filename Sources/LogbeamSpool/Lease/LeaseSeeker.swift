internal import LogbeamCore

/// Stands by for the upload lease of a spool: takes it when it is free, or when its holder has lapsed.
///
/// Not Sendable: belongs to one thread, which looks again after each ``pause(chance:)``.
package struct LeaseSeeker {
    private let spool: Spool
    private let lapse: Duration
    private var watch: LeaseWatch
    private let now: () -> Int64

    /// - Parameters:
    ///   - lapse: how long a holder may show no sign of life; a second at least.
    ///   - now: milliseconds of the monotonic clock.
    package init(
        spool: Spool,
        lapse: Duration = UploadLease.defaultLapse,
        now: @escaping () -> Int64 = MonotonicClock.milliseconds
    ) {
        self.spool = spool
        self.lapse = lapse
        self.now = now
        watch = LeaseWatch(lapse: lapse.milliseconds)
    }

    /// The lease; `nil` if it is not to be had now.
    package mutating func seek() throws(SpoolError) -> UploadLease? {
        if let lease = try UploadLease.acquire(spool, lapse: lapse) { return lease }
        guard let sighting = UploadLease.sighting(spool.path), watch.look(sighting, at: now()) else { return nil }
        watch.forget()
        return try UploadLease.supersede(sighting, of: spool, lapse: lapse)
    }

    /// How long to rest between two looks, in milliseconds.
    ///
    /// - Parameter chance: a random number from 0 up to 1.
    package func pause(chance: Double) -> Int64 {
        LeaseWatch.pause(lapse: watch.lapse, chance: chance)
    }
}
