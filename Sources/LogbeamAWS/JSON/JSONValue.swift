/// A JSON text (RFC 8259) as a value: what services answer.
///
/// The reader takes nothing but JSON, never traps, and bounds the depth; the caller bounds the size.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that fits.
    case integer(Int64)
    /// Any other number; one that is too large is infinite.
    case number(Double)
    case string(String)
    case array([JSONValue])
    /// Of members of the same name, the last counts.
    case object([String: JSONValue])

    /// How deep arrays and objects may be nested. AWS's answers are four deep at most.
    static let depthLimit = 32

    /// `nil` unless the bytes are one JSON text, in UTF-8, and nothing else.
    package init?(_ bytes: [UInt8]) {
        let value = bytes.withUnsafeBufferPointer { bytes in
            var reader = JSONReader(bytes)
            return reader.document()
        }
        guard let value else { return nil }
        self = value
    }

    package subscript(member: String) -> JSONValue? {
        if case .object(let members) = self { members[member] } else { nil }
    }

    package var string: String? {
        if case .string(let string) = self { string } else { nil }
    }

    package var integer: Int64? {
        if case .integer(let integer) = self { integer } else { nil }
    }

    package var array: [JSONValue]? {
        if case .array(let array) = self { array } else { nil }
    }

    package var isObject: Bool {
        if case .object = self { true } else { false }
    }
}

/// Reads one JSON text by recursive descent. Each function takes what it is named for, and returns `nil` if that isn't
/// what comes next.
private struct JSONReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    mutating func document() -> JSONValue? {
        guard let value = value(depth: 0) else { return nil }
        return index == bytes.count ? value : nil
    }

    /// A value with the white space around it.
    private mutating func value(depth: Int) -> JSONValue? {
        skipWhitespace()
        let value: JSONValue?
        switch next {
        case UInt8(ascii: "{"): value = object(depth: depth + 1)
        case UInt8(ascii: "["): value = array(depth: depth + 1)
        case UInt8(ascii: "\""): value = string().map { .string($0) }
        case UInt8(ascii: "t"): value = take("true") ? .bool(true) : nil
        case UInt8(ascii: "f"): value = take("false") ? .bool(false) : nil
        case UInt8(ascii: "n"): value = take("null") ? .null : nil
        default: value = number()
        }
        skipWhitespace()
        return value
    }

    private mutating func skipWhitespace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        index += 1
        return true
    }

    private mutating func take(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { word in
            guard bytes.count - index >= word.count,
                zip(bytes[index..<(index + word.count)], word).allSatisfy(==)
            else { return false }
            index += word.count
            return true
        }
    }

    private mutating func object(depth: Int) -> JSONValue? {
        guard depth <= JSONValue.depthLimit, take(UInt8(ascii: "{")) else { return nil }
        var members: [String: JSONValue] = [:]
        skipWhitespace()
        if take(UInt8(ascii: "}")) { return .object(members) }
        repeat {
            skipWhitespace()
            guard let name = string() else { return nil }
            skipWhitespace()
            guard take(UInt8(ascii: ":")), let value = value(depth: depth) else { return nil }
            members[name] = value
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "}")) ? .object(members) : nil
    }

    private mutating func array(depth: Int) -> JSONValue? {
        guard depth <= JSONValue.depthLimit, take(UInt8(ascii: "[")) else { return nil }
        var elements: [JSONValue] = []
        skipWhitespace()
        if take(UInt8(ascii: "]")) { return .array(elements) }
        repeat {
            guard let element = value(depth: depth) else { return nil }
            elements.append(element)
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "]")) ? .array(elements) : nil
    }

    private mutating func number() -> JSONValue? {
        let start = index
        _ = take(UInt8(ascii: "-"))
        // No zeros lead.
        if !take(UInt8(ascii: "0")), !digits() { return nil }
        var isInteger = true
        if take(UInt8(ascii: ".")) {
            isInteger = false
            if !digits() { return nil }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isInteger = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            if !digits() { return nil }
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if isInteger, let integer = Int64(text) { return .integer(integer) }
        return Double(text).map { .number($0) }
    }

    /// One digit or more.
    private mutating func digits() -> Bool {
        let start = index
        while let byte = next, (0x30...0x39).contains(byte) { index += 1 }
        return index > start
    }

    private mutating func string() -> String? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        var content: [UInt8] = []
        while let byte = next {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: content, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escape() else { return nil }
                content.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
            case 0..<0x20: return nil
            default: content.append(byte)
            }
        }
        return nil
    }

    /// What follows a backslash.
    private mutating func escape() -> Unicode.Scalar? {
        guard let byte = next else { return nil }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return unicodeEscape()
        default: return nil
        }
    }

    /// The four digits after `\u`, and for the first half of a surrogate pair the second half as well. A half alone is
    /// no character, and so no JSON that a string can hold.
    private mutating func unicodeEscape() -> Unicode.Scalar? {
        guard let unit = fourDigits() else { return nil }
        guard UTF16.isLeadSurrogate(unit) else { return Unicode.Scalar(unit) }
        guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")), let trail = fourDigits(),
            UTF16.isTrailSurrogate(trail)
        else { return nil }
        return Unicode.Scalar(0x10000 + (UInt32(unit) & 0x3FF) << 10 + UInt32(trail) & 0x3FF)
    }

    private mutating func fourDigits() -> UInt16? {
        guard bytes.count - index >= 4 else { return nil }
        var unit: UInt16 = 0
        for byte in bytes[index..<(index + 4)] {
            guard byte < 0x80, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        index += 4
        return unit
    }
}
