internal import Synchronization

/// Whether the disk may lack something. It does until all is written again that was written before the last failure: while
/// that goes on too, and where something fails meanwhile.
struct Doubt: ~Copyable {
    private let failures = Atomic<Int>(0)
    /// How many of them are made good.
    private let settled = Atomic<Int>(0)

    var isThere: Bool { settled.load(ordering: .acquiring) != failures.load(ordering: .acquiring) }

    func raise() { failures.add(1, ordering: .acquiringAndReleasing) }

    /// Returns whether there was anything to settle.
    func settle(_ body: () throws(SpoolError) -> Void) throws(SpoolError) -> Bool {
        let known = failures.load(ordering: .acquiring)
        guard settled.load(ordering: .acquiring) != known else { return false }
        try body()
        settled.max(known, ordering: .acquiringAndReleasing)
        return true
    }
}
