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
            bytes.appendJSONString(value.description)
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
