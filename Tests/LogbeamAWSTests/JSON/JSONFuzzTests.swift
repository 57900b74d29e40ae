import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("JSON value, of whatever bytes")
struct JSONFuzzTests {
    @Test("is read or refused; and what was read is read again when it is written")
    func mutated() throws {
        let tokens = [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u00e9", "\\ud83c\\udf0d", "-", "0", "1e308", ".5", "null",
        ]
        var fuzzer = try Fuzzer(corpus: "json", tokens: tokens + ["[[[[[[[[", "{\"a\":", "\u{0}", "é"])
        try fuzzer.run(rounds: 4_000) { input, _ in
            guard let value = JSONValue(input) else { return "refused" }
            if let text = Self.text(value) { #expect(JSONValue(Array(text.utf8)) == value, "\(text)") }
            return Self.shape(value)
        }
    }

    /// `nil` for an infinite number, which JSON can not write.
    private static func text(_ value: JSONValue) -> String? {
        switch value {
        case .null: return "null"
        case .bool(let bool): return "\(bool)"
        case .integer(let integer): return "\(integer)"
        case .number(let number): return number.isFinite ? "\(number)" : nil
        case .string(let string): return quoted(string)
        case .array(let array):
            let elements = array.compactMap(text)
            return elements.count == array.count ? "[\(elements.joined(separator: ","))]" : nil
        case .object(let members):
            let texts = members.compactMap { name, value in text(value).map { "\(quoted(name)):\($0)" } }
            return texts.count == members.count ? "{\(texts.joined(separator: ", "))}" : nil
        }
    }

    private static func quoted(_ string: String) -> String {
        let text = string.unicodeScalars.map { scalar in
            let isPlain = scalar.value >= 0x20 && scalar != "\"" && scalar != "\\"
            let digits = String(scalar.value, radix: 16)
            return isPlain ? String(scalar) : "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
        return "\"\(text.joined())\""
    }

    /// What kinds of values stand in one another.
    private static func shape(_ value: JSONValue) -> String {
        switch value {
        case .null: "z"
        case .bool: "b"
        case .integer: "i"
        case .number: "n"
        case .string: "s"
        case .array(let array): "[\(array.map(shape).joined())]"
        case .object(let members): "{\(members.values.map(shape).sorted().joined())}"
        }
    }
}
