package import LogbeamCore

/// What a refusal means for a batch. Pure.
///
/// What isn't known is kept and tried again: only `InvalidParameterException` and its like, which AWS documents as being
/// about the content, and 413 let the uploader look for events to give up.
extension ServiceError {
    package var outcome: DeliveryOutcome {
        let failure = DeliveryFailure(
            code: code.isEmpty ? "HTTP \(status)" : code,
            message: [message, remedy].filter { !$0.isEmpty }.joined(separator: "; "),
            retryAfter: retryAfter,
            // A refusal says that nothing was done; a server in trouble may not know what it did, nor does a proxy.
            mayHaveArrived: !(400..<500).contains(status) || status == 408
        )
        // Whoever can not do this at all (RFC 9110, 15.6.2) is not CloudWatch Logs.
        if status == 501 { return .denied(failure) }
        // Redirections come from proxies and captive portals, which go away.
        if status >= 500 || status < 400 || status == 408 || status == 429 || Self.transientCodes.contains(code) {
            return .transient(failure)
        }
        return switch code {
        case "DataAlreadyAcceptedException": .accepted(.none)
        case "ResourceNotFoundException": .destinationMissing(failure)
        case "InvalidParameterException", "ValidationException": .invalid(failure)
        default: status == 413 ? .invalid(failure) : .denied(failure)
        }
    }

    /// True if other credentials, or the right time, might make the same request welcome.
    var mayHealWithFreshSignature: Bool {
        (400..<500).contains(status)
            && (Self.credentialCodes.contains(code) || Self.signatureCodes.contains(code)
                || Self.expiryCodes.contains(code))
    }

    /// True if the body may be one that is not unpacked there: then it is no JSON, or of a coding that is not known
    /// (RFC 9110, 15.5.16).
    var mayHealUncompressed: Bool { code == "SerializationException" || status == 415 }

    /// True if the same credentials will not be taken by any other signature or at any other time.
    var saysCredentialsAreWorthless: Bool {
        Self.credentialCodes.contains(code) || code.hasPrefix("ExpiredToken")
    }

    /// Throttling and passing trouble under status 400: what botocore's retry handlers (`_retry.json`, `standard.py`)
    /// repeat, and what CloudWatch Logs and the common errors of AWS's APIs document as passing.
    private static let transientCodes: Set<String> = [
        "BandwidthLimitExceeded", "EC2ThrottledException", "InternalError", "InternalFailure", "InternalServerError",
        "InternalServerException", "LimitExceededException", "OperationAbortedException", "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
        "RequestThrottledException", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable",
        "ServiceUnavailableException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException",
        "TooManyRequestsException", "TransactionInProgressException",
    ]

    private static let expiryCodes: Set<String> = [
        "ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed",
    ]

    private static let credentialCodes: Set<String> = [
        "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken", "UnrecognizedClientException",
    ]

    private static let signatureCodes: Set<String> = [
        "IncompleteSignature", "IncompleteSignatureException", "InvalidSignatureException", "SignatureDoesNotMatch",
    ]

    private static let permissionCodes: Set<String> = [
        "AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation",
    ]

    /// What a person can do about it; empty if nobody needs to do anything, or nobody knows.
    private var remedy: String {
        switch code {
        case _ where Self.permissionCodes.contains(code):
            "allow this action for these credentials in IAM"
        case _ where Self.credentialCodes.contains(code):
            "check AWS_ACCESS_KEY_ID or the profile, the session token, and that both belong to this region's partition"
        case _ where Self.signatureCodes.contains(code):
            "check the secret access key, the region and the clock of this machine"
        case _ where Self.expiryCodes.contains(code):
            "renew the session token and check the clock of this machine"
        case "MissingAuthenticationToken", "MissingAuthenticationTokenException":
            "check that the endpoint is that of CloudWatch Logs, and that no proxy takes header fields away"
        case "SerializationException":
            "this is not how CloudWatch Logs answers; check the endpoint, and what stands between"
        case "OptInRequired":
            "enable the region for this account"
        case "" where status == 407:
            "give the proxy's user name and password in HTTPS_PROXY"
        case _ where status == 501:
            "check that the endpoint is that of CloudWatch Logs, and what stands between"
        case "" where status < 500 && status != 429 && status != 408:
            "this is no answer of CloudWatch Logs; check the endpoint and the proxy"
        default: ""
        }
    }
}
