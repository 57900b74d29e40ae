#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import Synchronization

/// Where a thread leaves its record, and waits.
struct Seat: ~Copyable {
    enum State: UInt8, AtomicRepresentable {
        /// The thread is yet to look at the state, and to try the lock.
        case awake
        /// The thread does neither until it is woken.
        case asleep
        /// The record is committed.
        case committed
        /// The record is to be committed by its own thread.
        case alone
    }

    struct Content {
        var record: NewRecord
        /// Valid when the record is committed.
        var id: Int64
    }

    let state = Atomic<State>(.awake)
    // At an address of its own, so that no access to it is one to the state, which others look at at any time. Belongs to
    // the thread in the seat; from when the record is taken until the state says what became of it, to who took it.
    let content = UnsafeMutablePointer<Content>.allocate(capacity: 1)
    #if os(Linux)
    // At an address that does not change, as `sem_t` demands.
    private let alarm = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    #endif

    init() {
        let none = NewRecord(stream: 0, timestamp: 0, message: UnsafeBufferPointer(start: nil, count: 0))
        content.initialize(to: Content(record: none, id: 0))
        #if os(Linux)
        alarm.initialize(to: sem_t())
        sem_init(alarm, 0, 0)
        #endif
    }

    deinit {
        content.deallocate()
        #if os(Linux)
        sem_destroy(alarm)
        alarm.deallocate()
        #endif
    }

    func change(from old: State, to new: State) -> Bool {
        state.compareExchange(expected: old, desired: new, ordering: .sequentiallyConsistent).exchanged
    }

    /// Returns after ``wake()``, when the time is over, or for no reason at all.
    func sleep(nanoseconds: UInt64) {
        #if os(Linux)
        // The end is told as a time of day, for want of sem_clockwait in Swift's Glibc.
        let end = WallClock.microseconds() + Int64(nanoseconds / 1000)
        var time = timespec(tv_sec: Int(end / 1_000_000), tv_nsec: Int(end % 1_000_000) * 1000)
        sem_timedwait(alarm, &time)
        #else
        MonotonicClock.sleep(nanoseconds: 20_000)
        #endif
    }

    /// Where the thread has left, this is for whoever sits there next, and for no reason.
    func wake() {
        #if os(Linux)
        sem_post(alarm)
        #endif
    }
}
