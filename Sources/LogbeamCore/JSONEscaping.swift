extension String {
    /// Appends a character of the basic plane as it stands in a JSON string if it must not stand there itself.
    package mutating func appendEscape(of scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": self += "\\\""
        case "\\": self += "\\\\"
        case "\n": self += "\\n"
        case "\r": self += "\\r"
        case "\t": self += "\\t"
        default:
            let digits = String(scalar.value, radix: 16)
            self += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)"
        }
    }
}

extension [UInt8] {
    /// Appends a JSON string: quotes around the text, `"`, `\` and the control characters escaped, all else as it is.
    ///
    /// Valid whatever the bytes are: each ill-formed part of the UTF-8 becomes U+FFFD, as in `String(decoding:as:)`.
    package mutating func appendJSONString(_ utf8: UnsafeBufferPointer<UInt8>) {
        append(UInt8(ascii: "\""))
        appendJSONCharacters(utf8)
        append(UInt8(ascii: "\""))
    }

    /// Appends a text as a JSON string.
    package mutating func appendJSONString(_ text: String) {
        var text = text
        text.withUTF8 { appendJSONString($0) }
    }

    /// Appends text that is JSON already.
    // Inlined, so that a few constant bytes cost no call.
    @inlinable
    package mutating func append(_ json: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: json.utf8Start, count: json.utf8CodeUnitCount))
    }

    /// Appends what stands between the quotes of a JSON string: see ``appendJSONString(_:)``.
    package mutating func appendJSONCharacters(_ utf8: UnsafeBufferPointer<UInt8>) {
        // And a quote.
        reserveForAppending(utf8.count + 1)
        var clean = 0
        var index = 0
        while true {
            index = Self.endOfPlainText(in: utf8, from: index)
            guard index < utf8.count else { break }
            if utf8[index] >= 0x80 {
                let (length, isValid) = Self.sequence(in: utf8, at: index)
                if !isValid {
                    append(contentsOf: UnsafeBufferPointer(rebasing: utf8[clean..<index]))
                    append(contentsOf: [0xEF, 0xBF, 0xBD])
                    clean = index + length
                }
                index += length
            } else {
                append(contentsOf: UnsafeBufferPointer(rebasing: utf8[clean..<index]))
                appendEscape(of: utf8[index])
                index += 1
                clean = index
            }
        }
        append(contentsOf: UnsafeBufferPointer(rebasing: utf8[clean...]))
    }

    // reserveCapacity alone takes the number literally, so that many small appends would each copy the whole array.
    private mutating func reserveForAppending(_ additional: Int) {
        if capacity - count < additional { reserveCapacity(Swift.max(count + additional, 2 * capacity)) }
    }

    private mutating func appendEscape(of byte: UInt8) {
        append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(byte)
        case 0x08: append(UInt8(ascii: "b"))
        case 0x09: append(UInt8(ascii: "t"))
        case 0x0A: append(UInt8(ascii: "n"))
        case 0x0C: append(UInt8(ascii: "f"))
        case 0x0D: append(UInt8(ascii: "r"))
        default:
            let digit = byte & 0x0F
            append(contentsOf: [UInt8(ascii: "u"), UInt8(ascii: "0"), UInt8(ascii: "0"), UInt8(ascii: "0") + byte >> 4])
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    /// The index of the first byte that is not ASCII or must be escaped; the count if there is none.
    private static func endOfPlainText(in utf8: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        let everyByte: UInt64 = 0x0101_0101_0101_0101
        let highBits = everyByte &* 0x80
        var index = start
        while utf8.count - index >= 8 {
            let word = UInt64(
                littleEndian: UnsafeRawBufferPointer(utf8).loadUnaligned(fromByteOffset: index, as: UInt64.self)
            )
            let quote = word ^ (everyByte &* 0x22)
            let backslash = word ^ (everyByte &* 0x5C)
            // The high bit of each byte below 0x20, equal to a quote or equal to a backslash. A borrow can set bits of
            // higher bytes too, never of lower ones, and none without such a byte: the lowest bit set is exact.
            let below = (word &- everyByte &* 0x20) & ~word
            let quotes = (quote &- everyByte) & ~quote
            let backslashes = (backslash &- everyByte) & ~backslash
            let found = (word | below | quotes | backslashes) & highBits
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < utf8.count {
            let byte = utf8[index]
            if byte < 0x20 || byte >= 0x80 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { break }
            index += 1
        }
        return index
    }

    /// The length of the well-formed sequence that begins at the index, or of the longest beginning of one
    /// (The Unicode Standard, tables 3-7 and 3-8).
    private static func sequence(
        in utf8: UnsafeBufferPointer<UInt8>,
        at index: Int
    ) -> (length: Int, isValid: Bool) {
        let continuations: Int
        var allowed: ClosedRange<UInt8> = 0x80...0xBF
        switch utf8[index] {
        case 0xC2...0xDF: continuations = 1
        case 0xE0: (continuations, allowed) = (2, 0xA0...0xBF)
        case 0xED: (continuations, allowed) = (2, 0x80...0x9F)
        case 0xE1...0xEF: continuations = 2
        case 0xF0: (continuations, allowed) = (3, 0x90...0xBF)
        case 0xF1...0xF3: continuations = 3
        case 0xF4: (continuations, allowed) = (3, 0x80...0x8F)
        default: return (1, false)
        }
        for offset in 1...continuations {
            guard index + offset < utf8.count, allowed.contains(utf8[index + offset]) else { return (offset, false) }
            allowed = 0x80...0xBF
        }
        return (1 + continuations, true)
    }
}
