internal import LogbeamAWS
internal import LogbeamCore

extension JSONLines {
    /// What a line says; what it does not have is `nil`.
    struct Line {
        /// Milliseconds since 1970-01-01T00:00:00Z.
        var time: Int64?
        var logGroup: String?
        var logStream: String?
        var message: String?
    }

    /// The longest line that is read: its message may have every byte escaped (`\u0000`), and the names every character.
    static let longestLine = 6 * BatchLimits.maximumMessageBytes + 16_384

    /// What a line is not, for people.
    struct Fault: Error, Equatable {
        var description: String
    }

    /// Reads an object in which whatever there is of `time`, `log_group`, `log_stream` and `message` makes sense; `null` is
    /// as if it was not there. Of other keys nothing is asked.
    static func read(_ line: UnsafeBufferPointer<UInt8>) throws(Fault) -> Line {
        guard let value = JSONValue(Array(line)), value.isObject else {
            throw Fault(description: "it is no JSON object")
        }
        func text(_ name: String, _ isValid: (String) -> Bool = { _ in true }) throws(Fault) -> String? {
            guard let member = value[name], member != .null else { return nil }
            guard let text = member.string, isValid(text) else { throw Fault(description: "\(name) can not be used") }
            return text
        }
        var line = Line()
        line.logGroup = try text("log_group", Destination.isValid(logGroup:))
        line.logStream = try text("log_stream", Destination.isValid(logStream:))
        line.message = try text("message")
        if let member = value["time"], member != .null {
            guard let time = time(member) else { throw Fault(description: "time can not be used") }
            line.time = time
        }
        return line
    }

    /// Reads what ``append(time:destination:message:members:to:)`` writes: an object that has all four.
    static func readRecord(
        _ line: UnsafeBufferPointer<UInt8>
    ) throws(Fault) -> (destination: Destination, time: Int64, message: String) {
        let line = try read(line)
        func required<Value>(_ value: Value?, _ name: String) throws(Fault) -> Value {
            guard let value else { throw Fault(description: "it has no \(name)") }
            return value
        }
        let message = try required(line.message, "message")
        guard message.utf8.count <= BatchLimits.maximumMessageBytes else {
            throw Fault(description: "message is longer than \(BatchLimits.maximumMessageBytes) bytes")
        }
        let destination = Destination(
            logGroup: try required(line.logGroup, "log_group"),
            logStream: try required(line.logStream, "log_stream")
        )
        return (destination, try required(line.time, "time"), message)
    }

    /// ISO 8601 text, or a number since 1970-01-01T00:00:00Z: of seconds below 100,000,000,000 (the year 5138), of
    /// milliseconds from there on.
    private static func time(_ value: JSONValue) -> Int64? {
        let milliseconds: Double
        switch value {
        case .string(let text): return UTCTime.milliseconds(iso8601: text)
        case .integer(let number): milliseconds = abs(Double(number)) < 1e11 ? Double(number) * 1_000 : Double(number)
        case .number(let number): milliseconds = abs(number) < 1e11 ? (number * 1_000).rounded() : number.rounded()
        default: return nil
        }
        // Nobody means the year 10000.
        return abs(milliseconds) < 253_402_300_800_000 ? Int64(milliseconds) : nil
    }
}
