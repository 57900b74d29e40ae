/// Reads the fields of a time out of a line, one after the other. Each function takes what it is named for, and returns
/// false if that is not what comes next.
struct TimestampScanner {
    private let line: UnsafeBufferPointer<UInt8>
    private let start: Int
    private var index: Int

    init(_ line: UnsafeBufferPointer<UInt8>, at index: Int) {
        self.line = line
        start = index
        self.index = index
    }

    private var next: UInt8? { index < line.count ? line[index] : nil }

    /// One character of white space or more.
    mutating func skipSpace() -> Bool {
        guard let first = next, first.isSpace else { return false }
        while let byte = next, byte.isSpace { index += 1 }
        return true
    }

    /// - Parameter byte: in lower case.
    mutating func take(_ byte: UInt8) -> Bool {
        guard let found = next, found.lowercased == byte else { return false }
        index += 1
        return true
    }

    mutating func read(_ field: UInt8, into reading: inout TimestampFormat.Reading) -> Bool {
        switch field {
        case UInt8(ascii: "Y"): return number(digits: 4, in: 0...9_999) { reading.year = $0 }
        case UInt8(ascii: "y"):
            // As POSIX has it: strptime(3).
            return number(digits: 2, in: 0...99) { reading.year = $0 < 69 ? 2_000 + $0 : 1_900 + $0 }
        case UInt8(ascii: "m"): return number(upTo: 2, in: 1...12) { reading.month = $0 }
        case UInt8(ascii: "d"):
            guard next == UInt8(ascii: " ") else { return number(upTo: 2, in: 1...31) { reading.day = $0 } }
            index += 1
            return number(upTo: 1, in: 1...9) { reading.day = $0 }
        case UInt8(ascii: "j"): return number(upTo: 3, in: 1...366) { reading.dayOfYear = $0 }
        case UInt8(ascii: "H"): return number(upTo: 2, in: 0...23) { reading.hour = $0 }
        case UInt8(ascii: "I"):
            return number(upTo: 2, in: 1...12) { reading.hourOfHalf = $0 }
        case UInt8(ascii: "M"): return number(upTo: 2, in: 0...59) { reading.minute = $0 }
        // What is no second is found out when the time is put together.
        case UInt8(ascii: "S"): return number(upTo: 2, in: 0...61) { reading.second = $0 }
        case UInt8(ascii: "f"): return fraction(into: &reading)
        case UInt8(ascii: "p"):
            guard let isAfternoon = name(["am", "pm"], shortest: 2) else { return false }
            reading.isAfternoon = isAfternoon == 1
            return true
        case UInt8(ascii: "b"): return name(Self.months, shortest: 3).map { reading.month = Int64($0) + 1 } != nil
        case UInt8(ascii: "a"): return name(Self.days, shortest: 3) != nil
        case UInt8(ascii: "z"): return offset(into: &reading)
        case UInt8(ascii: "Z"):
            guard name(["utc", "gmt"], shortest: 3) != nil else { return false }
            reading.offset = reading.offset ?? 0
            return true
        case UInt8(ascii: "s"):
            // Part of a longer number, of milliseconds say, is no number of seconds.
            guard index > start || start == 0 || !line[start - 1].isDigit else { return false }
            return number(upTo: 11, in: 0...99_999_999_999) { reading.epoch = $0 } && !(next?.isDigit ?? false)
        default: return false
        }
    }

    private static let months: [StaticString] = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december",
    ]
    private static let days: [StaticString] = [
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    ]

    /// Exactly so many digits.
    private mutating func number(digits count: Int, in range: ClosedRange<Int64>, _ keep: (Int64) -> Void) -> Bool {
        guard digits(from: index) >= count, let value = value(of: count), range.contains(value) else { return false }
        index += count
        keep(value)
        return true
    }

    /// As many digits as there are and make a number in the range.
    private mutating func number(upTo most: Int, in range: ClosedRange<Int64>, _ keep: (Int64) -> Void) -> Bool {
        for count in stride(from: min(most, digits(from: index, most: most)), to: 0, by: -1) {
            guard let value = value(of: count), range.contains(value) else { continue }
            index += count
            keep(value)
            return true
        }
        return false
    }

    private func digits(from start: Int, most: Int = 11) -> Int {
        var end = start
        while end < line.count, end - start < most, line[end].isDigit { end += 1 }
        return end - start
    }

    private func value(of count: Int) -> Int64? {
        line[index..<(index + count)].reduce(0 as Int64) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
    }

    /// Of a second, to the nanosecond; what is finer than a millisecond is left out.
    private mutating func fraction(into reading: inout TimestampFormat.Reading) -> Bool {
        let count = digits(from: index, most: 9)
        guard count > 0 else { return false }
        var value: Int64 = 0
        for place in 0..<3 { value = value * 10 + (place < count ? Int64(line[index + place] - UInt8(ascii: "0")) : 0) }
        index += count
        reading.millisecond = value
        return true
    }

    /// `Z`, or hours and perhaps minutes, with or without a colon.
    private mutating func offset(into reading: inout TimestampFormat.Reading) -> Bool {
        if take(UInt8(ascii: "z")) {
            reading.offset = 0
            return true
        }
        let sign: Int64
        switch next {
        case UInt8(ascii: "+"): sign = 1
        case UInt8(ascii: "-"): sign = -1
        default: return false
        }
        index += 1
        var (hours, minutes): (Int64, Int64) = (0, 0)
        guard number(digits: 2, in: 0...23, { hours = $0 }) else { return false }
        let afterHours = index
        _ = take(UInt8(ascii: ":"))
        if !number(digits: 2, in: 0...59, { minutes = $0 }) {
            index = afterHours
            if next?.isDigit ?? false { return false }
        }
        reading.offset = sign * (hours * 3_600 + minutes * 60)
        return true
    }

    /// The index of a name that is there, whole or in its first letters.
    private mutating func name(_ names: [StaticString], shortest: Int) -> Int? {
        for (number, name) in names.enumerated() {
            let length = name.withUTF8Buffer { name in
                zip(name, line[index...]).prefix { $0 == $1.lowercased }.count
            }
            guard length >= shortest else { continue }
            index += length == name.utf8CodeUnitCount ? length : shortest
            return number
        }
        return nil
    }
}

extension UInt8 {
    /// In the ASCII range.
    var lowercased: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }
    var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    /// As isspace(3) has it.
    var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}
