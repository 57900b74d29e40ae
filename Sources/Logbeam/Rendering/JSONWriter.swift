import LogbeamCore
import Logging

/// Writes ``RecordFormat/json``.
struct JSONWriter {
    private var bytes: [UInt8] = []

    static func render(event: LogEvent, label: String, metadata: Logger.Metadata, time: UTCTime) -> String {
        let message = event.message.description
        var writer = JSONWriter()
        writer.bytes.reserveCapacity(message.utf8.count + label.utf8.count + 128 + 32 * metadata.count)
        writer.bytes.append("{\"time\":\"")
        time.appendISO8601(to: &writer.bytes)
        writer.bytes.append("\",\"level\":\"")
        writer.bytes.append(contentsOf: event.level.rawValue.utf8)
        writer.bytes.append("\",\"label\":")
        writer.bytes.appendJSONString(label)
        writer.bytes.append(",\"message\":")
        writer.bytes.appendJSONString(message)
        if !metadata.isEmpty {
            writer.bytes.append(",\"metadata\":")
            writer.write(metadata, depth: 1)
        }
        writer.bytes.append(",\"source\":")
        writer.bytes.appendJSONString(event.source)
        if let error = event.error {
            writer.bytes.append(",\"error\":{\"type\":")
            writer.bytes.appendJSONString(error.typeName)
            writer.bytes.append(",\"message\":")
            writer.bytes.appendJSONString("\(error)")
            writer.bytes.append("}")
        }
        writer.bytes.append("}")
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private mutating func write(_ value: Logger.MetadataValue, depth: Int) {
        switch value {
        case .string(let string):
            bytes.appendJSONString(string)
        case .stringConvertible(let value):
            write(value)
        case _ where depth > RecordFormat.maximumDepth:
            bytes.appendJSONString(RecordFormat.tooDeep)
        case .array(let elements):
            bytes.append("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(",") }
                write(element, depth: depth + 1)
            }
            bytes.append("]")
        case .dictionary(let dictionary):
            write(dictionary, depth: depth + 1)
        }
    }

    private mutating func write(_ value: any CustomStringConvertible) {
        let text = value.description
        // A number ends in a digit, and a truth in "e": "inf", "-inf" and "nan" are neither.
        if Self.literalTypes.contains(ObjectIdentifier(type(of: value))),
            "0123456789e".utf8.contains(text.utf8.last ?? 0)
        {
            bytes.append(contentsOf: text.utf8)
        } else {
            bytes.appendJSONString(text)
        }
    }

    /// Swift describes the values of these as JSON writes them, but for those that JSON does not have.
    private static let literalTypes = Set(
        [
            Bool.self, Double.self, Float.self, Int.self, Int8.self, Int16.self, Int32.self, Int64.self,
            UInt.self, UInt8.self, UInt16.self, UInt32.self, UInt64.self,
        ].map { (type: Any.Type) in ObjectIdentifier(type) }
    )

    /// - Parameter depth: The depth of the values.
    private mutating func write(_ dictionary: Logger.Metadata, depth: Int) {
        bytes.append("{")
        for (index, (key, value)) in dictionary.inOrderOfKeys.enumerated() {
            if index > 0 { bytes.append(",") }
            bytes.appendJSONString(key)
            bytes.append(":")
            write(value, depth: depth)
        }
        bytes.append("}")
    }
}
