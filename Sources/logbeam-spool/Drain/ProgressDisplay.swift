internal import Logbeam
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Draws a ``ProgressLine`` on the terminal of standard error, again and again at the same place.
final class ProgressDisplay {
    /// The shortest time between two drawings, in milliseconds.
    static let interval: Int64 = 100

    /// Whether a person reads there, on a terminal that can do more than print lines.
    static var isPossible: Bool { Terminal.at(STDERR_FILENO)?.canMove == true }

    private let total: Int
    private let start = MonotonicClock.milliseconds()
    private var lastDrawn: Int64?

    init(total: Int) {
        self.total = total
    }

    /// - Parameter waitingUntil: the next try, in milliseconds of the monotonic clock.
    func show(_ totals: UploadLoop.Totals, waitingUntil time: Int64? = nil, because failure: String? = nil) {
        let now = MonotonicClock.milliseconds()
        if let lastDrawn, now - lastDrawn < Self.interval { return }
        lastDrawn = now
        let line = ProgressLine(
            done: totals.records + totals.rejected,
            total: total,
            bytes: totals.bytes,
            elapsed: now - start,
            retry: failure.map { (delay: (time ?? now) - now, failure: $0) }
        )
        // A character in the last column would make some terminals go on to the next line.
        Self.draw(line.text(width: (Terminal.at(STDERR_FILENO)?.columns ?? 80) - 1))
    }

    /// Takes the line away and leaves another text in its place.
    func finish(_ text: String) {
        Self.draw("\(text)\n")
    }

    /// In place of what was drawn last.
    static func draw(_ text: String) {
        // Back to the first column; erase to the end of the line (ECMA-48, EL).
        StandardStreams.writeAll(Array("\r\u{1B}[K\(text)".utf8), to: STDERR_FILENO)
    }
}
