import Foundation

/// Everything that credentials come from, on one loopback server: STS, SSO, the agent of a container, and the instance
/// metadata service, well and in trouble. What it gives out tells what it was asked, so that two clients which get the same
/// access key asked for the same in the same way.
///
/// | path | is |
/// |---|---|
/// | `/sts`, `/sso`, `/oidc` | the services |
/// | `/container/…` | the agent: `ok`, `denied`, `broken`, `partial`, `bare`, `wrong` |
/// | `/imds-…` | the metadata service: `ok`, `v1`, `bad`, `none`, `empty`, `failing`, `partial`, `bare`, `old`, `broken` |
enum FakeAWS {
    static func start() throws -> TinyServer {
        try TinyServer { request, connection in
            let (status, body) = answer(request)
            connection.answer(status, body)
        }
    }

    /// Far enough ahead that nobody renews it, and not at a full second.
    static let expiration = "2096-02-29T12:00:00Z"

    private static func answer(_ request: TinyServer.Request) -> (String, String) {
        let words = request.head.prefix { $0 != "\r\n" }.split(separator: " ")
        guard words.count == 3 else { return ("400 Bad Request", "") }
        let path = String(words[1])
        if path.hasPrefix("/sts") { return securityTokens(request) }
        if path.hasPrefix("/sso/federation/credentials?") { return roleCredentials(request, path) }
        if path == "/oidc/token" { return newToken(request) }
        if path.hasPrefix("/container/") { return container(request, path) }
        if path.hasPrefix("/imds-") { return metadata(request, method: String(words[0]), path) }
        return ("404 Not Found", "")
    }

    static func field(_ name: String, of request: TinyServer.Request) -> String? {
        request.head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("\(name.lowercased()):") }
            .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
    }

    static func parameters(_ text: String) -> [String: String] {
        var components = URLComponents()
        // A form, in which botocore writes spaces as "+".
        components.percentEncodedQuery = text.replacing("+", with: "%20")
        var parameters: [String: String] = [:]
        for item in components.queryItems ?? [] { parameters[item.name] = item.value }
        return parameters
    }

    private static func securityTokens(_ request: TinyServer.Request) -> (String, String) {
        let parameters = parameters(String(decoding: request.body, as: UTF8.self))
        let action = parameters["Action"] ?? ""
        // The key and the scope that signed: AKID/20260101/eu-central-1/sts/aws4_request without the date.
        let credential = field("Authorization", of: request)?.split(separator: "Credential=").last?
            .prefix { $0 != "," }.split(separator: "/")
        let signer = credential.map { [$0[0], $0[2], $0[3]].joined(separator: "/") } ?? "unsigned"
        if parameters["RoleArn"]?.hasSuffix("denied") == true {
            return (
                "403 Forbidden",
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no &amp; never</Message></Error>"
                    + "</ErrorResponse>"
            )
        }
        // The default name has the time in it.
        let session = parameters["RoleSessionName"].map { $0.hasPrefix("botocore-session-") ? "default" : $0 }
        let asked = [
            action, parameters["RoleArn"], session, parameters["ExternalId"], parameters["DurationSeconds"],
            parameters["WebIdentityToken"], signer, field("X-Amz-Security-Token", of: request),
        ]
        let key = asked.map { $0 ?? "-" }.joined(separator: "|").replacingOccurrences(of: "&", with: "&amp;")
        return (
            "200 OK",
            """
            <?xml version="1.0"?><\(action)Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><\(action)Result>
            <Credentials><AccessKeyId>\(key)</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
            <SessionToken>session&lt;1&gt;</SessionToken><Expiration>\(expiration)</Expiration></Credentials>
            <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>
            </\(action)Result></\(action)Response>
            """
        )
    }

    private static func roleCredentials(_ request: TinyServer.Request, _ path: String) -> (String, String) {
        let parameters = parameters(String(path.split(separator: "?").last ?? ""))
        let token = field("x-amz-sso_bearer_token", of: request) ?? ""
        if token.contains("revoked") {
            return ("401 Unauthorized", #"{"message":"Session token not found or invalid"}"#)
        }
        let key = "SSO|\(parameters["role_name"] ?? "-")|\(parameters["account_id"] ?? "-")|\(token)"
        return (
            "200 OK",
            #"{"roleCredentials":{"accessKeyId":"\#(key)","secretAccessKey":"secret","sessionToken":"session","#
                + #""expiration":3981700800000}}"#
        )
    }

    private static func newToken(_ request: TinyServer.Request) -> (String, String) {
        let body = try? JSONSerialization.jsonObject(with: Data(request.body)) as? [String: String]
        guard let body, body["grantType"] == "refresh_token", let refreshToken = body["refreshToken"],
            body["clientId"] != nil, body["clientSecret"] != nil, !refreshToken.contains("revoked")
        else { return ("400 Bad Request", #"{"error":"invalid_grant"}"#) }
        return (
            "200 OK",
            #"{"accessToken":"renewed-by-\#(refreshToken)","expiresIn":28800,"refreshToken":"next","tokenType":"Bearer"}"#
        )
    }

    static func credentials(_ key: String, expiration: String = expiration) -> String {
        """
        {"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"\(key)","SecretAccessKey":"secret","Token":"session",
        "Expiration":"\(expiration)","RoleArn":"arn:aws:iam::123456789012:role/r"}
        """
    }

    private static func container(_ request: TinyServer.Request, _ path: String) -> (String, String) {
        let key =
            "CONTAINER|\(path)|\(field("Authorization", of: request) ?? "-")|\(field("Accept", of: request) ?? "-")"
        switch path.dropFirst("/container/".count).prefix(while: { $0 != "?" }) {
        case "ok": return ("200 OK", credentials(key))
        case "denied": return ("403 Forbidden", #"{"message":"no"}"#)
        case "broken": return ("200 OK", String(credentials(key).dropLast(40)))
        case "partial": return ("200 OK", #"{"AccessKeyId":"A","SecretAccessKey":"S"}"#)
        case "bare": return ("200 OK", credentials(key).replacing("\"session\"", with: "\"\""))
        case "wrong": return ("200 OK", #"["AccessKeyId"]"#)
        default: return ("404 Not Found", "")
        }
    }

    private static func metadata(_ request: TinyServer.Request, method: String, _ path: String) -> (String, String) {
        let kind = path.dropFirst("/imds-".count).prefix { $0 != "/" }
        let rest = path.dropFirst("/imds-".count + kind.count)
        if kind == "none" { return ("404 Not Found", "") }
        if method == "PUT" {
            guard field("x-aws-ec2-metadata-token-ttl-seconds", of: request) == "21600" else {
                return ("400 Bad Request", "")
            }
            return switch kind {
            case "v1": ("404 Not Found", "")
            case "bad": ("400 Bad Request", "")
            default: ("200 OK", "metadata-token")
            }
        }
        let token = field("x-aws-ec2-metadata-token", of: request)
        if kind == "v1" ? token != nil : token != "metadata-token" { return ("401 Unauthorized", "") }
        switch (rest, kind) {
        case ("/latest/meta-data/placement/availability-zone/", _): return ("200 OK", "ap-southeast-2b")
        case ("/latest/meta-data/placement/region", _): return ("200 OK", "ap-southeast-2")
        case ("/latest/meta-data/iam/security-credentials/", "empty"): return ("200 OK", "")
        case ("/latest/meta-data/iam/security-credentials/", "failing"): return ("500 Internal Server Error", "")
        case ("/latest/meta-data/iam/security-credentials/", _): return ("200 OK", "my-role")
        case ("/latest/meta-data/iam/security-credentials/my-role", "partial"):
            return ("200 OK", #"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}"#)
        case ("/latest/meta-data/iam/security-credentials/my-role", "bare"):
            return ("200 OK", credentials("METADATA").replacing("\"session\"", with: "\"\""))
        case ("/latest/meta-data/iam/security-credentials/my-role", "old"):
            return ("200 OK", credentials("METADATA-OLD", expiration: "2020-01-01T00:00:00Z"))
        case ("/latest/meta-data/iam/security-credentials/my-role", "broken"): return ("200 OK", "{\"AccessKeyId\":")
        case ("/latest/meta-data/iam/security-credentials/my-role", _):
            return ("200 OK", credentials(kind == "v1" ? "METADATA-1" : "METADATA-2"))
        default: return ("404 Not Found", "")
        }
    }
}
