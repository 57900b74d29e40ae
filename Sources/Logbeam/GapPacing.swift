internal import LogbeamSpool

/// Decides when a stream is told of a gap: when it has not grown for a second, and after a minute at the latest. So one
/// event tells of a flood, and an hour of it is no flood of events. Pure.
struct GapPacing {
    private struct Key: Hashable {
        var stream: Int64
        var reason: String
    }

    private struct Known {
        var records: Int
        /// When it had grown last, and when it was seen first, in milliseconds of the monotonic clock.
        var grown: Int64
        var since: Int64
    }

    private var known: [Key: Known] = [:]

    private static let pause: Int64 = 1_000
    private static let longest: Int64 = 60_000

    /// Those of the gaps of which their streams are to be told now.
    ///
    /// - Parameters:
    ///   - gaps: all that nobody was told of, as they stand in the spool.
    ///   - now: in milliseconds of the monotonic clock.
    mutating func due(_ gaps: [Gap], at now: Int64) -> [Gap] {
        var seen: [Key: Known] = [:]
        let due = gaps.filter { gap in
            let key = Key(stream: gap.stream, reason: gap.reason)
            var state = known[key] ?? Known(records: gap.records, grown: now, since: now)
            // Fewer: it was told, by another process perhaps, and is another gap.
            if gap.records < state.records { state.since = now }
            if gap.records != state.records { (state.records, state.grown) = (gap.records, now) }
            seen[key] = state
            return now - state.grown >= Self.pause || now - state.since >= Self.longest
        }
        known = seen
        return due
    }
}
