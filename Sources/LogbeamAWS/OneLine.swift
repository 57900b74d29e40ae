extension String {
    /// Without control characters, which could forge lines of a log or a terminal, and cut to a length.
    package func onOneLine(limit: Int) -> String {
        var text = ""
        for scalar in unicodeScalars.prefix(limit) {
            let isControl = scalar.properties.generalCategory == .control
            text.unicodeScalars.append(isControl ? " " : scalar)
        }
        return unicodeScalars.count > limit ? text + "…" : text
    }

    /// Without what AWS adds where a signature does not match: the request that it expected, with the values of all fields
    /// that were signed, and so with the session token
    /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html).
    package var withoutCanonicalRequest: String {
        let starts = ["The Canonical String", "x-amz-security-token", "X-Amz-Security-Token"]
            .compactMap { firstRange(of: $0)?.lowerBound }
        return starts.min().map { String(self[..<$0]) } ?? self
    }
}
