import LogbeamCore
import Logging

/// Writes ``RecordFormat/json``.
struct JSONWriter {
    private var bytes: [UInt8] = []

    static func render(event: LogEvent, label: String, metadata: Logger.Metadata, time: UTCTime) -> String {
        let message = event.message.description
        var writer = JSONWriter()
        writer.bytes.reserveCapacity(message.utf8.count + label.utf8.count + 128 + 32 * metadata.count)
        writer.write("{\"time\":\"")
        time.appendISO8601(to: &writer.bytes)
        writer.write("\",\"level\":\"")
        writer.bytes.append(contentsOf: event.level.rawValue.utf8)
        writer.write("\",\"label\":")
        writer.write(string: label)
        writer.write(",\"message\":")
        writer.write(string: message)
        if !metadata.isEmpty {
            writer.write(",\"metadata\":")
            writer.write(metadata, depth: 1)
        }
        writer.write(",\"source\":")
        writer.write(string: event.source)
        if let error = event.error {
            writer.write(",\"error\":{\"type\":")
            writer.write(string: error.typeName)
            writer.write(",\"message\":")
            writer.write(string: "\(error)")
            writer.write("}")
        }
        writer.write("}")
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private mutating func write(_ value: Logger.MetadataValue, depth: Int) {
        switch value {
        case .string(let string):
            write(string: string)
        case .stringConvertible(let value):
            write(string: value.description)
        case _ where depth > RecordFormat.maximumDepth:
            write(string: RecordFormat.tooDeep)
        case .array(let elements):
            write("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { write(",") }
                write(element, depth: depth + 1)
            }
            write("]")
        case .dictionary(let dictionary):
            write(dictionary, depth: depth + 1)
        }
    }

    /// - Parameter depth: The depth of the values.
    private mutating func write(_ dictionary: Logger.Metadata, depth: Int) {
        write("{")
        for (index, (key, value)) in dictionary.inOrderOfKeys.enumerated() {
            if index > 0 { write(",") }
            write(string: key)
            write(":")
            write(value, depth: depth)
        }
        write("}")
    }

    private mutating func write(string: String) {
        var string = string
        string.withUTF8 { bytes.appendJSONString($0) }
    }

    private mutating func write(_ syntax: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: syntax.utf8Start, count: syntax.utf8CodeUnitCount))
    }
}
