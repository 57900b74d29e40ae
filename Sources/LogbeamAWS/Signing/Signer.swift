internal import LogbeamCore

/// Signs requests with AWS Signature Version 4, in their header fields.
///
/// Pure: the time comes in as a value, and nothing is sent.
package struct Signer: Sendable {
    /// The region of the credential scope: `eu-central-1`.
    package var region: String
    /// The service's signing name: `logs`.
    package var service: String
    /// Whether `.`, `..` and doubled slashes are taken out of the path before it is signed, as AWS does for every
    /// service but S3.
    var normalizesPath = true
    /// Whether the hash of the body is also sent, and signed, as `x-amz-content-sha256`. It is part of the signature
    /// either way.
    var sendsBodyHash = false

    package init(region: String, service: String) {
        self.region = region
        self.service = service
    }

    /// A request could not be signed, for a reason that has nothing to do with the request.
    package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        package var description: String { "libcrypto could not compute a SHA-256 digest" }
    }

    /// A signature, and the steps that led to it.
    struct Signature {
        var canonicalRequest: String
        var stringToSign: String
        /// 64 hexadecimal digits.
        var signature: String
        /// The fields to add to the request: the date, the session token, the hash of the body, `Authorization`.
        var headers: [HTTPHeader]
    }

    /// The fields to add to a request that goes out at the given time, in seconds since 1970-01-01T00:00:00Z. AWS takes
    /// a signature for five minutes before and after that time.
    package func headers(
        signing request: SigningRequest,
        with credentials: Credentials,
        at time: Int64
    ) throws(Failure) -> [HTTPHeader] {
        try sign(request, with: credentials, at: time).headers
    }

    func sign(
        _ request: SigningRequest,
        with credentials: Credentials,
        at time: Int64
    ) throws(Failure) -> Signature {
        do throws(Digest.Failure) {
            let civilTime = CivilTime(secondsSinceEpoch: time)
            let payloadHash = Digest.hexadecimal(try Digest.sha256(request.body))
            var added = [HTTPHeader("X-Amz-Date", civilTime.basicDateTime)]
            if let token = credentials.sessionToken { added.append(HTTPHeader("X-Amz-Security-Token", token)) }
            if sendsBodyHash { added.append(HTTPHeader("X-Amz-Content-SHA256", payloadHash)) }
            var signed = request
            signed.headers += added
            let canonical = CanonicalRequest(signed, payloadHash: payloadHash, normalizingPath: normalizesPath)

            let scope = "\(civilTime.basicDate)/\(region)/\(service)/aws4_request"
            let stringToSign = [
                "AWS4-HMAC-SHA256", civilTime.basicDateTime, scope,
                Digest.hexadecimal(try Digest.sha256(Array(canonical.text.utf8))),
            ].joined(separator: "\n")
            let key = try signingKey(secret: credentials.secretAccessKey, date: civilTime.basicDate)
            let signature = Digest.hexadecimal(try Digest.hmacSHA256(key: key, Array(stringToSign.utf8)))
            let authorization =
                "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), "
                + "SignedHeaders=\(canonical.signedHeaders), Signature=\(signature)"
            return Signature(
                canonicalRequest: canonical.text,
                stringToSign: stringToSign,
                signature: signature,
                headers: added + [HTTPHeader("Authorization", authorization)]
            )
        } catch {
            throw Failure()
        }
    }

    /// The key for one day, region and service, so that a leaked one opens no more than these.
    private func signingKey(secret: String, date: String) throws(Digest.Failure) -> [UInt8] {
        var key = Array("AWS4\(secret)".utf8)
        for part in [date, region, service, "aws4_request"] {
            key = try Digest.hmacSHA256(key: key, Array(part.utf8))
        }
        return key
    }
}
