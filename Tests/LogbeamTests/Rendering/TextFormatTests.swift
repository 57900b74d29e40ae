import Foundation
import Logbeam
import LogbeamTestSupport
import Logging
import Testing

@Suite struct TextFormatTests {
    @Test(
        arguments: [
            (.trace, "TRACE"), (.debug, "DEBUG"), (.info, "INFO"), (.notice, "NOTICE"), (.warning, "WARNING"),
            (.error, "ERROR"), (.critical, "CRITICAL"),
        ] as [(Logger.Level, String)]
    )
    func `A record begins with its level and label`(level: Logger.Level, name: String) {
        #expect(RecordFormat.text.render("hello", level: level) == "\(name) app: hello")
    }

    @Test(arguments: [
        ("", "INFO: m"),
        ("com.example.app", "INFO com.example.app: m"),
        ("my app", "INFO \"my app\": m"),
        ("a\nb", "INFO \"a\\nb\": m"),
    ])
    func `A label is left out when empty and quoted when it must be`(label: String, expected: String) {
        #expect(RecordFormat.text.render("m", label: label) == expected)
    }

    @Test(arguments: hostileStrings)
    func `The message stays as it is`(message: String) {
        #expect(RecordFormat.text.render(message).utf8.elementsEqual("INFO app: \(message)".utf8))
    }

    @Test(
        arguments: [
            (["key": "value"], "key=value"),
            (["b": "2", "a": "1", "c": "3"], "a=1 b=2 c=3"),
            (["n": .stringConvertible(42), "d": .stringConvertible(-1.5)], "d=-1.5 n=42"),
            (["path": "/a/b.c?d&e;f:g'h"], "path=/a/b.c?d&e;f:g'h"),
            (["name": "Zoë 👩‍👩‍👧"], "name=\"Zoë 👩‍👩‍👧\""),
            (["name": "Zoë"], "name=Zoë"),
            (["empty": ""], "empty=\"\""),
            (["query": "a=b"], "query=\"a=b\""),
            (["quote": "say \"hi\" \\o/"], #"quote="say \"hi\" \\o/""#),
            (["lines": "a\nb\r\nc\td"], #"lines="a\nb\r\nc\td""#),
            (["control": "\0\u{1B}\u{7F}\u{85}\u{2028}"], #"control="\u0000\u001b\u007f\u0085\u2028""#),
            (["a key": "1", "": "2"], "\"\"=2 \"a key\"=1"),
            (["list": ["a", "b c", ["d"]]], "list=[a,\"b c\",[d]]"),
            (["list": []], "list=[]"),
            (["map": ["z": "1", "y": ["x": "2"], "w": "a,b"]], "map={w=\"a,b\",y={x=2},z=1}"),
            (["map": [:]], "map={}"),
            (["looks": "[a]"], "looks=\"[a]\""),
        ] as [(Logger.Metadata, String)]
    )
    func `Metadata follows in the order of its keys`(metadata: Logger.Metadata, expected: String) {
        #expect(RecordFormat.text.render("hi", metadata: metadata) == "INFO app: hi \(expected)")
    }

    @Test func `An error follows the metadata`() {
        let error = #"error.message="disk \"a\" failed\nat block 7" error.type=LogbeamTests.DiskFailure"#
        #expect(RecordFormat.text.render("m", error: DiskFailure()) == "INFO app: m \(error)")
        let withMetadata = RecordFormat.text.render("m", metadata: ["z": "1"], error: DiskFailure())
        #expect(withMetadata == "INFO app: m z=1 \(error)")
    }

    @Test func `Random metadata can be read back, all on one line`() throws {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<3_000 {
            let metadata = generator.metadata()
            let text = RecordFormat.text.render("message", metadata: metadata)
            #expect(!text.unicodeScalars.contains { Character($0).isNewline }, "\(text)")
            var reader = TextReader(text.unicodeScalars.dropFirst("INFO app: message".unicodeScalars.count))
            #expect(try reader.topLevel() == Tree(metadata), "\(text)")
        }
    }

    @Test func `Every hostile string can be read back as key and as value`() throws {
        for string in hostileStrings {
            let text = RecordFormat.text.render("", metadata: [string: .string(string)])
            var reader = TextReader(text.unicodeScalars.dropFirst("INFO app: ".unicodeScalars.count))
            #expect(try reader.topLevel() == Tree([string: .string(string)]), "\(text)")
        }
    }

    @Test func `Metadata nested too deep is cut, not followed`() {
        let deepest = RecordFormat.text.render("", metadata: ["k": nested(64, around: "x")])
        #expect(deepest.contains("x"))
        let tooDeep = RecordFormat.text.render("", metadata: ["k": nested(65, around: "x")])
        #expect(!tooDeep.contains("x") && tooDeep.contains("…"))
    }
}

/// Reads the metadata of ``RecordFormat/text`` back, to show that it can be.
private struct TextReader {
    private var rest: Substring.UnicodeScalarView

    init(_ text: Substring.UnicodeScalarView) { rest = text }

    struct Malformed: Error {}

    mutating func topLevel() throws -> Tree {
        var entries: [[UInt8]: Tree] = [:]
        while !rest.isEmpty {
            try expect(" ")
            try readEntry(into: &entries)
        }
        return .dictionary(entries)
    }

    private mutating func readEntry(into entries: inout [[UInt8]: Tree]) throws {
        let key = try token()
        try expect("=")
        guard entries.updateValue(try value(), forKey: key) == nil else { throw Malformed() }
    }

    private mutating func value() throws -> Tree {
        if skip("[") {
            var elements: [Tree] = []
            while !skip("]") {
                if !elements.isEmpty { try expect(",") }
                elements.append(try value())
            }
            return .array(elements)
        }
        if skip("{") {
            var entries: [[UInt8]: Tree] = [:]
            while !skip("}") {
                if !entries.isEmpty { try expect(",") }
                try readEntry(into: &entries)
            }
            return .dictionary(entries)
        }
        return .string(try token())
    }

    private mutating func token() throws -> [UInt8] {
        guard skip("\"") else {
            let bare = rest.prefix { !" =,[]{}\"\\".unicodeScalars.contains($0) }
            guard !bare.isEmpty else { throw Malformed() }
            rest = rest[bare.endIndex...]
            return Array(String(bare).utf8)
        }
        var end = rest.startIndex
        while end < rest.endIndex, rest[end] != "\"" {
            end = rest.index(end, offsetBy: rest[end] == "\\" ? 2 : 1)
        }
        let json = "\"\(String(rest[..<end]))\""
        rest = rest[end...]
        try expect("\"")
        let decoded = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
        guard let string = decoded as? String else { throw Malformed() }
        return Array(string.utf8)
    }

    private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
        guard rest.first == scalar else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func expect(_ scalar: Unicode.Scalar) throws {
        guard skip(scalar) else { throw Malformed() }
    }
}
