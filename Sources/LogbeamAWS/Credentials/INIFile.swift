/// A file of the AWS command line's kind: sections in brackets, each with lines of `name = value`.
///
/// Reads what botocore reads with Python's `configparser`: names in any case, `=` or `:` between name and value, comments
/// on lines of their own that begin with `#` or `;`. A line that is indented deeper than the setting above it goes on with
/// that setting's value, over blank lines too. A value that begins on the next line holds settings of its own. What stands
/// in `[DEFAULT]` stands in every section. Where a section or a setting stands twice, the last one counts, as in AWS's other
/// tools; botocore gives up there.
package struct INIFile: Sendable, Equatable {
    /// Files that people write by hand stay far below this; it keeps a wrong path from filling the memory.
    static let byteLimit = 1 << 20

    /// Why a file cannot be read. Never quotes the file, which holds secrets.
    package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        package var path: String
        /// The section in which the trouble is, and the line, counted from 1.
        package var section: String?
        package var line: Int?
        package var reason: String

        package var description: String {
            let place = (line.map { ", line \($0)" } ?? "") + (section.map { ", section [\($0)]" } ?? "")
            return "\(path)\(place): \(reason)"
        }
    }

    /// The sections in the order in which they first come.
    private(set) var sections: [(name: String, section: INISection)] = []

    subscript(name: String) -> INISection? { sections.first { $0.name == name }?.section }

    package static func == (left: INIFile, right: INIFile) -> Bool {
        left.sections.elementsEqual(right.sections) { $0.name == $1.name && $0.section == $1.section }
    }

    /// Parses the content of a file; the path is for errors alone.
    init(_ bytes: [UInt8], path: String) throws(Failure) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(path: path, reason: "the file is not UTF-8")
        }
        var parser = INIParser(path: path)
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
        for line in lines { try parser.take(line) }
        try parser.endSetting()
        let defaults = parser.sections.first { $0.name == "DEFAULT" }?.section
        sections = parser.sections.filter { $0.name != "DEFAULT" }
        if let defaults {
            for index in sections.indices { sections[index].section.fillIn(from: defaults) }
        }
    }
}

/// Settings by their names in lower case. A setting without a value is none. No description shows a value: some are
/// secrets.
package struct INISection: Sendable, Equatable {
    fileprivate(set) var values: [String: String] = [:]
    fileprivate(set) var nested: [String: [String: String]] = [:]

    package subscript(name: String) -> String? { values[name] }

    /// The settings inside a setting: what is indented below `cloudwatch_logs =`, their names as they are written.
    package subscript(nested name: String) -> [String: String]? { nested[name] }

    package var isEmpty: Bool { values.isEmpty && nested.isEmpty }

    /// Takes what the other section has, over what is here.
    mutating func merge(_ other: INISection) {
        for name in other.values.keys { nested[name] = nil }
        for name in other.nested.keys { values[name] = nil }
        values.merge(other.values) { $1 }
        nested.merge(other.nested) { $1 }
    }

    fileprivate mutating func fillIn(from defaults: INISection) {
        var all = defaults
        all.merge(self)
        self = all
    }
}

extension INISection: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String {
        "INISection(\((Array(values.keys) + nested.keys).sorted().joined(separator: ", ")))"
    }

    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["names": description]) }
}

/// Reads one file, line by line.
private struct INIParser {
    private let path: String
    private(set) var sections: [(name: String, section: INISection)] = []
    /// Where in `sections` each is.
    private var indices: [String: Int] = [:]
    private var lineNumber = 0
    private var sectionIndex: Int?
    /// The setting that the next line may go on with.
    private var setting: (name: String, value: String, line: Int)?
    /// How far the last section or setting is indented.
    private var indentation = 0

    init(path: String) {
        self.path = path
    }

    private func failure(_ reason: String, line: Int? = nil) -> INIFile.Failure {
        let section = sectionIndex.map { sections[$0].name }
        return INIFile.Failure(path: path, section: section, line: line ?? lineNumber, reason: reason)
    }

    mutating func take(_ line: Substring) throws(INIFile.Failure) {
        lineNumber += 1
        let content = line.trimmingWhitespace
        if content.isEmpty {
            setting?.value += "\n"
            return
        }
        if content.hasPrefix("#") || content.hasPrefix(";") { return }
        let indentation = line.prefix(while: \.isWhitespace).count
        if setting != nil, indentation > self.indentation {
            setting?.value += "\n\(content)"
            return
        }
        try endSetting()
        self.indentation = indentation
        if content.hasPrefix("[") { try beginSection(content) } else { try beginSetting(content) }
    }

    private mutating func beginSection(_ content: Substring) throws(INIFile.Failure) {
        guard let end = content.lastIndex(of: "]") else { throw failure("the section's name has no ]") }
        let name = String(content[content.index(after: content.startIndex)..<end].trimmingWhitespace)
        if let index = indices[name] {
            sectionIndex = index
        } else {
            sectionIndex = sections.count
            indices[name] = sections.count
            sections.append((name, INISection()))
        }
    }

    private mutating func beginSetting(_ content: Substring) throws(INIFile.Failure) {
        guard let separator = content.firstIndex(where: { $0 == "=" || $0 == ":" }), separator > content.startIndex
        else {
            throw failure("expected NAME = VALUE")
        }
        if sectionIndex == nil { throw failure("a setting stands before the first [SECTION]") }
        let name = String(content[..<separator].trimmingWhitespace).asciiLowercased
        setting = (name, String(content[content.index(after: separator)...].trimmingWhitespace), lineNumber)
    }

    /// Notes the setting that was being read, now that it is whole.
    mutating func endSetting() throws(INIFile.Failure) {
        guard let setting, let sectionIndex else { return }
        self.setting = nil
        sections[sectionIndex].section.values[setting.name] = nil
        sections[sectionIndex].section.nested[setting.name] = nil
        let value = String(setting.value[...].trimmingTrailingWhitespace)
        if value.isEmpty { return }
        guard value.hasPrefix("\n") else {
            sections[sectionIndex].section.values[setting.name] = value
            return
        }
        var inner: [String: String] = [:]
        for line in value.split(separator: "\n") {
            guard let separator = line.firstIndex(of: "=") else {
                throw failure("expected NAME = VALUE in each line of the value", line: setting.line)
            }
            let value = String(line[line.index(after: separator)...].trimmingWhitespace)
            if !value.isEmpty { inner[String(line[..<separator].trimmingWhitespace)] = value }
        }
        sections[sectionIndex].section.nested[setting.name] = inner
    }
}

extension Substring {
    var trimmingWhitespace: Substring { drop(while: \.isWhitespace).trimmingTrailingWhitespace }

    fileprivate var trimmingTrailingWhitespace: Substring {
        lastIndex { !$0.isWhitespace }.map { self[...$0] } ?? self[..<startIndex]
    }
}
