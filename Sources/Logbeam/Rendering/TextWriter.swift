internal import LogbeamCore
import Logging

/// Writes ``RecordFormat/text``.
struct TextWriter {
    private(set) var text = ""

    static func render(event: LogEvent, label: String, metadata: Logger.Metadata) -> String {
        let message = event.message.description
        let hasDetails = !metadata.isEmpty || event.error != nil
        var writer = TextWriter()
        writer.text.reserveCapacity(
            message.utf8.count + label.utf8.count + 16 + 32 * metadata.count + (event.error == nil ? 0 : 96)
        )
        writer.text += event.level.uppercaseName
        if !label.isEmpty {
            writer.text += " "
            writer.write(label)
        }
        writer.text += ": "
        writer.text += message
        if hasDetails { writer.writeDetails(metadata, error: event.error) }
        return writer.text
    }

    private mutating func writeDetails(_ metadata: Logger.Metadata, error: (any Error)?) {
        for (key, value) in metadata.inOrderOfKeys {
            text += " "
            write(key)
            text += "="
            write(value, depth: 1)
        }
        if let error {
            text += " error.message="
            write("\(error)")
            text += " error.type="
            write(error.typeName)
        }
    }

    private mutating func write(_ value: Logger.MetadataValue, depth: Int) {
        switch value {
        case .string(let string):
            write(string)
        case .stringConvertible(let value):
            write(value.description)
        case _ where depth > RecordFormat.maximumDepth:
            text += RecordFormat.tooDeep
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { text += "," }
                write(element, depth: depth + 1)
            }
            text += "]"
        case .dictionary(let dictionary):
            text += "{"
            for (index, (key, value)) in dictionary.inOrderOfKeys.enumerated() {
                if index > 0 { text += "," }
                write(key)
                text += "="
                write(value, depth: depth + 1)
            }
            text += "}"
        }
    }

    /// Writes a label, a key or a value, in quotes if it could be taken for something else without.
    private mutating func write(_ string: String) {
        if string.isEmpty || string.unicodeScalars.contains(where: Self.needsQuotes) {
            writeQuoted(string.unicodeScalars)
        } else {
            text += string
        }
    }

    /// Writes a JSON string in which every control character and line separator is escaped, not only those of ASCII.
    mutating func writeQuoted(_ scalars: some Sequence<Unicode.Scalar>) {
        text += "\""
        for scalar in scalars {
            if scalar == "\"" || scalar == "\\" || Self.isControl(scalar) {
                text.appendEscape(of: scalar)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }

    private static func needsQuotes(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case " ", "\"", "\\", "=", ",", "[", "]", "{", "}": true
        default: isControl(scalar)
        }
    }

    /// C0, DEL, C1 (with NEL, the next line) and Unicode's separators of lines and paragraphs.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1F, 0x7F...0x9F, 0x2028, 0x2029: true
        default: false
        }
    }
}

extension Logger.Level {
    fileprivate var uppercaseName: String {
        switch self {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info: "INFO"
        case .notice: "NOTICE"
        case .warning: "WARNING"
        case .error: "ERROR"
        case .critical: "CRITICAL"
        }
    }
}
