package import LogbeamCore

/// The calls of the CloudWatch Logs API that ``LocalEndpoint`` speaks.
package enum LogsOperation: String, Sendable, CaseIterable {
    case putLogEvents = "PutLogEvents"
    case createLogGroup = "CreateLogGroup"
    case createLogStream = "CreateLogStream"
    case putRetentionPolicy = "PutRetentionPolicy"
    case describeLogStreams = "DescribeLogStreams"
    case getLogEvents = "GetLogEvents"
}

/// A log event as it stands in a request.
package struct RequestedEvent: Sendable, Equatable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package var timestamp: Int64
    package var message: String
}

/// A request as it came to the endpoint, before anything was decided about it.
package struct RequestInfo: Sendable {
    /// Counts the requests of the endpoint from 1.
    package var number: Int
    /// Counts the connections of the endpoint from 1.
    package var connection: Int
    /// `nil` for what is no call of this API.
    package var operation: LogsOperation?
    package var headers: HTTPHeaders
    /// The length of the body on the wire, before it was decompressed.
    package var bodySize: Int
    /// Of PutLogEvents and CreateLogStream.
    package var destination: Destination?
    /// Of PutLogEvents; empty where the body cannot be decoded.
    package var events: [RequestedEvent] = []
}

/// What goes wrong with one request. "Accepts" means that the endpoint does what was asked, and says so to nobody.
package enum Fault: Sendable {
    /// An error as AWS answers it; accepts nothing. The type may carry a `prefix#` or a `:suffix`.
    case status(Int, errorType: String, message: String = "", headers: [String: String] = [:])
    /// An answer with these headers and this body, and no others but Content-Length: another form of an error, or what
    /// something between us and AWS says. Accepts nothing.
    case answer(Int, headers: [String: String] = [:], body: String = "")
    /// Accepts all events of the batch but these, and says so, whatever their times are.
    case refusing(RefusedEvents)
    /// The connection is reset instead of an answer; accepts nothing.
    case resetBeforeAccepting
    /// The connection is reset instead of an answer; accepts.
    case resetAfterAccepting
    /// Nothing happens until the gate is opened, then all goes on as if nothing had been.
    case hangBeforeAccepting(Gate)
    /// Accepts at once, and answers when the gate is opened.
    case hangAfterAccepting(Gate)
    /// Accepts and answers, so much later.
    case delay(Duration)
    /// Accepts, and sends the answer byte by byte with this pause before each.
    case slowAnswer(pause: Duration)
    /// Accepts, sends the first half of the answer's body, and ends the connection.
    case truncatedAnswer
    /// Accepts, and says in Content-Length so many bytes more (or fewer) than there are. When it is more, the
    /// connection ends after the answer; when it is fewer, the rest lies before the next answer.
    case wrongContentLength(off: Int)
    /// Something between us and AWS answers in its stead: a page of HTML. Accepts only if told so.
    case nonJSONAnswer(status: Int = 200, accepting: Bool = false)

    /// The gate that holds the request, if one does.
    var gate: Gate? {
        switch self {
        case .hangBeforeAccepting(let gate), .hangAfterAccepting(let gate): gate
        default: nil
        }
    }
}
