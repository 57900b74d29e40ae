internal import CSQLite

/// How long, and how, a connection waits while another process holds a lock.
///
/// SQLite's own `sqlite3_busy_timeout` sleeps for at least a millisecond; a commit takes about ten microseconds. So the
/// first waits here are of microseconds, and they double up to two milliseconds until the deadline.
final class BusyPolicy {
    /// In nanoseconds of ``MonotonicClock``. Set anew before each operation.
    var deadline: UInt64 = 0

    /// The policy must outlive the connection: the connection owns it.
    func install(on handle: OpaquePointer) {
        sqlite3_busy_handler(
            handle,
            { context, attempt in
                guard let context else { return 0 }
                let policy = Unmanaged<BusyPolicy>.fromOpaque(context).takeUnretainedValue()
                return policy.wait(attempt: Int(attempt)) ? 1 : 0
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
    }

    /// Waits before an attempt. False, at once, if it is too late for one.
    func wait(attempt: Int) -> Bool {
        let now = MonotonicClock.nanoseconds()
        guard now < deadline else { return false }
        MonotonicClock.sleep(nanoseconds: min(Self.wait(attempt: attempt), deadline - now))
        return true
    }

    /// Nanoseconds to wait before an attempt: 20 µs, 40 µs, 80 µs, ... 2 ms.
    static func wait(attempt: Int) -> UInt64 {
        min(2_000_000, 20_000 << UInt64(min(max(attempt, 0), 7)))
    }
}
