internal import Synchronization

/// Whether the disk may lack something. It does until all is written again that was written before the last failure: while
/// that goes on too, and where something fails meanwhile.
struct Doubt: ~Copyable {
    private let failures = Atomic<Int>(0)
    /// How many of them are made good.
    private let resolved = Atomic<Int>(0)

    var isThere: Bool { resolved.load(ordering: .acquiring) != failures.load(ordering: .acquiring) }

    func raise() { failures.add(1, ordering: .acquiringAndReleasing) }

    /// Returns whether there was anything to resolve.
    func resolve(_ body: () throws(SpoolError) -> Void) throws(SpoolError) -> Bool {
        let known = failures.load(ordering: .acquiring)
        guard resolved.load(ordering: .acquiring) != known else { return false }
        try body()
        resolved.max(known, ordering: .acquiringAndReleasing)
        return true
    }
}
