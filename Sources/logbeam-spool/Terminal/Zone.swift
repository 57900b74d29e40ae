internal import LogbeamCore

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// How far the clocks of a place are ahead of UTC.
enum Zone: Equatable {
    case utc
    /// That of the process: TZ, else /etc/localtime.
    case local
    /// So many seconds, always.
    case fixed(Int)

    /// As people read a time: `2026-11-22 20:42:09 +0100`. Times that ``UTCTime`` does not reach become its first or last.
    ///
    /// - Parameters:
    ///   - time: in milliseconds since 1970-01-01T00:00:00Z.
    ///   - milliseconds: whether they are shown.
    func text(_ time: Int64, milliseconds: Bool = false) -> String {
        let offset = offset(at: time)
        let (local, overflows) = time.addingReportingOverflow(Int64(offset) * 1_000)
        let iso = UTCTime(millisecondsSinceEpoch: overflows ? time : local).iso8601
        let minutes = abs(offset) / 60
        let sign = offset < 0 ? "-" : "+"
        let digits = [minutes / 60, minutes % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined()
        // The parts of ISO 8601 have fixed places.
        return "\(iso.prefix(10)) \(iso.dropFirst(11).prefix(milliseconds ? 12 : 8)) \(sign)\(digits)"
    }

    private func offset(at time: Int64) -> Int {
        switch self {
        case .utc: return 0
        case .fixed(let seconds): return seconds
        case .local:
            var seconds = time_t(time / 1_000)
            var local = tm()
            return localtime_r(&seconds, &local) == nil ? 0 : Int(local.tm_gmtoff)
        }
    }
}
