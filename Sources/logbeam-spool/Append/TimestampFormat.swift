internal import LogbeamCore

/// Finds times in lines, by a format after strptime(3), as the agents of CloudWatch Logs name it `datetime_format`. Pure.
///
/// White space in the format is any white space in the line, letters are compared without their case, and the names of days
/// and months are English. A field takes as many digits as make sense for it, as in Python.
struct TimestampFormat {
    /// What a line says of its time.
    struct Reading: Equatable {
        /// `nil`: the line has no year.
        var year: Int64?
        var month: Int64 = 1
        var day: Int64 = 1
        var dayOfYear: Int64?
        var hour: Int64 = 0
        /// As a clock of twelve hours shows it; goes before ``hour``.
        var hourOfHalf: Int64?
        var isAfternoon = false
        var minute: Int64 = 0
        var second: Int64 = 0
        var millisecond: Int64 = 0
        /// In seconds to the east; `nil`: the line has none.
        var offset: Int64?
        /// Seconds since 1970-01-01T00:00:00Z; then all but the fraction counts for nothing.
        var epoch: Int64?
    }

    private enum Element: Equatable {
        case space
        case literal(UInt8)
        case field(UInt8)
    }

    private let elements: [Element]

    /// How far into a line a time may begin, in bytes.
    static let lineLimit = 512
    /// The longest format, in bytes.
    static let formatLimit = 200

    /// What is wrong with a format, for people.
    struct Fault: Error, Equatable {
        var description: String
    }

    init(_ format: String) throws(Fault) {
        guard (1...Self.formatLimit).contains(format.utf8.count) else {
            throw Fault(description: "it must have 1 to \(Self.formatLimit) bytes")
        }
        elements = try Self.elements(of: Array(format.utf8))
        func has(_ fields: String) -> Bool { fields.utf8.contains { elements.contains(.field($0)) } }
        guard has("s") || has("d") && has("mb") || has("j") && has("yY") else {
            throw Fault(description: "it must have a day and a month, or %j and a year, or %s")
        }
    }

    private static func elements(of format: [UInt8]) throws(Fault) -> [Element] {
        var elements: [Element] = []
        var index = 0
        while index < format.count {
            defer { index += 1 }
            guard format[index] == UInt8(ascii: "%") else {
                if !format[index].isSpace {
                    elements.append(.literal(format[index].lowercased))
                } else if elements.last != .space {
                    elements.append(.space)
                }
                continue
            }
            index += 1
            guard index < format.count else { throw Fault(description: "a % stands at its end") }
            switch format[index] {
            case UInt8(ascii: "%"): elements.append(.literal(format[index]))
            case UInt8(ascii: "A"): elements.append(.field(UInt8(ascii: "a")))
            case UInt8(ascii: "B"), UInt8(ascii: "h"): elements.append(.field(UInt8(ascii: "b")))
            case UInt8(ascii: "e"): elements.append(.field(UInt8(ascii: "d")))
            case UInt8(ascii: "T"), UInt8(ascii: "X"): elements += try Self.elements(of: Array("%H:%M:%S".utf8))
            case UInt8(ascii: "R"): elements += try Self.elements(of: Array("%H:%M".utf8))
            case UInt8(ascii: "D"), UInt8(ascii: "x"): elements += try Self.elements(of: Array("%m/%d/%y".utf8))
            case UInt8(ascii: "F"): elements += try Self.elements(of: Array("%Y-%m-%d".utf8))
            case UInt8(ascii: "c"): elements += try Self.elements(of: Array("%a %b %d %H:%M:%S %Y".utf8))
            case let field where Self.fields.utf8.contains(field): elements.append(.field(field))
            case let other:
                throw Fault(description: "it has %\(Unicode.Scalar(other)), which is not one of \(Self.known)")
            }
        }
        return elements
    }

    private static let fields = "YymdHIMSfpbajzZs"
    /// For people.
    static let known = "%Y %y %m %d %e %j %b %B %h %a %A %H %I %p %M %S %f %z %Z %s %F %T %R %D %c %x %X %%"

    /// The first time in a line.
    func find(in line: UnsafeBufferPointer<UInt8>) -> Reading? {
        for start in 0..<min(line.count, Self.lineLimit) {
            var scanner = TimestampScanner(line, at: start)
            if let reading = read(&scanner) { return reading }
        }
        return nil
    }

    private func read(_ scanner: inout TimestampScanner) -> Reading? {
        var reading = Reading()
        for element in elements {
            let isThere =
                switch element {
                case .space: scanner.skipSpace()
                case .literal(let byte): scanner.take(byte)
                case .field(let field): scanner.read(field, into: &reading)
                }
            if !isThere { return nil }
        }
        return reading
    }
}

extension TimestampFormat.Reading {
    /// What it takes to know the instant that a line means: the time zone, and the present.
    struct Zone: Sendable {
        /// The seconds since 1970-01-01T00:00:00Z of what clock and calendar show there; `nil` if they never do.
        var secondsSinceEpoch: @Sendable (CivilTime) -> Int64?

        static let utc = Zone { $0.secondsSinceEpoch }
    }

    /// The instant in milliseconds since 1970-01-01T00:00:00Z; `nil` if there is no such day or hour.
    ///
    /// Where the line has no year, it is the one that makes it the latest time no later than a day from now.
    ///
    /// - Parameter now: in milliseconds since 1970-01-01T00:00:00Z.
    func milliseconds(in zone: Zone, now: Int64) -> Int64? {
        if let epoch { return epoch * 1_000 + millisecond }
        guard year == nil else { return seconds(in: zone).map { $0 * 1_000 + millisecond } }
        let thisYear = UTCTime(millisecondsSinceEpoch: now).civil.year
        // A leap day is at most eight years back.
        for year in stride(from: thisYear + 1, through: thisYear - 8, by: -1) {
            var dated = self
            dated.year = year
            if let seconds = dated.seconds(in: zone), seconds * 1_000 <= now + 86_400_000 {
                return seconds * 1_000 + millisecond
            }
        }
        return nil
    }

    private func seconds(in zone: Zone) -> Int64? {
        let hour = hourOfHalf.map { $0 % 12 + (isAfternoon ? 12 : 0) } ?? hour
        let civil = CivilTime(
            year: year ?? 1970,
            month: dayOfYear == nil ? month : 1,
            day: dayOfYear == nil ? day : 1,
            hour: hour,
            minute: minute,
            second: second
        )
        guard var civil else { return nil }
        if let dayOfYear {
            let moved = CivilTime(secondsSinceEpoch: civil.secondsSinceEpoch + (dayOfYear - 1) * 86_400)
            // The 366th day of a year that has none.
            guard moved.year == civil.year else { return nil }
            (civil.month, civil.day) = (moved.month, moved.day)
        }
        return if let offset { civil.secondsSinceEpoch - offset } else { zone.secondsSinceEpoch(civil) }
    }
}
