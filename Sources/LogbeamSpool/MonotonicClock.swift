#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Time that never goes back, in nanoseconds since some moment in the past.
package enum MonotonicClock {
    package static func nanoseconds() -> UInt64 {
        read(CLOCK_MONOTONIC)
    }

    package static func milliseconds() -> Int64 {
        Int64(clamping: nanoseconds() / 1_000_000)
    }

    package static func sleep(nanoseconds: UInt64) {
        var time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        nanosleep(&time, nil)
    }

    fileprivate static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(max(0, time.tv_sec)) &* 1_000_000_000 &+ UInt64(max(0, time.tv_nsec))
    }
}

/// The time of day.
package enum WallClock {
    /// Microseconds since 1970-01-01T00:00:00Z.
    package static func microseconds() -> Int64 {
        Int64(clamping: MonotonicClock.read(CLOCK_REALTIME) / 1000)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    package static func milliseconds() -> Int64 {
        microseconds() / 1000
    }
}

extension Duration {
    /// Whole nanoseconds, 0 for a negative duration, at most about 292 years.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(min(seconds, 9_000_000_000)) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}
