/// One machine as it is configured, for botocore and for us: variables, files, and what answers.
///
/// In all texts `{home}` is the home directory, and `{server}` the URL of ``FakeAWS``.
struct EnvironmentRow: Sendable {
    /// What the two are compared by.
    enum Aspect: String, Sendable, CaseIterable {
        /// The source that won, the access key and the session token; or that there are none.
        case credentials
        case region, url
    }

    /// What we do, and botocore does not.
    struct Difference: Sendable {
        var aspect: Aspect
        var ours: String
        var because: String

        /// Where botocore makes no client at all, because the profile is missing or the files cannot be read.
        static func endpoint(because: String) -> [Difference] {
            [
                Difference(aspect: .region, ours: "eu-central-1", because: because),
                Difference(aspect: .url, ours: "https://logs.eu-central-1.amazonaws.com/", because: because),
            ]
        }
    }

    var name: String
    var variables: [String: String] = [:]
    var config: String?
    var credentials: String?
    /// Other files below the home directory.
    var files: [String: String] = [:]
    /// A profile that the program's configuration names.
    var chosen: String?
    var differences: [Difference] = []

    init(
        _ name: String,
        _ variables: [String: String] = [:],
        config: String? = nil,
        credentials: String? = nil,
        files: [String: String] = [:],
        chosen: String? = nil,
        differs: [Difference] = []
    ) {
        self.name = name
        self.variables = variables
        self.config = config
        self.credentials = credentials
        self.files = files
        self.chosen = chosen
        differences = differs
    }

    static let all = files + roles + services
}
