import Foundation

/// One answer, with the headers that AWS sends with every answer.
struct HTTPAnswer {
    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8] = []

    /// - Parameter now: The service's time in milliseconds since 1970-01-01T00:00:00Z.
    init(status: Int, now: Int64) {
        self.status = status
        headers = [("x-amzn-RequestId", UUID().uuidString.lowercased()), ("Date", Timestamp.http(now))]
    }

    init(_ error: LogsError, now: Int64) {
        self.init(status: error.status, now: now)
        headers += [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", error.type)]
        body = Self.json(["__type": error.type, "message": error.message])
    }

    static func json(_ members: [String: Any]) -> [UInt8] {
        guard let data = try? JSONSerialization.data(withJSONObject: members, options: [.sortedKeys]) else {
            preconditionFailure("an answer that is not JSON")
        }
        return Array(data)
    }

    /// - Parameter contentLength: What to say instead of the body's length.
    func bytes(contentLength: Int? = nil) -> [UInt8] {
        var head = "HTTP/1.1 \(status) \(status < 300 ? "OK" : "Error")\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        head += "Content-Length: \(contentLength ?? body.count)\r\n\r\n"
        return Array(head.utf8) + body
    }
}
