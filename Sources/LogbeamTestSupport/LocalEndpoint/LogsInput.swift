import Foundation
import LogbeamCore

/// The members of the requests, as far as this endpoint knows them; unknown members are passed over, as AWS does.
struct LogsInput: Decodable {
    struct Event: Decodable {
        var timestamp: Int64?
        var message: String?
    }

    var logGroupName: String?
    var logStreamName: String?
    var logEvents: [Event]?
    var logStreamNamePrefix: String?
    var nextToken: String?
    var limit: Int?
    var startFromHead: Bool?
    var startTime: Int64?
    var endTime: Int64?

    /// Undoes the content coding and decodes the JSON.
    init(body: [UInt8], encoding: String?) throws(LogsError) {
        var body = body
        switch encoding {
        case nil, "identity": break
        case "gzip":
            do {
                body = try gunzip(body, limit: HTTPRequest.maximumBody)
            } catch {
                throw LogsError("SerializationException", "the body is not gzip")
            }
        case .some(let encoding):
            throw LogsError("SerializationException", "unknown Content-Encoding: \(encoding)", status: 415)
        }
        // The decoder of Foundation takes UTF-16 and UTF-32 too, and AWS does not; JSON in UTF-8 has no NUL.
        guard !body.contains(0) else { throw LogsError("SerializationException", "the body is not UTF-8") }
        do {
            self = try JSONDecoder().decode(LogsInput.self, from: Data(body))
        } catch {
            throw LogsError("SerializationException", "the body is not the JSON of a request")
        }
    }

    /// `[\.\-_/#A-Za-z0-9]+`, 1 to 512 characters.
    func group() throws(LogsError) -> String {
        let name = try required(logGroupName, "logGroupName")
        let others = "._-/#".utf8
        guard (1...512).contains(name.utf8.count),
            name.utf8.allSatisfy({ others.contains($0) || Character(Unicode.Scalar($0)).isLetterOrDigit })
        else { throw .constraint("logGroupName", "satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+") }
        guard !name.hasPrefix("aws/") else { throw .invalidParameter("Log groups starting with aws/ are reserved.") }
        return name
    }

    /// `[^:*]*`, 1 to 512 characters.
    func stream() throws(LogsError) -> String {
        let name = try required(logStreamName, "logStreamName")
        guard (1...512).contains(name.unicodeScalars.count), !name.utf8.contains(where: ":*".utf8.contains) else {
            throw .constraint("logStreamName", "satisfy regular expression pattern: [^:*]*")
        }
        return name
    }

    func destination() throws(LogsError) -> Destination {
        Destination(logGroup: try group(), logStream: try stream())
    }

    func events() throws(LogsError) -> [RequestedEvent] {
        var events: [RequestedEvent] = []
        for (index, event) in try required(logEvents, "logEvents").enumerated() {
            let member = "logEvents.\(index + 1).member"
            events.append(
                RequestedEvent(
                    timestamp: try required(event.timestamp, "\(member).timestamp"),
                    message: try required(event.message, "\(member).message")
                )
            )
        }
        return events
    }

    private func required<Value>(_ value: Value?, _ member: String) throws(LogsError) -> Value {
        guard let value else { throw .constraint(member, "not be null") }
        return value
    }
}

extension Character {
    fileprivate var isLetterOrDigit: Bool { isASCII && (isLetter || isNumber) }
}
