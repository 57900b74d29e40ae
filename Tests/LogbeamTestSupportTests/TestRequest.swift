import Foundation
import LogbeamTestSupport

/// A request that keeps all the rules, to be changed into one that breaks a single one.
struct TestRequest {
    /// The clock of the endpoints in these tests: 2026-01-01T00:00:00Z in milliseconds.
    static let now: Int64 = 1_767_225_600_000
    static let date = "20260101T000000Z"

    var line = "POST / HTTP/1.1"
    var headers: [(name: String, value: String)]
    var body: [UInt8]

    init(_ operation: String, _ members: [String: Any]) {
        self.init(operation, body: (try? Array(JSONSerialization.data(withJSONObject: members))) ?? [])
    }

    init(_ operation: String, body: [UInt8]) {
        self.body = body
        headers = [
            ("Host", "127.0.0.1"),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Date", Self.date),
            ("X-Amz-Target", "Logs_20140328.\(operation)"),
            ("Authorization", Self.authorization()),
            ("Content-Length", "\(body.count)"),
        ]
    }

    /// PutLogEvents to the stream "s" of the group "g", the times relative to ``now``.
    static func put(_ events: (offset: Int64, message: String)..., group: String = "g", stream: String = "s") -> Self {
        put(events, group: group, stream: stream)
    }

    static func put(_ events: [(offset: Int64, message: String)], group: String = "g", stream: String = "s") -> Self {
        let logEvents = events.map { ["timestamp": now + $0.offset, "message": $0.message] as [String: Any] }
        return Self("PutLogEvents", ["logGroupName": group, "logStreamName": stream, "logEvents": logEvents])
    }

    static func authorization(
        algorithm: String = "AWS4-HMAC-SHA256",
        scope: String = "AKIDEXAMPLE/20260101/eu-central-1/logs/aws4_request",
        signedHeaders: String = "content-type;host;x-amz-date;x-amz-target",
        signature: String = String(repeating: "0a", count: 32)
    ) -> String {
        "\(algorithm) Credential=\(scope), SignedHeaders=\(signedHeaders), Signature=\(signature)"
    }

    /// The same with one header changed, or without it.
    func with(_ name: String, _ value: String?) -> Self {
        var changed = self
        changed.headers.removeAll { $0.name.lowercased() == name.lowercased() }
        if let value { changed.headers.append((name, value)) }
        return changed
    }

    func bytes() -> [UInt8] {
        let head = headers.reduce("\(line)\r\n") { "\($0)\($1.name): \($1.value)\r\n" }
        return Array("\(head)\r\n".utf8) + body
    }
}
