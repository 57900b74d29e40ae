internal import LogbeamAWS

/// An answer that is no success: what AWS, or something in between, says is wrong.
package struct ServiceError: Error, Equatable, Sendable {
    /// The HTTP status.
    var status: Int
    /// The name of the error, without the namespace in which some services put it; empty if the answer has none.
    var code: String
    /// On one line and short; empty if the answer has none.
    var message: String
    /// `Retry-After`, an hour at most.
    var retryAfter: Duration?

    package init(status: Int, code: String = "", message: String = "", retryAfter: Duration? = nil) {
        self.status = status
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
    }

    /// Reads an answer as the JSON 1.1 protocol writes errors, and the older XML form, in which some refusals come.
    ///
    /// - Parameter now: seconds since 1970-01-01T00:00:00Z, for a `Retry-After` that is a date.
    init(_ response: HTTPResponse, now: Int64) {
        let json = JSONValue(response.body)
        let kind = response[header: "x-amzn-ErrorType"] ?? json?["__type"]?.string ?? json?["code"]?.string
        let message = json?["message"]?.string ?? json?["Message"]?.string
        self.init(
            status: response.status,
            code: Self.bareName(kind ?? Self.element("Code", of: response.body) ?? ""),
            message: (message ?? Self.element("Message", of: response.body) ?? "").withoutCanonicalRequest
                .onOneLine(limit: 500),
            retryAfter: response[header: "Retry-After"].flatMap { Self.delay($0, now: now) }
        )
    }

    /// `com.amazonaws.logs#ThrottlingException:http://…` is a ThrottlingException.
    private static func bareName(_ kind: String) -> String {
        let name = kind.prefix { $0 != ":" }.split(separator: "#").last ?? ""
        return String(name).onOneLine(limit: 100)
    }

    /// The text of the first element of that name in an XML document, as it stands.
    private static func element(_ name: String, of body: [UInt8]) -> String? {
        guard body.first == UInt8(ascii: "<"), let start = body.firstRange(of: Array("<\(name)>".utf8))?.upperBound,
            let end = body[start...].firstIndex(of: UInt8(ascii: "<"))
        else { return nil }
        return String(decoding: body[start..<end], as: UTF8.self)
    }

    /// `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3).
    private static func delay(_ text: String, now: Int64) -> Duration? {
        guard let seconds = Int64(text) ?? HTTPDate.secondsSinceEpoch(text).map({ $0 - now }), seconds > 0 else {
            return nil
        }
        return .seconds(min(seconds, 3_600))
    }
}
