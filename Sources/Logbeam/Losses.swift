package import LogbeamSpool
internal import Synchronization

/// Counts the records that the spool could not take, writes the counts into the spool once it takes writes again, and has
/// the streams told of what is missing.
///
/// Thread-safe. The counts are in memory until then: what was counted less than about a second before the process is killed
/// stands on standard error alone.
package final class Losses: Sendable {
    private struct Key: Hashable {
        var stream: LiveStream
        var reason: String
    }

    private struct State {
        /// The stream stands in the key: ``Gap/stream`` is 0 here.
        var gaps: [Key: Gap] = [:]
        /// When a record was last lost for a reason, in milliseconds of the monotonic clock.
        var lastLosses: [String: Int64] = [:]
        var pacing = GapPacing()
    }

    private let state = Mutex(State())
    private let hasGaps = Atomic<Bool>(false)
    /// Held by the thread that writes.
    private let turn = Mutex(())

    /// After so long without a loss for some reason, the next one is news; in milliseconds.
    private static let memory: Int64 = 60_000

    package init() {}

    /// A record of a stream was lost to the spool at a time, in milliseconds since 1970-01-01T00:00:00Z.
    ///
    /// - Returns: true if nobody was told of this trouble yet: one line for a person is enough, beside the records.
    package func count(stream: LiveStream, because error: SpoolError?, at time: Int64) -> Bool {
        let reason = error?.gapReason ?? "spool error"
        let now = MonotonicClock.milliseconds()
        let isNews = state.withLock { state in
            let key = Key(stream: stream, reason: reason)
            var gap = state.gaps[key] ?? Gap(stream: 0, reason: reason, records: 0, first: time, last: time)
            gap.records += 1
            gap.first = min(gap.first, time)
            gap.last = max(gap.last, time)
            state.gaps[key] = gap
            let last = state.lastLosses.updateValue(now, forKey: reason)
            return last.map { now - $0 >= Self.memory } ?? true
        }
        hasGaps.store(true, ordering: .relaxed)
        return isNews
    }

    /// Whether something was counted that is not in the spool.
    package var areUnwritten: Bool { hasGaps.load(ordering: .relaxed) }

    /// Writes what was counted into the spool, and keeps what it does not take; then tells the streams, when it is time to.
    ///
    /// - Parameter isLast: nothing is kept for later that can be told now.
    package func note(in spool: LiveSpool, isLast: Bool = false) {
        turn.withLock { _ in writeAndTell(in: spool, isLast: isLast) }
    }

    /// For a thread that logs where no uploader lives: writes, and tells all that can be told, unless another thread is at it.
    func noteInPassing(in spool: LiveSpool) {
        _ = turn.withLockIfAvailable { _ in writeAndTell(in: spool, isLast: true) }
    }

    private func writeAndTell(in spool: LiveSpool, isLast: Bool) {
        if hasGaps.exchange(false, ordering: .relaxed) { writeCounts(to: spool) }
        // What can not be read or told now is there the next time.
        try? spool.tellGaps { gaps in
            let due = state.withLock { $0.pacing.due(gaps, at: MonotonicClock.milliseconds()) }
            return isLast ? gaps : due
        }
    }

    private func writeCounts(to spool: LiveSpool) {
        for (key, gap) in state.withLock({ $0.gaps }) {
            do throws(SpoolError) {
                try spool.noteGap(gap, of: key.stream)
                state.withLock { state in
                    // Records may have been lost meanwhile: they stay for the next time.
                    let later = (state.gaps[key]?.records ?? 0) - gap.records
                    state.gaps[key] =
                        later > 0
                        ? Gap(
                            stream: gap.stream,
                            reason: gap.reason,
                            records: later,
                            first: gap.last,
                            last: state.gaps[key]?.last ?? gap.last
                        ) : nil
                }
            } catch {
                hasGaps.store(true, ordering: .relaxed)
            }
        }
    }
}
