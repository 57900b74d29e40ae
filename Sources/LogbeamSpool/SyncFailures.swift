internal import Synchronization

/// Whether the disk may lack something. It does until all is written again that was written before the last failure: while
/// that goes on too, and where something fails meanwhile.
///
/// To write all of it again takes long, and who logs may wait for it: where the disk does not take it, nobody tries for ten
/// times as long as that took.
struct SyncFailures: ~Copyable {
    private let failures = Atomic<Int>(0)
    /// How many of them are made good.
    private let resolved = Atomic<Int>(0)
    private let isSuspected = Atomic<Bool>(false)
    /// In nanoseconds of the clock.
    private let pausedUntil = Atomic<UInt64>(0)
    private let clock: @Sendable () -> UInt64

    init(clock: @escaping @Sendable () -> UInt64 = MonotonicClock.nanoseconds) { self.clock = clock }

    var areThere: Bool { resolved.load(ordering: .acquiring) != failures.load(ordering: .acquiring) }

    /// Also where nobody knows.
    var mayBeThere: Bool { isSuspected.load(ordering: .acquiring) || areThere }

    func note() { failures.add(1, ordering: .acquiringAndReleasing) }

    /// Nobody knows, until somebody asks to have it resolved.
    func suspect() { isSuspected.store(true, ordering: .releasing) }

    /// Returns whether there was anything to resolve.
    ///
    /// - Parameter path: of the spool, for the error.
    func resolve(at path: String, _ body: () throws(SpoolError) -> Void) throws(SpoolError) -> Bool {
        if isSuspected.load(ordering: .acquiring) {
            // In this order: nobody finds neither.
            note()
            isSuspected.store(false, ordering: .releasing)
        }
        let known = failures.load(ordering: .acquiring)
        guard resolved.load(ordering: .acquiring) != known else { return false }
        let start = clock()
        guard start >= pausedUntil.load(ordering: .relaxed) else { throw .notWrittenAgain(path) }
        do throws(SpoolError) {
            try body()
        } catch {
            let end = clock()
            if error.kind != .busy { pausedUntil.store(end &+ 10 * (end &- start), ordering: .relaxed) }
            throw error
        }
        resolved.max(known, ordering: .acquiringAndReleasing)
        return true
    }
}
