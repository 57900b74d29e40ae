#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import Synchronization

/// A mutual exclusion that can be waited for until a deadline and no longer, so that `log()` has a bound.
// @unchecked: the mutex lies at an address of its own and is only used through pthread's thread-safe functions.
package final class TimedLock: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    let waiters = Atomic<Int>(0)
    /// How many times a thread that had to wait got the lock.
    private let served = Atomic<Int>(0)

    package init() {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// False if another thread has the lock.
    func tryLock() -> Bool {
        pthread_mutex_trylock(mutex) == 0
    }

    /// False if the lock was not to be had by the deadline, in nanoseconds of ``MonotonicClock``.
    package func lock(until deadline: UInt64) -> Bool {
        if tryLock() { return true }
        waiters.add(1, ordering: .relaxed)
        defer { waiters.subtract(1, ordering: .relaxed) }
        while true {
            let now = MonotonicClock.nanoseconds()
            guard now < deadline else { return false }
            #if os(Linux)
            // The wait is told as a time of day, for want of pthread_mutex_clocklock in Swift's Glibc. Where the clock is
            // set back meanwhile, it lasts until whoever holds the lock lets go, which is bounded too.
            let wakeUp = WallClock.microseconds() + Int64(min(deadline - now, 100_000_000) / 1000)
            var time = timespec(tv_sec: Int(wakeUp / 1_000_000), tv_nsec: Int(wakeUp % 1_000_000) * 1000)
            if pthread_mutex_timedlock(mutex, &time) == 0 { break }
            #else
            MonotonicClock.sleep(nanoseconds: 20_000)
            if tryLock() { break }
            #endif
        }
        served.add(1, ordering: .relaxed)
        return true
    }

    /// Waits for as long as it takes: where whoever holds it is sure to let go.
    func lock() {
        _ = lock(until: .max)
    }

    var hasWaiters: Bool { waiters.load(ordering: .relaxed) > 0 }

    package func unlock() {
        pthread_mutex_unlock(mutex)
    }

    /// Lets a waiting thread have the lock before the caller asks for it again: a mutex is not fair, and a waiter that
    /// is only just waking up would lose to a thread that is awake. Sleeps at most 100 times 20 µs, and what the system
    /// adds to that.
    func giveWay(looks: Int = 100) {
        let before = served.load(ordering: .relaxed)
        for _ in 0..<looks {
            guard hasWaiters, served.load(ordering: .relaxed) == before else { return }
            MonotonicClock.sleep(nanoseconds: 20_000)
        }
    }
}
