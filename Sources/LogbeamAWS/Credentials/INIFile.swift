/// A file of the AWS command line's kind: sections in brackets, each with lines of `name = value`.
///
/// Reads what Python's `configparser`, and so the AWS command line, reads: names in any case, `=` or `:` between name
/// and value, and comments on lines of their own that begin with `#` or `;`. A line that is indented deeper than the
/// setting above it belongs to that setting's value; such nested settings are left out. Where a section or a setting
/// stands twice, the last one counts.
struct INIFile: Equatable {
    /// Files that people write by hand stay far below this; it keeps a wrong path from filling the memory.
    static let byteLimit = 1 << 20

    /// Why a file cannot be read. Never quotes the file, which holds secrets.
    struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        var path: String
        /// The section in which the trouble is, and the line, counted from 1.
        var section: String?
        var line: Int?
        var reason: String

        var description: String {
            let place = (line.map { ", line \($0)" } ?? "") + (section.map { ", section [\($0)]" } ?? "")
            return "\(path)\(place): \(reason)"
        }
    }

    private var sections: [String: [String: String]] = [:]

    /// The settings of a section by their names in lower case. A setting without a value is left out.
    subscript(section: String) -> [String: String]? { sections[section] }

    /// `nil` if there is no file of that name.
    init?(path: String) throws(Failure) {
        let bytes: [UInt8]?
        do throws(FileReadError) {
            bytes = try readFile(path, limit: Self.byteLimit)
        } catch {
            throw Failure(path: path, reason: error.description)
        }
        guard let bytes else { return nil }
        try self.init(bytes, path: path)
    }

    /// Parses the content of a file; the path is for errors alone.
    init(_ bytes: [UInt8], path: String) throws(Failure) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(path: path, reason: "the file is not UTF-8")
        }
        var section: String?
        var settingIndentation: Int?
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            let content = line.trimmingWhitespace
            if content.isEmpty || content.hasPrefix("#") || content.hasPrefix(";") { continue }
            let indentation = line.prefix(while: \.isWhitespace).count
            if let settingIndentation, indentation > settingIndentation { continue }
            if content.hasPrefix("[") {
                guard let end = content.firstIndex(of: "]") else {
                    throw Failure(path: path, section: section, line: index + 1, reason: "the section's name has no ]")
                }
                let name = String(content[content.index(after: content.startIndex)..<end].trimmingWhitespace)
                if sections[name] == nil { sections[name] = [:] }
                section = name
                settingIndentation = nil
                continue
            }
            guard let separator = content.firstIndex(where: { $0 == "=" || $0 == ":" }), separator > content.startIndex
            else {
                throw Failure(path: path, section: section, line: index + 1, reason: "expected NAME = VALUE")
            }
            guard let section else {
                throw Failure(path: path, line: index + 1, reason: "a setting stands before the first [SECTION]")
            }
            let name = String(content[..<separator].trimmingWhitespace).asciiLowercased
            let value = String(content[content.index(after: separator)...].trimmingWhitespace)
            sections[section]?[name] = value.isEmpty ? nil : value
            settingIndentation = indentation
        }
    }
}

extension Substring {
    fileprivate var trimmingWhitespace: Substring {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return start[..<start.startIndex] }
        return start[...last]
    }
}
