/// The Authorization header of Signature Version 4, taken apart. Only its form is known to be right.
///
/// See "Elements of an AWS API request signature" in the AWS Identity and Access Management User Guide.
struct Authorization {
    static let algorithm = "AWS4-HMAC-SHA256"

    var accessKey: String
    var scope: CredentialScope
    /// The names in the order in which they stand there.
    var signedHeaders: [String]
    /// 64 lower-case hexadecimal digits.
    var signature: String

    init(parsing header: String) throws(LogsError) {
        guard header.hasPrefix("\(Self.algorithm) ") else {
            throw .incompleteSignature("Unsupported AWS 'algorithm': '\(header.prefix { $0 != " " })'.")
        }
        var parameters: [Substring: Substring] = [:]
        for parameter in header.dropFirst(Self.algorithm.count + 1).split(separator: ",") {
            let parts = parameter.drop { $0 == " " }.split(
                separator: "=",
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            guard parts.count == 2, parameters.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw .incompleteSignature(
                    "'\(parameter)' not a valid key=value pair (missing equal-sign) in Authorization header."
                )
            }
        }
        func parameter(_ name: Substring) throws(LogsError) -> String {
            guard let value = parameters[name] else {
                throw .incompleteSignature("Authorization header requires '\(name)' parameter.")
            }
            return String(value)
        }
        let credential = try parameter("Credential")
        signedHeaders = try parameter("SignedHeaders")
            .split(separator: ";", omittingEmptySubsequences: false).map(String.init)
        signature = try parameter("Signature")
        guard parameters.count == 3 else {
            throw .incompleteSignature("Authorization header has parameters too many.")
        }
        guard signature.utf8.count == 64, signature.allSatisfy({ $0.isHexDigit && !$0.isUppercase }) else {
            throw .incompleteSignature("Signature is not 64 lower-case hexadecimal digits.")
        }
        // `AKID/20150830/us-east-1/logs/aws4_request`
        let parts = credential.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 5, !parts[0].isEmpty else {
            throw .incompleteSignature(
                "Credential must have exactly 5 slash-delimited elements, got '\(credential)'."
            )
        }
        accessKey = parts[0]
        scope = CredentialScope(date: parts[1], region: parts[2], service: parts[3], terminator: parts[4])
    }
}

extension LogsError {
    static func incompleteSignature(_ message: String) -> LogsError {
        LogsError("IncompleteSignatureException", message)
    }

    static func invalidSignature(_ message: String) -> LogsError { LogsError("InvalidSignatureException", message) }
}
