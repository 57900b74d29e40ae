import Foundation
import Logbeam
import LogbeamTestSupport
import Logging
import Testing

@Suite struct JSONFormatTests {
    @Test(
        arguments: [
            ([:], nil, ""),
            (["key": "value"], nil, #""metadata":{"key":"value"},"#),
            (
                ["b": ["y": "1", "x": [["z": "\n"], "w"]], "a": .stringConvertible(42), "c": [], "d": [:]], nil,
                #""metadata":{"a":42,"b":{"x":[{"z":"\n"},"w"],"y":"1"},"c":[],"d":{}},"#
            ),
        ] as [(Logger.Metadata, String?, String)]
    )
    func `The keys of the object stand in their order`(metadata: Logger.Metadata, source: String?, expected: String) {
        #expect(
            RecordFormat.json.render("hello \"world\"", level: .warning, metadata: metadata, source: source)
                == #"{"time":"2026-11-22T19:42:09.123Z","level":"warning","label":"app","message":"hello \"world\"","#
                + expected + #""source":"App"}"#
        )
    }

    @Test(
        arguments: [
            (42, "42"), (Int8.min, "-128"), (UInt64.max, "18446744073709551615"), (Int64.min, "-9223372036854775808"),
            (true, "true"), (1.5, "1.5"), (-0.0, "-0.0"), (1e-7, "1e-07"), (1e300, "1e+300"), (Float(0.1), "0.1"),
            (Double.infinity, #""inf""#), (-Double.infinity, #""-inf""#), (Double.nan, #""nan""#),
            (Float.infinity, #""inf""#), (-Double.signalingNaN, #""nan""#),
            (Float.nan, #""nan""#), ("42", #""42""#), (Character("4"), #""4""#),
            ([1], #""[1]""#), (Substring("1"), #""1""#),
        ] as [(any CustomStringConvertible & Sendable, String)]
    )
    func `Numbers and truths are no strings`(value: any CustomStringConvertible & Sendable, expected: String) throws {
        let json = RecordFormat.json.render("m", metadata: ["k": .stringConvertible(value)])
        #expect(json.contains(#""metadata":{"k":\#(expected)},"#))
        #expect(try parse(json).count == 6)
    }

    @Test func `A record with an error ends in the error`() {
        #expect(
            RecordFormat.json.render("m", label: "", error: DiskFailure(), source: "Disk", timestamp: -1)
                == #"{"time":"1969-12-31T23:59:59.999Z","level":"info","label":"","message":"m","source":"Disk","#
                + #""error":{"type":"LogbeamTests.DiskFailure","message":"disk \"a\" failed\nat block 7"}}"#
        )
    }

    @Test(arguments: Logger.Level.allCases)
    func `The level has swift-log's name`(level: Logger.Level) throws {
        let object = try parse(RecordFormat.json.render("m", level: level))
        #expect(object["level"] as? String == "\(level)")
    }

    @Test func `Random records are valid JSON on one line, every field as it was given`() throws {
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<3_000 {
            let metadata = generator.metadata()
            let message = hostileStrings.randomElement(using: &generator) ?? ""
            let label = hostileStrings.randomElement(using: &generator) ?? ""
            let source = hostileStrings.randomElement(using: &generator) ?? ""
            let json = RecordFormat.json.render(message, label: label, metadata: metadata, source: source)
            #expect(json.utf8.allSatisfy { $0 >= 0x20 })
            let object = try parse(json)
            var expected = [
                "message": Tree(.string(message)), "label": Tree(.string(label)), "source": Tree(.string(source)),
                "level": Tree("info"), "time": Tree("2026-11-22T19:42:09.123Z"),
            ]
            expected["metadata"] = metadata.isEmpty ? nil : Tree(metadata)
            let fields = try object.mapValues(tree)
            #expect(fields == expected, "\(json)")
        }
    }

    @Test func `Metadata nested too deep is cut, and the JSON stays valid`() throws {
        let deepest = RecordFormat.json.render("", metadata: ["k": nested(64, around: "x")])
        #expect(try parse(deepest).count == 6 && deepest.contains("\"x\""))
        let tooDeep = RecordFormat.json.render("", metadata: ["k": nested(65, around: "x")])
        #expect(try parse(tooDeep).count == 6 && tooDeep.contains("\"…\"") && !tooDeep.contains("\"x\""))
    }

    private func parse(_ json: String) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    }

    private func tree(_ value: Any) throws -> Tree {
        if let string = value as? String { return .string(Array(string.utf8)) }
        if let number = value as? NSNumber { return .string(Array(number.stringValue.utf8)) }
        if let elements = value as? [Any] { return .array(try elements.map(tree)) }
        let entries = try #require(value as? [String: Any])
        return .dictionary(
            Dictionary(uniqueKeysWithValues: try entries.map { (Array($0.key.utf8), try tree($0.value)) })
        )
    }
}
