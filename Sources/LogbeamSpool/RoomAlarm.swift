internal import Synchronization

/// Where threads wait for room in a spool that is full.
///
/// Thread-safe.
final class RoomAlarm: Sendable {
    /// How often room was made, and how many threads wait for that.
    private let rings = Atomic<Int>(0)
    private let waiters = Atomic<Int>(0)
    private let hasEnded = Atomic<Bool>(false)
    // Not of `()`: ThreadSanitizer takes a field without a size for the head of its object.
    private let bell = Condition(0)

    /// To be read before it is looked whether there is room: see ``wait(since:until:)``.
    var count: Int { rings.load(ordering: .sequentiallyConsistent) }

    /// Nobody is to wait any more.
    var isClosed: Bool { hasEnded.load(ordering: .acquiring) }

    /// Waits until this process has made room since the count was that, for a tenth of a second at the most: room that another
    /// process makes tells nobody. Not beyond a time in nanoseconds of ``MonotonicClock``.
    func wait(since seen: Int, until deadline: UInt64) {
        waiters.add(1, ordering: .sequentiallyConsistent)
        defer { waiters.subtract(1, ordering: .relaxed) }
        let end = min(Int64(clamping: deadline / 1_000_000 + 1), MonotonicClock.milliseconds() + 100)
        _ = bell.wait(until: end) { _ in count != seen ? true : nil }
    }

    /// Room was made.
    func ring() {
        rings.add(1, ordering: .sequentiallyConsistent)
        // Whoever begins to wait later sees the sum.
        if waiters.load(ordering: .sequentiallyConsistent) > 0 { bell.change { $0 &+= 1 } }
    }

    /// Ends all waits.
    func close() {
        hasEnded.store(true, ordering: .releasing)
        ring()
    }
}
