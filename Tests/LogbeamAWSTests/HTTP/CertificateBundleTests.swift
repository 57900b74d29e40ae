import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("The file of certificate authorities")
struct CertificateBundleTests {
    @Test(
        "is the variable's, else the profile's, else that of requests",
        arguments: [
            ([:], "", nil),
            (["REQUESTS_CA_BUNDLE": "r"], "", "r"),
            (["REQUESTS_CA_BUNDLE": "r"], "ca_bundle = p", "p"),
            (["REQUESTS_CA_BUNDLE": "r", "AWS_CA_BUNDLE": "a"], "ca_bundle = p", "a"),
        ] as [([String: String], String, String?)]
    )
    func order(variables: [String: String], profile: String, expected: String?) throws {
        let directory = try TemporaryDirectory()
        try directory.write("[default]\n\(profile)\n", to: "config")
        let files = [
            "AWS_CONFIG_FILE": directory.file("config"), "AWS_SHARED_CREDENTIALS_FILE": directory.file("none"),
        ]
        let environment = ProcessEnvironment(variables.merging(files) { $1 })
        let path = try CertificateBundle.path(environment: environment) {
            try Profiles(environment: environment, chosen: nil)
        }
        #expect(path == expected)
    }
}
