internal import LogbeamCore

/// Quantities as people read them.
enum HumanUnits {
    /// `1 record`, `10,000 records`
    static func count(_ number: Int, _ noun: String, plural: String? = nil) -> String {
        "\(number.grouped) \(number == 1 ? noun : plural ?? noun + "s")"
    }

    /// Powers of a thousand, as disks are sold: `999 B`, `1.2 kB`, `12 MB`.
    static func bytes(_ number: Int) -> String {
        guard number >= 1_000 else { return "\(number) B" }
        var value = Double(number) / 1_000
        var names = ["kB", "MB", "GB", "TB", "PB", "EB"][...]
        while value >= 999.5, names.count > 1 {
            value /= 1_000
            names = names.dropFirst()
        }
        let tenths = Int((value * 10).rounded())
        return "\(tenths < 100 ? "\(tenths / 10).\(tenths % 10)" : "\(Int(value.rounded()))") \(names.first ?? "")"
    }

    /// Rounded down, two units at most: `0.4 s`, `12 s`, `3 min 20 s`, `5 h 12 min`, `3 d 4 h`.
    static func duration(milliseconds: Int64) -> String {
        let seconds = milliseconds / 1_000
        return switch milliseconds {
        case ..<10_000: "\(seconds).\(milliseconds % 1_000 / 100) s"
        case ..<60_000: "\(seconds) s"
        case ..<3_600_000: "\(seconds / 60) min \(seconds % 60) s"
        case ..<86_400_000: "\(seconds / 3_600) h \(seconds / 60 % 60) min"
        default: "\(Int(seconds / 86_400).grouped) d \(seconds / 3_600 % 24) h"
        }
    }

    /// `3 min 20 s ago`, and `in 3 min 20 s` for what lies ahead. Times are in milliseconds.
    static func age(of time: Int64, now: Int64) -> String {
        let text = duration(milliseconds: Int64(clamping: now.subtractingSaturated(time).magnitude))
        return time > now ? "in \(text)" : "\(text) ago"
    }
}
