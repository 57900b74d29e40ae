internal import LogbeamCore

/// When to try again to move what is pending in files that are in use no more. For a try an upload loop must end, and
/// what it has on its way must come home first. Pure; times are in milliseconds of the monotonic clock.
struct MovePacing {
    /// For how long a moment is waited for in which nothing is on its way.
    private let patience: Int64
    /// The file that was in use at the last try: when another is, there is something that was not tried yet.
    private var file: ObjectIdentifier?
    private var failures = 0
    private var nextTry: Int64 = 0

    /// Without chance: only the process that uploads moves anything, so that no two could do so at once.
    private static let backoff = Backoff(base: 1_000, cap: 30_000)

    init(patience: Int64) {
        self.patience = patience
    }

    /// Whether it is time to try.
    ///
    /// - Parameter file: the one that is in use.
    func isDue(at now: Int64, into file: ObjectIdentifier) -> Bool { file != self.file || now >= nextTry }

    /// Whether it is time to end a loop for it: when nothing is on its way, or that has been waited for long enough.
    func endsLoop(at now: Int64, into file: ObjectIdentifier, inFlight: Int) -> Bool {
        isDue(at: now, into: file) && (inFlight == 0 || now - nextTry >= patience)
    }

    /// It was tried.
    ///
    /// - Parameter isDone: whether nothing is left to move.
    mutating func note(isDone: Bool, at now: Int64, into file: ObjectIdentifier) {
        failures = isDone ? 0 : file == self.file ? failures + 1 : 1
        nextTry = isDone ? 0 : now + Self.backoff.delay(failures: failures, fraction: 1)
        self.file = file
    }
}
