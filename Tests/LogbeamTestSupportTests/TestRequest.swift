import Foundation
import LogbeamTestSupport

/// A request that keeps all the rules, to be changed into one that breaks a single one.
struct TestRequest {
    /// The clock of the endpoints in these tests: 2026-01-01T00:00:00Z in milliseconds.
    static let now: Int64 = 1_767_225_600_000
    static let date = "20260101T000000Z"

    var line = "POST / HTTP/1.1"
    /// Without Authorization.
    var headers: [(name: String, value: String)]
    var body: [UInt8]
    var signing = Signing()
    /// Instead of what ``signing`` yields; an empty one is left out.
    var authorization: String?

    /// How a request is signed. The signature is right for all of this, so that nothing else is wrong.
    struct Signing {
        var key = AccessKey.any
        /// The text of the header, for the service takes what differs in form from what SDKs send.
        var separator = ", "
        var algorithm = "AWS4-HMAC-SHA256"
        var scope = CredentialScope(date: "20260101", region: "us-east-1")
        var signedHeaders = ["content-type", "host", "x-amz-date", "x-amz-target"]
        /// What is signed, where it is not the body.
        var content: [UInt8]?

        static func with(_ change: (inout Self) -> Void) -> Self {
            var signing = Self()
            change(&signing)
            return signing
        }
    }

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

    /// The same with one header changed, or without it; signed as it is then.
    func with(_ name: String, _ value: String?) -> Self {
        var changed = self
        if name == "Authorization" {
            changed.authorization = value ?? ""
            return changed
        }
        changed.headers.removeAll { $0.name.lowercased() == name.lowercased() }
        if let value { changed.headers.append((name, value)) }
        return changed
    }

    func with(_ signing: Signing) -> Self {
        var changed = self
        changed.signing = signing
        return changed
    }

    /// What the Authorization header says.
    var signed: String {
        let parts = line.split(separator: " ")
        let signature = SignatureV4.signature(
            method: String(parts[0]),
            target: String(parts[1]),
            fields: headers,
            signedHeaders: signing.signedHeaders,
            body: signing.content ?? body,
            date: headers.first { $0.name == "X-Amz-Date" }?.value ?? Self.date,
            scope: signing.scope,
            secret: signing.key.secret
        )
        let parameters = [
            "Credential=\(signing.key.identifier)/\(signing.scope.text)",
            "SignedHeaders=\(signing.signedHeaders.joined(separator: ";"))", "Signature=\(signature)",
        ]
        return "\(signing.algorithm) \(parameters.joined(separator: signing.separator))"
    }

    func bytes() -> [UInt8] {
        var fields = headers
        let authorization = authorization ?? signed
        if !authorization.isEmpty { fields.append(("Authorization", authorization)) }
        let head = fields.reduce("\(line)\r\n") { "\($0)\($1.name): \($1.value)\r\n" }
        return Array("\(head)\r\n".utf8) + body
    }
}
