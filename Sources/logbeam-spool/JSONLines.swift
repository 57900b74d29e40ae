internal import LogbeamCore
internal import LogbeamSpool

/// Records as JSON Lines: each an object on a line of its own, with the keys `time` (ISO 8601, UTC, to the millisecond),
/// `log_group`, `log_stream` and `message`, in this order. Pure.
enum JSONLines {
    /// Appends the line of a record, with its end. Whatever the message holds, the line is valid JSON in UTF-8.
    ///
    /// - Parameters:
    ///   - time: milliseconds since 1970-01-01T00:00:00Z.
    ///   - members: what follows the others.
    static func append(
        time: Int64,
        destination: Destination,
        message: UnsafeBufferPointer<UInt8>,
        members: [(String, JSON)] = [],
        to lines: inout [UInt8]
    ) {
        lines.append(#"{"time":""#)
        UTCTime(millisecondsSinceEpoch: time).appendISO8601(to: &lines)
        lines.append(#"","log_group":"#)
        lines.appendJSONString(destination.logGroup)
        lines.append(#","log_stream":"#)
        lines.appendJSONString(destination.logStream)
        lines.append(#","message":"#)
        lines.appendJSONString(message)
        for (name, value) in members { lines += Array(",\(name.jsonQuoted):\(value.text)".utf8) }
        lines.append("}\n")
    }

    /// Lines as they are shown to a person: what could control a terminal is escaped. In a line of JSON what is unprintable
    /// stands in strings alone, but for its end.
    static func printable(_ lines: [UInt8]) -> [UInt8] {
        String(decoding: lines, as: UTF8.self).split(separator: "\n").flatMap {
            Array("\(String($0).printable)\n".utf8)
        }
    }
}

extension [UInt8] {
    /// Appends the line of a record; with its reason and when it was rejected, if it was.
    ///
    /// - Parameter isRead: by a person: what could control a terminal is escaped.
    mutating func append(_ record: StoredRecord, isRead: Bool = false) {
        var members: [(String, JSON)] = []
        if let rejection = record.rejection {
            members = [
                ("reason", .string(rejection.reason)), ("rejected_at", .time(rejection.time)),
                ("id", .number(record.id)),
            ]
        }
        let start = count
        record.message.withUnsafeBufferPointer {
            JSONLines.append(
                time: record.timestamp,
                destination: record.destination,
                message: $0,
                members: members,
                to: &self
            )
        }
        if isRead { replaceSubrange(start..., with: JSONLines.printable(Array(self[start...]))) }
    }
}
