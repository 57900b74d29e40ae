internal import LogbeamSpool
internal import Synchronization

/// Counts the records that the spool could not take, and writes the counts into the spool once it takes writes again.
/// Thread-safe.
final class Losses: Sendable {
    private struct Key: Hashable {
        var stream: Int64
        var reason: String
    }

    private let gaps = Mutex<[Key: Gap]>([:])
    private let hasGaps = Atomic<Bool>(false)

    /// A record of a stream was lost to the spool at a time, in milliseconds since 1970-01-01T00:00:00Z.
    func count(stream: Int64, reason: String, at time: Int64) {
        gaps.withLock { gaps in
            let key = Key(stream: stream, reason: reason)
            var gap = gaps[key] ?? Gap(stream: stream, reason: reason, records: 0, first: time, last: time)
            gap.records += 1
            gap.first = min(gap.first, time)
            gap.last = max(gap.last, time)
            gaps[key] = gap
        }
        hasGaps.store(true, ordering: .relaxed)
    }

    /// Writes what was counted into the spool; keeps what it does not take.
    func note(in spool: Spool) {
        guard hasGaps.exchange(false, ordering: .relaxed) else { return }
        for (key, gap) in gaps.withLock({ $0 }) {
            do throws(SpoolError) {
                try spool.noteGap(gap)
                gaps.withLock { gaps in
                    // Records may have been lost meanwhile: they stay for the next time.
                    let later = (gaps[key]?.records ?? 0) - gap.records
                    gaps[key] =
                        later > 0
                        ? Gap(
                            stream: gap.stream,
                            reason: gap.reason,
                            records: later,
                            first: gap.last,
                            last: gaps[key]?.last ?? gap.last
                        ) : nil
                }
            } catch {
                hasGaps.store(true, ordering: .relaxed)
            }
        }
    }
}
