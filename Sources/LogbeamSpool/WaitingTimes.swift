/// How long threads wait in which way for a commit by others, in nanoseconds: see ``CommitQueue``.
struct WaitingTimes {
    /// For how long a waiting thread lets others run before it sleeps: longer than most rounds take, for being woken costs
    /// as much as a commit.
    var yield: UInt64 = 200_000
    /// For how long one that waits alone for a write of another kind keeps its core before it sleeps: longer than most
    /// commits take.
    var spin: UInt64 = 100_000
    /// For how long a record that waits alone is left to the core on which the lock was taken last: as long as a commit
    /// takes.
    var lastCore: UInt64 = 10_000
    /// How long a thread sleeps at most before it looks again. Nothing relies on it. Where the time of day is set back
    /// meanwhile, it sleeps for longer, until whoever looks after its record wakes it.
    var longestSleep: UInt64 = 100_000_000
}
