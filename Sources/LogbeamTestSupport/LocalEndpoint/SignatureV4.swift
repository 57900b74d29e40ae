internal import COpenSSL

/// For what a signature is good: a day, a region, a service.
package struct CredentialScope: Sendable {
    /// `20150830`
    package var date: String
    package var region: String
    package var service: String
    package var terminator: String

    package init(date: String, region: String, service: String = "logs", terminator: String = "aws4_request") {
        self.date = date
        self.region = region
        self.service = service
        self.terminator = terminator
    }

    package var text: String { "\(date)/\(region)/\(service)/\(terminator)" }
}

/// Computes Signature Version 4 as the service does: from a request as it came.
///
/// On purpose it has nothing in common with the signer of the library, which is tested against it. See "Create a signed
/// AWS API request" in the AWS Identity and Access Management User Guide.
package enum SignatureV4 {
    /// The signature in lower-case hexadecimal.
    ///
    /// - Parameters:
    ///   - target: The path of the request line. Query and dot segments are not treated: CloudWatch Logs has the path `/`
    ///     alone.
    ///   - fields: The header fields as they came, in that order.
    ///   - signedHeaders: The names of those that are signed, in the order of the Authorization header.
    ///   - body: As it came, that is compressed, but without the framing of chunks.
    ///   - date: `20150830T123600Z`
    package static func signature(
        method: String,
        target: String,
        fields: [(name: String, value: String)],
        signedHeaders: [String],
        body: [UInt8],
        date: String,
        scope: CredentialScope,
        secret: String
    ) -> String {
        precondition(isReady, "libcrypto does not start")
        var canonical = "\(method)\n\(target)\n\n"
        for name in signedHeaders {
            let values = fields.filter { $0.name.lowercased() == name }.map { field in
                field.value.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
            }
            canonical += "\(name):\(values.joined(separator: ","))\n"
        }
        canonical += "\n\(signedHeaders.joined(separator: ";"))\n\(hexadecimal(sha256(body)))"

        let hash = hexadecimal(sha256(Array(canonical.utf8)))
        let stringToSign = "\(Authorization.algorithm)\n\(date)\n\(scope.text)\n\(hash)"
        var key = Array("AWS4\(secret)".utf8)
        for part in [scope.date, scope.region, scope.service, scope.terminator, stringToSign] {
            key = hmacSHA256(key: key, Array(part.utf8))
        }
        return hexadecimal(key)
    }

    /// Without the tables of libcrypto being freed at the end of the process, when other threads may still sign.
    private static let isReady = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1

    private static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        // libcrypto takes no null pointer, which an empty array may give.
        let result = bytes.isEmpty ? SHA256([0], 0, &digest) : SHA256(bytes, bytes.count, &digest)
        precondition(result != nil, "libcrypto has no SHA-256")
        return digest
    }

    /// Neither the key nor the message may be empty.
    private static func hmacSHA256(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        let result = HMAC(EVP_sha256(), key, Int32(key.count), message, message.count, &digest, nil)
        precondition(result != nil, "libcrypto has no HMAC with SHA-256")
        return digest
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
