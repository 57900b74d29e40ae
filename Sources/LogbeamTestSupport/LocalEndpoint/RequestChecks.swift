/// What every request must carry before its body matters: the target, the content type, a SigV4 signature.
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

    /// Verifies the form of the signature, what it is good for, whose it is, its time, and at last the signature itself.
    static func signature(
        of request: HTTPRequest,
        keys: KnownKeys,
        region: String,
        now: Int64
    ) throws(LogsError) {
        guard let header = request.headers["authorization"] else {
            throw LogsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        }
        let authorization = try Authorization(parsing: header)
        guard let date = request.headers["x-amz-date"] else {
            throw .incompleteSignature(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
            )
        }
        try check(authorization.scope, region: region, date: date)
        try check(signedHeaders: authorization.signedHeaders, of: request.headers)
        let secret = try keys.secret(
            of: authorization.accessKey,
            sessionToken: request.headers["x-amz-security-token"]
        )
        try check(date: date, now: now)
        let signature = SignatureV4.signature(
            method: request.method,
            target: request.target,
            fields: request.headers.fields,
            signedHeaders: authorization.signedHeaders,
            body: request.body,
            date: date,
            scope: authorization.scope,
            secret: secret
        )
        guard signature == authorization.signature else {
            throw .invalidSignature(
                """
                The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                Access Key and signing method. Consult the service documentation for details.
                """
            )
        }
    }

    private static func check(_ scope: CredentialScope, region: String, date: String) throws(LogsError) {
        guard scope.region == region else {
            throw .invalidSignature("Credential should be scoped to a valid region, not '\(scope.region)'. ")
        }
        guard scope.service == "logs" else {
            throw .invalidSignature("Credential should be scoped to correct service: 'logs'. ")
        }
        guard scope.terminator == "aws4_request" else {
            throw .invalidSignature(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '\(scope.terminator)'. "
            )
        }
        guard scope.date == date.prefix(8) else {
            throw .invalidSignature(
                """
                Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                '\(scope.date)' != '\(date.prefix(8))', from '\(date)'.
                """
            )
        }
    }

    /// Lower case, sorted, all present, and with them `host` and every `x-amz-` header.
    private static func check(signedHeaders signed: [String], of headers: HTTPHeaders) throws(LogsError) {
        guard signed == Set(signed).sorted(), signed.allSatisfy({ $0 == $0.lowercased() }) else {
            throw .invalidSignature("SignedHeaders is not sorted, or not in lower case.")
        }
        for name in signed where headers[name] == nil {
            throw .invalidSignature("'\(name)' is in SignedHeaders and not in the request.")
        }
        let required = ["host"] + headers.fields.map(\.name).filter { $0.hasPrefix("x-amz-") }
        for name in required where !signed.contains(name) {
            throw .invalidSignature("'\(name)' must be a 'SignedHeader' in the AWS Authorization.")
        }
    }

    private static func check(date: String, now: Int64) throws(LogsError) {
        guard let signed = Timestamp.milliseconds(basicFormat: date) else {
            throw .incompleteSignature("Date must be in ISO-8601 'basic format'. Got '\(date)'.")
        }
        let clock = Timestamp.basicFormat(now)
        if signed < now - maximumSkew {
            let limit = Timestamp.basicFormat(now - maximumSkew)
            throw .invalidSignature("Signature expired: \(date) is now earlier than \(limit) (\(clock) - 5 min.)")
        }
        if signed > now + maximumSkew {
            let limit = Timestamp.basicFormat(now + maximumSkew)
            throw .invalidSignature(
                "Signature not yet current: \(date) is still later than \(limit) (\(clock) + 5 min.)"
            )
        }
    }
}

/// The key pairs of the account.
struct KnownKeys: Sendable {
    var keys: [AccessKey]
    /// The identifiers of those whose session token has expired.
    var expired: Set<String> = []

    /// The secret of a key, which must come with the session token that belongs to it, or with none.
    func secret(of identifier: String, sessionToken: String?) throws(LogsError) -> String {
        guard let key = keys.first(where: { $0.identifier == identifier && $0.sessionToken == sessionToken }) else {
            throw LogsError("UnrecognizedClientException", "The security token included in the request is invalid.")
        }
        guard !expired.contains(identifier) else {
            throw LogsError("ExpiredTokenException", "The security token included in the request is expired")
        }
        return key.secret
    }
}
