/// Requests and answers carry keys and tokens: no description shows a body, nor the value of a field that may hold one.
extension HTTPHeader: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private static let secretNames: Set<String> = [
        "authorization", "proxy-authorization", "x-amz-security-token", "x-amz-sso_bearer_token",
        "x-aws-ec2-metadata-token",
    ]

    private var shownValue: String { Self.secretNames.contains(name.asciiLowercased) ? "…" : value }

    package var description: String { "\(name): \(shownValue)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["name": name, "value": shownValue]) }
}

extension HTTPRequest: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "\(method.rawValue) \(url) \(headers), \(body.count) bytes" }
    package var debugDescription: String { description }
    package var customMirror: Mirror {
        Mirror(self, children: ["method": method.rawValue, "url": url, "headers": headers, "bytes": body.count])
    }
}

extension HTTPResponse: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "\(status) \(headers), \(body.count) bytes" }
    package var debugDescription: String { description }
    package var customMirror: Mirror {
        Mirror(self, children: ["status": status, "headers": headers, "bytes": body.count])
    }
}
