internal import Logbeam
internal import LogbeamCore

/// How far `drain` is, on one line. Pure.
struct ProgressLine {
    /// Records that have left the spool.
    var done: Int
    /// Records that were pending at first; more may have come.
    var total: Int
    var bytes: Int
    /// Since the start, in milliseconds.
    var elapsed: Int64
    /// In how many milliseconds is the next try, and what went wrong; `nil` while all goes well.
    var retry: (delay: Int64, failure: String)?

    private static let barWidth = 20

    /// At most `width` columns of a terminal.
    func text(width: Int) -> String {
        let total = max(total, done)
        // Rounded down: 100 % means all.
        let percent = total == 0 ? 100 : done * 100 / total
        var parts = ["\(percent) %", "\(done.grouped)/\(HumanUnits.count(total, "record"))"]
        if let retry {
            parts.append("retrying in \(max(0, retry.delay + 999) / 1_000) s: \(retry.failure.printable)")
        } else {
            parts.append(HumanUnits.bytes(bytes))
            if done > 0, elapsed > 0 {
                parts.append("\(Int(Int64(done) * 1_000 / elapsed).grouped)/s")
                let left = Double(total - done) * Double(elapsed) / Double(done)
                parts.append("\(HumanUnits.duration(milliseconds: Int64(left))) left")
            }
        }
        let filled = percent * Self.barWidth / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: Self.barWidth - filled)
        return (["[\(bar)]"] + parts).joined(separator: "  ").clipped(to: width)
    }
}

/// What `drain` has done, when it is over. Pure.
enum Summary {
    static func text(_ totals: UploadLoop.Totals, milliseconds: Int64) -> String {
        let records = HumanUnits.count(totals.records, "record")
        let batches = HumanUnits.count(totals.batches, "batch", plural: "batches")
        let duration = HumanUnits.duration(milliseconds: milliseconds)
        return "\(records) (\(HumanUnits.bytes(totals.bytes))) in \(batches), \(duration)"
    }
}
