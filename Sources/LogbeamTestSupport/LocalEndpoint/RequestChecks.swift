import Foundation

/// What every request must carry before its body matters: the target, the content type, a SigV4 signature.
///
/// Of the signature only the form is verified (API Reference, "Elements of an AWS API request signature"), and the
/// time. Whether it is right is for another judge to say.
enum RequestChecks {
    /// How far the time of a signature may lie from the service's clock, in milliseconds.
    static let maximumSkew: Int64 = 5 * 60_000

    static func operation(of request: HTTPRequest) throws(LogsError) -> LogsOperation {
        let prefix = "Logs_20140328."
        guard request.method == "POST", request.target == "/" else {
            throw LogsError("UnknownOperationException", "only POST / is known", status: 404)
        }
        guard let target = request.headers["x-amz-target"], target.hasPrefix(prefix),
            let operation = LogsOperation(rawValue: String(target.dropFirst(prefix.count)))
        else {
            throw LogsError("UnknownOperationException", "unknown X-Amz-Target")
        }
        guard request.headers["content-type"] == "application/x-amz-json-1.1" else {
            throw LogsError("UnknownOperationException", "the Content-Type is not application/x-amz-json-1.1")
        }
        return operation
    }

    static func signature(of headers: HTTPHeaders, now: Int64) throws(LogsError) {
        guard let authorization = headers["authorization"] else {
            throw LogsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        }
        let algorithm = "AWS4-HMAC-SHA256 "
        guard authorization.hasPrefix(algorithm) else {
            throw incomplete("Unsupported AWS 'algorithm': '\(authorization.prefix { $0 != " " })'.")
        }
        var parameters: [Substring: Substring] = [:]
        for parameter in authorization.dropFirst(algorithm.count).split(separator: ",") {
            let parts = parameter.drop { $0 == " " }.split(
                separator: "=",
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            guard parts.count == 2, parameters.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw incomplete(
                    "'\(parameter)' not a valid key=value pair (missing equal-sign) in Authorization header."
                )
            }
        }
        for name in ["Credential", "SignedHeaders", "Signature"] where parameters[Substring(name)] == nil {
            throw incomplete("Authorization header requires '\(name)' parameter.")
        }
        guard parameters.count == 3 else { throw incomplete("Authorization header has parameters too many.") }
        guard let date = headers["x-amz-date"] else {
            throw incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        }
        let signature = parameters["Signature", default: ""]
        guard signature.utf8.count == 64, signature.allSatisfy({ $0.isHexDigit && !$0.isUppercase }) else {
            throw incomplete("Signature is not 64 lower-case hexadecimal digits.")
        }
        try check(scope: parameters["Credential", default: ""], date: date)
        try check(signedHeaders: parameters["SignedHeaders", default: ""], of: headers)
        try check(date: date, now: now)
    }

    /// `AKID/20150830/us-east-1/logs/aws4_request`.
    private static func check(scope: Substring, date: String) throws(LogsError) {
        let parts = scope.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5, !parts[0].isEmpty else {
            throw incomplete("Credential must have exactly 5 slash-delimited elements, got '\(scope)'.")
        }
        guard parts[1] == date.prefix(8) else { throw invalid("Date in Credential scope does not match X-Amz-Date.") }
        guard !parts[2].isEmpty else { throw invalid("Credential should be scoped to a valid region.") }
        guard parts[3] == "logs" else { throw invalid("Credential should be scoped to correct service: 'logs'.") }
        guard parts[4] == "aws4_request" else {
            throw invalid("Credential should be scoped with a valid terminator: 'aws4_request'.")
        }
    }

    /// Lower case, sorted, all present, and with them `host` and every `x-amz-` header.
    private static func check(signedHeaders list: Substring, of headers: HTTPHeaders) throws(LogsError) {
        let signed = list.split(separator: ";", omittingEmptySubsequences: false).map(String.init)
        guard signed == Set(signed).sorted(), list == list.lowercased() else {
            throw invalid("SignedHeaders is not sorted, or not in lower case.")
        }
        for name in signed where headers[name] == nil {
            throw invalid("'\(name)' is in SignedHeaders and not in the request.")
        }
        let required = ["host"] + headers.fields.map(\.name).filter { $0.hasPrefix("x-amz-") }
        for name in required where !signed.contains(name) {
            throw invalid("'\(name)' must be a 'SignedHeader' in the AWS Authorization.")
        }
    }

    private static func check(date: String, now: Int64) throws(LogsError) {
        guard let signed = Timestamp.milliseconds(basicFormat: date) else {
            throw incomplete("Date must be in ISO-8601 'basic format'. Got '\(date)'.")
        }
        let clock = Timestamp.basicFormat(now)
        if signed < now - maximumSkew {
            let limit = Timestamp.basicFormat(now - maximumSkew)
            throw invalid("Signature expired: \(date) is now earlier than \(limit) (\(clock) - 5 min.)")
        }
        if signed > now + maximumSkew {
            let limit = Timestamp.basicFormat(now + maximumSkew)
            throw invalid("Signature not yet current: \(date) is still later than \(limit) (\(clock) + 5 min.)")
        }
    }

    private static func incomplete(_ message: String) -> LogsError {
        LogsError("IncompleteSignatureException", message)
    }
    private static func invalid(_ message: String) -> LogsError { LogsError("InvalidSignatureException", message) }
}

/// Times as AWS writes them.
enum Timestamp {
    static func basicFormat(_ milliseconds: Int64) -> String { format(milliseconds, "%Y%m%dT%H%M%SZ") }

    /// For the `Date` header (RFC 9110, section 5.6.7).
    static func http(_ milliseconds: Int64) -> String { format(milliseconds, "%a, %d %b %Y %H:%M:%S GMT") }

    /// `nil` for what is not exactly `20150830T123600Z`.
    static func milliseconds(basicFormat text: String) -> Int64? {
        guard text.utf8.count == 16 else { return nil }
        func number(_ range: Range<Int>) -> Int32 {
            Int32(String(decoding: Array(text.utf8)[range], as: UTF8.self)) ?? 0
        }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (number(0..<4) - 1900, number(4..<6) - 1, number(6..<8))
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (number(9..<11), number(11..<13), number(13..<15))
        let milliseconds = Int64(timegm(&parts)) * 1000
        // What is no number, or a day that does not exist, does not come out again the same.
        return basicFormat(milliseconds) == text ? milliseconds : nil
    }

    private static func format(_ milliseconds: Int64, _ format: String) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let bytes = [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            count = buffer.withMemoryRebound(to: CChar.self) { strftime($0.baseAddress!, 64, format, &parts) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
