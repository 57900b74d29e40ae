import Logbeam
import LogbeamTestSupport
import Logging

/// An error as applications have them: a type of its own, a description with all that must be escaped.
struct DiskFailure: Error, CustomStringConvertible {
    var description: String { "disk \"a\" failed\nat block 7" }
}

extension RecordFormat {
    /// Renders with defaults for what a test does not care about.
    func render(
        _ message: String,
        level: Logger.Level = .info,
        label: String = "app",
        metadata: Logger.Metadata = [:],
        error: (any Error)? = nil,
        source: String? = nil,
        timestamp: Int64 = 1_795_376_529_123
    ) -> String {
        let event = LogEvent(
            level: level,
            message: "\(message)",
            error: error,
            metadata: ["not": "looked at"],
            source: source,
            file: "App/Main.swift",
            function: "run()",
            line: 42
        )
        return render(event: event, label: label, metadata: metadata, timestampMilliseconds: timestamp)
    }
}

/// Metadata without Swift's equality of strings, which takes é for e and a combining accent.
enum Tree: Equatable {
    case string([UInt8])
    case array([Tree])
    case dictionary([[UInt8]: Tree])

    init(_ metadata: Logger.Metadata) {
        self = .dictionary(Dictionary(uniqueKeysWithValues: metadata.map { (Array($0.key.utf8), Tree($0.value)) }))
    }

    init(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let string): self = .string(Array(string.utf8))
        case .stringConvertible(let value): self = .string(Array(value.description.utf8))
        case .array(let elements): self = .array(elements.map { Tree($0) })
        case .dictionary(let dictionary): self = Tree(dictionary)
        }
    }
}

// Without U+FEFF: Foundation's JSON parser, the judge here, drops it where a string begins and after an escape.
let hostileStrings = [
    "", " ", "a b", "a=b", "a,b", "\"", "\\", "\\\"", "'", "\n", "\r\n", "\t", "\0", "a\0b", "\u{1B}[31m", "\u{7F}",
    "\u{85}", "\u{9B}", "\u{2028}", "\u{2029}", "é", "e\u{301}", "\u{301}", "👩‍👩‍👧", "🇦🇶", "\u{202E}x",
    "\u{FFFF}", "\u{10FFFF}",
    "[", "]", "{", "}", "[a]", "{a=b}", "[]", "{}", "null", "…", "a=\"b\"", "x error.type=y", "\\u0041",
]

extension SeededGenerator {
    mutating func metadata(depth: Int = 0) -> Logger.Metadata {
        var metadata: Logger.Metadata = [:]
        for _ in 0..<Int.random(in: 0...4, using: &self) { metadata[string()] = value(depth: depth) }
        return metadata
    }

    private mutating func string() -> String {
        (0..<Int.random(in: 0...2, using: &self)).map { _ in hostileStrings.randomElement(using: &self) ?? "" }.joined()
    }

    private mutating func value(depth: Int) -> Logger.MetadataValue {
        switch Int.random(in: 0..<(depth < 4 ? 6 : 3), using: &self) {
        case 0: .stringConvertible(Int.random(in: -9...9, using: &self))
        case 1, 2: .string(string())
        case 3: .array((0..<Int.random(in: 0...3, using: &self)).map { _ in value(depth: depth + 1) })
        default: .dictionary(metadata(depth: depth + 1))
        }
    }
}

/// Containers nested so deep around a value.
func nested(_ depth: Int, around value: Logger.MetadataValue) -> Logger.MetadataValue {
    (0..<depth).reduce(value) { inner, index in index.isMultiple(of: 2) ? .array([inner]) : .dictionary(["k": inner]) }
}
