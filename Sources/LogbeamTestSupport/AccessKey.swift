/// A key pair of the pretended AWS account.
package struct AccessKey: Sendable, Equatable {
    package var identifier: String
    package var secret: String
    /// Of temporary credentials.
    package var sessionToken: String?

    package init(identifier: String, secret: String, sessionToken: String? = nil) {
        self.identifier = identifier
        self.secret = secret
        self.sessionToken = sessionToken
    }

    /// Good where nobody looks, and the one key that a ``LocalEndpoint`` knows if it is told of no other.
    package static let any = AccessKey(identifier: "AKIDEXAMPLE", secret: "example")

    /// What a program is told of the key in its environment.
    package var environment: [String: String] {
        var variables = ["AWS_ACCESS_KEY_ID": identifier, "AWS_SECRET_ACCESS_KEY": secret]
        variables["AWS_SESSION_TOKEN"] = sessionToken
        return variables
    }
}
