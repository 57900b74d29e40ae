/// The texts in an XML document, by the names of the elements around each: all that the answers of AWS's Query protocol
/// need.
///
/// There is nothing here that could fetch or expand anything: a document type declaration makes the document unreadable, and
/// the five entities that XML defines itself are all there are.
struct XMLText {
    private static let depthLimit = 32
    /// The answers have about ten elements.
    private static let countLimit = 200

    /// By the path from the root, `AssumeRoleResponse/AssumeRoleResult/Credentials/AccessKeyId`.
    private var texts: [(path: String, text: String)] = []

    /// The text of the first element whose path ends so.
    subscript(path: String) -> String? {
        texts.first { $0.path == path || $0.path.hasSuffix("/\(path)") }?.text
    }

    /// `nil` unless every element that begins also ends. The caller bounds the size.
    init?(_ bytes: [UInt8]) {
        guard let document = String(validating: bytes, as: UTF8.self) else { return nil }
        var rest = document[...]
        var open: [Substring] = []
        var text = ""
        while let start = rest.firstIndex(of: "<") {
            guard let piece = Self.unescaped(rest[..<start]) else { return nil }
            text += piece
            rest = rest[rest.index(after: start)...]
            if rest.hasPrefix("!--") {
                guard let end = rest.firstRange(of: "-->")?.upperBound else { return nil }
                rest = rest[end...]
                continue
            }
            guard let end = rest.firstIndex(of: ">"), !rest.hasPrefix("!") else { return nil }
            let tag = rest[..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("?") { continue }
            if tag.hasPrefix("/") {
                guard open.last == tag.dropFirst().prefix(while: { !$0.isWhitespace }) else { return nil }
                let path = open.joined(separator: "/")
                texts.append((path, text))
                open.removeLast()
            } else if !tag.hasSuffix("/") {
                let name = tag.prefix { !$0.isWhitespace }
                guard !name.isEmpty, open.count < Self.depthLimit, texts.count < Self.countLimit else { return nil }
                open.append(name)
            }
            text = ""
        }
        if !open.isEmpty || texts.isEmpty { return nil }
    }

    private static func unescaped(_ text: Substring) -> String? {
        var result = ""
        var rest = text
        while let start = rest.firstIndex(of: "&") {
            result += rest[..<start]
            guard let end = rest[start...].firstIndex(of: ";") else { return nil }
            guard let character = character(rest[rest.index(after: start)..<end]) else { return nil }
            result.unicodeScalars.append(character)
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }

    private static func character(_ entity: Substring) -> Unicode.Scalar? {
        switch entity {
        case "amp": "&"
        case "lt": "<"
        case "gt": ">"
        case "quot": "\""
        case "apos": "'"
        default:
            if entity.hasPrefix("#x") {
                UInt32(entity.dropFirst(2), radix: 16).flatMap(Unicode.Scalar.init)
            } else if entity.hasPrefix("#") {
                UInt32(entity.dropFirst()).flatMap(Unicode.Scalar.init)
            } else {
                nil
            }
        }
    }
}

/// The texts may be secrets: no description shows any.
extension XMLText: CustomStringConvertible, CustomReflectable {
    var description: String { "XMLText(\(texts.count) elements)" }
    var customMirror: Mirror { Mirror(self, children: ["count": texts.count]) }
}
