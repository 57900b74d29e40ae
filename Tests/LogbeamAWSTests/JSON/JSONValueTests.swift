import Foundation
import Testing

@testable import LogbeamAWS

@Suite("JSON value")
struct JSONValueTests {
    @Test(
        "reads what JSON is",
        arguments: [
            ("null", .null), (" true ", .bool(true)), ("\t[\r\n]", .array([])), ("{}", .object([:])),
            ("0", .integer(0)), ("-0", .integer(0)), ("-12", .integer(-12)),
            ("9223372036854775807", .integer(.max)), ("9223372036854775808", .number(9_223_372_036_854_775_808)),
            ("1.5e3", .number(1_500)), ("1E+2", .number(100)), ("0.25", .number(0.25)), ("2e-2", .number(0.02)),
            (#""""#, .string("")), (#""a\"\\\/\b\f\n\r\t""#, .string("a\"\\/\u{8}\u{C}\n\r\t")),
            (#""\u00e9\u0000\uFFFF""#, .string("é\0\u{FFFF}")), (#""\ud83c\uDF0D""#, .string("🌍")),
            ("\"é🌍\"", .string("é🌍")),
            (#"{"a":[1,{"b":null}],"a":2, "c" : "d"}"#, .object(["a": .integer(2), "c": .string("d")])),
        ] as [(String, JSONValue)]
    )
    func reads(_ text: String, _ expected: JSONValue) {
        #expect(JSONValue(Array(text.utf8)) == expected)
    }

    @Test(
        "takes nothing that is not JSON",
        arguments: [
            "", " ", "nul", "nullx", "True", "{", "}", "[", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}", "{'a':1}", "01", "+1", "1.", ".5", "1e", "1e+", "--1", "-", "0x1", "NaN", "Infinity", "\"",
            "\"\n\"",
            "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\n\"",
            "\"\\ud800\\ud800\"",
            "1 2", "{}{}", "<html></html>", "\u{FEFF}{}", "// c\n1",
        ]
    )
    func refuses(_ text: String) {
        #expect(JSONValue(Array(text.utf8)) == nil)
    }

    @Test("takes no ill-formed UTF-8")
    func illFormed() {
        #expect(JSONValue([0x22, 0xFF, 0x22]) == nil)
        #expect(JSONValue([0x22, 0xED, 0xA0, 0x80, 0x22]) == nil)
        #expect(JSONValue([0xFF]) == nil)
    }

    @Test("goes as deep as the limit and no deeper")
    func depth() {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        #expect(JSONValue(nested(JSONValue.depthLimit)) != nil)
        #expect(JSONValue(nested(JSONValue.depthLimit + 1)) == nil)
        #expect(JSONValue(Array(String(repeating: "[", count: 1_000_000).utf8)) == nil)
        #expect(JSONValue(Array(String(repeating: "{\"a\":", count: 1_000).utf8)) == nil)
    }

    @Test("agrees with Foundation on texts with a few bytes changed", arguments: [1, 2, 3, 4] as [UInt64])
    func mutated(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        let texts = [
            #"{"rejectedLogEventsInfo":{"tooNewLogEventStartIndex":12,"tooOldLogEventEndIndex":0},"next":"4957\u00e9"}"#,
            #"{"__type":"com.amazonaws.logs#ThrottlingException","message":"Rate \"exceeded\" \ud83c\udf0d"}"#,
            #"[1, -2.5e+3, true, false, null, [], {}, "a\tb", {"x": [{"y": 0}]}]"#,
        ]
        let bytesOfInterest =
            Array(#"{}[]",:\0123456789.eE+-truefalsn /bfu"#.utf8) + [0x00, 0x1F, 0x7F, 0x80, 0xC3, 0xA9, 0xFF]
        var counts = (read: 0, refused: 0)
        for _ in 0..<10_000 {
            var bytes = Array(texts[Int.random(in: 0..<texts.count, using: &random)].utf8)
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                let byte = bytesOfInterest[Int.random(in: 0..<bytesOfInterest.count, using: &random)]
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = byte
                case 1: bytes.insert(byte, at: place)
                case 2: bytes.remove(at: place)
                default: bytes.removeSubrange(place...)
                }
                if bytes.isEmpty { bytes = [byte] }
            }
            let ours = JSONValue(bytes)
            let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            if let ours {
                counts.read += 1
                // What we take, Foundation takes, and as the same value.
                let object = try #require(theirs, "only we read \(String(decoding: bytes, as: UTF8.self))")
                #expect(matches(ours, object), "\(String(decoding: bytes, as: UTF8.self))")
            } else {
                counts.refused += 1
                // Foundation takes more than JSON: UTF-16 and UTF-32, NUL bytes at the end, single surrogates, a comma
                // after the last member.
                let text = String(decoding: bytes, as: UTF8.self)
                if theirs != nil, !bytes.contains(0), !text.contains("\\u"), !text.contains(/,\s*[}\]]/) {
                    Issue.record("only Foundation reads \(text)")
                }
            }
        }
        #expect(counts.read > 1_000 && counts.refused > 1_000)
    }

    private func matches(_ ours: JSONValue, _ theirs: Any) -> Bool {
        switch (ours, theirs) {
        case (.null, is NSNull): true
        case (.string(let ours), let theirs as String): Array(ours.utf8) == Array(theirs.utf8)
        case (.array(let ours), let theirs as [Any]):
            ours.count == theirs.count && zip(ours, theirs).allSatisfy { matches($0, $1) }
        case (.object(let ours), let theirs as [String: Any]):
            ours.count == theirs.count
                && ours.allSatisfy { name, value in theirs[name].map { matches(value, $0) } == true }
        case (.bool(let ours), let theirs as NSNumber): ours == theirs.boolValue
        case (.integer(let ours), let theirs as NSNumber): ours == theirs.int64Value
        case (.number(let ours), let theirs as NSNumber): ours == theirs.doubleValue
        default: false
        }
    }
}

private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
