internal import LogbeamCore

/// Whose credentials these are, as AWS's Security Token Service says (GetCallerIdentity): nobody needs a permission to ask.
package struct CallerIdentity: Sendable, Equatable {
    /// Twelve digits.
    package var account: String
    /// `arn:aws:sts::123456789012:assumed-role/ROLE/SESSION`
    package var arn: String

    package init(account: String, arn: String) {
        self.account = account
        self.arn = arn
    }

    /// Reads an answer; `nil` if it is none of STS.
    package init?(_ answer: HTTPResponse) {
        let text = XMLText(answer.body)
        guard answer.status == 200, let account = text?["GetCallerIdentityResult/Account"],
            let arn = text?["GetCallerIdentityResult/Arn"]
        else { return nil }
        self.init(account: account.onOneLine(limit: 100), arn: arn.onOneLine(limit: 500))
    }

    package static let service = AWSService(endpointPrefix: "sts", environmentID: "STS")

    /// The request that asks, signed for a time in seconds since 1970-01-01T00:00:00Z.
    package static func request(
        to endpoint: Endpoint,
        with credentials: Credentials,
        at time: Int64
    ) throws(Signer.Failure) -> HTTPRequest {
        var request = SigningRequest(
            method: "POST",
            path: endpoint.path,
            headers: [
                HTTPHeader("Host", endpoint.host),
                HTTPHeader("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
                HTTPHeader("User-Agent", "logbeam/\(Version.current)"),
            ],
            body: Array("Action=GetCallerIdentity&Version=2011-06-15".utf8)
        )
        request.headers += try Signer(region: endpoint.region, service: service.endpointPrefix)
            .headers(signing: request, with: credentials, at: time)
        return HTTPRequest(method: .post, url: endpoint.url, headers: request.headers, body: request.body)
    }
}
