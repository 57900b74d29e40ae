/// A request in the one form that both the sender and AWS compute, whatever happened to it on the way.
///
/// See "Create a signed AWS API request" in the AWS Identity and Access Management User Guide.
struct CanonicalRequest {
    /// The names of the fields that are signed, in lower case, sorted and joined by semicolons.
    let signedHeaders: String
    /// The canonical request itself.
    let text: String

    /// Fields that proxies or the HTTP client may add or change. botocore leaves them out as well, and the first can't be
    /// part of what it describes.
    private static let unsigned: Set<String> = [
        "authorization", "baggage", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "te",
        "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
    ]

    init(_ request: SigningRequest, payloadHash: String, normalizingPath: Bool) {
        var values: [String: [String]] = [:]
        for header in request.headers {
            values[header.name.asciiLowercased, default: []].append(Self.trimmed(header.value))
        }
        for name in Self.unsigned { values[name] = nil }
        // Names are ASCII, for which the order of Swift's strings is that of their bytes.
        let names = values.keys.sorted()
        signedHeaders = names.joined(separator: ";")

        let path = normalizingPath ? Self.normalized(request.path) : request.path
        let lines =
            [request.method, Self.percentEncoded(path, keeping: UInt8(ascii: "/")), Self.canonicalQuery(request.query)]
            + names.map { "\($0):\(values[$0, default: []].joined(separator: ","))" }
            + ["", signedHeaders, payloadHash]
        text = lines.joined(separator: "\n")
    }

    /// Sorted by name and then by value, both percent-encoded.
    private static func canonicalQuery(_ query: [(name: String, value: String)]) -> String {
        query.map { (percentEncoded($0.name), percentEncoded($0.value)) }
            .sorted { $0 < $1 }
            .map { "\($0.0)=\($0.1)" }
            .joined(separator: "&")
    }

    /// Without spaces at either end; several spaces become one.
    private static func trimmed(_ value: String) -> String {
        value.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
    }

    /// Removes `.`, `..` and doubled slashes (RFC 3986, 5.2.4); a slash at the end stays.
    private static func normalized(_ path: String) -> String {
        var segments: [Substring] = []
        for segment in path.split(separator: "/") where segment != "." {
            if segment == ".." { _ = segments.popLast() } else { segments.append(segment) }
        }
        let endsInSlash = path.hasSuffix("/") && !segments.isEmpty
        return "/" + segments.joined(separator: "/") + (endsInSlash ? "/" : "")
    }

    /// RFC 3986's unreserved characters stay as they are; every other byte becomes `%` and two capital digits.
    static func percentEncoded(_ text: String, keeping kept: UInt8? = nil) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), kept:
                encoded.append(byte)
            default:
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}
