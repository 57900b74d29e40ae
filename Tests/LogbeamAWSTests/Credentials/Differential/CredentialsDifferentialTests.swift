import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

/// botocore is the judge: each row of ``EnvironmentRow`` is a machine on which both look for credentials, region and
/// endpoint.
@Suite("Credentials beside botocore")
struct CredentialsDifferentialTests {
    private struct Judgement: Decodable {
        var source: String?
        var accessKeyID: String?
        var sessionToken: String?
        var credentialsError: String?
        var region: String?
        var url: String?
        var endpointError: String?
    }

    private struct Question: Encodable {
        var variables: [String: String]
        var profile: String?
        var agent: String

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(variables, forKey: .variables)
            try container.encode(profile, forKey: .profile)
            try container.encode(agent, forKey: .agent)
        }

        enum Key: CodingKey { case variables, profile, agent }
    }

    /// A row's home directory with its files, for one of the two: SSO writes there.
    private struct Machine {
        var directory: TemporaryDirectory
        var variables: [String: String]

        init(_ row: EnvironmentRow, server: String) throws {
            let directory = try TemporaryDirectory()
            func fill(_ text: String) -> String {
                text.replacing("{home}", with: directory.path).replacing("{server}", with: server)
            }
            var files = row.files
            files[".aws/config"] = row.config
            files[".aws/credentials"] = row.credentials
            for (name, text) in files { try directory.write(fill(text), to: name) }
            var variables = [
                "HOME": directory.path, "PATH": "/usr/bin:/bin", "AWS_DEFAULT_REGION": "eu-central-1",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": "\(server)/imds-none",
                // The machine may be busy with other tests.
                "AWS_METADATA_SERVICE_TIMEOUT": "60",
                "AWS_ENDPOINT_URL_STS": "\(server)/sts", "AWS_ENDPOINT_URL_SSO": "\(server)/sso",
                "AWS_ENDPOINT_URL_SSO_OIDC": "\(server)/oidc", "MARK": "of the environment",
            ]
            variables.merge(row.variables.mapValues(fill)) { $1 }
            self.directory = directory
            self.variables = variables.filter { !$0.value.isEmpty }
        }
    }

    private static let methods = [
        "environment variables": "env", "assumed role": "assume-role", "web identity": "assume-role-with-web-identity",
        "SSO": "sso", "shared credentials file": "shared-credentials-file", "credential_process": "custom-process",
        "config file": "config-file", "container credentials": "container-role", "instance metadata": "iam-role",
    ]

    @Test("are the same on a hundred machines, but where a row says why not")
    func rows() async throws {
        #expect(EnvironmentRow.all.count >= 60)
        try await onOwnThread {
            let server = try FakeAWS.start()
            let url = String(server.url.dropLast())
            let theirs = try EnvironmentRow.all.map { try Machine($0, server: url) }
            let agent = "127.0.0.1:\(server.port)"
            let questions = zip(EnvironmentRow.all, theirs).map {
                Question(variables: $1.variables, profile: $0.chosen, agent: agent)
            }
            let judgements = try withExtendedLifetime(theirs) { try judge(questions) }
            try #require(judgements.count == questions.count)
            for (row, judgement) in zip(EnvironmentRow.all, judgements) {
                try compare(row, judgement, try Machine(row, server: url), agent: agent)
            }
        }
    }

    private func judge(_ questions: [Question]) throws -> [Judgement] {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Python/credentials.py")
        let process = try Python.start(script)
        try process.write(String(decoding: try JSONEncoder().encode(questions), as: UTF8.self))
        process.closeInput()
        // Some hundred lookups by a slow program.
        let termination = try process.wait(within: patience)
        try #require(termination.exitCode == 0, "\(process.text(.standardError))")
        return try JSONDecoder().decode([Judgement].self, from: Data(process.output()))
    }

    private func compare(_ row: EnvironmentRow, _ judgement: Judgement, _ machine: Machine, agent: String) throws {
        let ours = look(row, machine, agent: agent)
        let theirs: [EnvironmentRow.Aspect: String] = [
            .credentials: judgement.accessKeyID.map {
                "\(judgement.source ?? "") \($0) \(judgement.sessionToken ?? "")".trimmingCharacters(in: .whitespaces)
            } ?? "none",
            .region: judgement.region ?? "none",
            .url: judgement.url ?? "none",
        ]
        for aspect in EnvironmentRow.Aspect.allCases {
            let errors = [judgement.credentialsError, judgement.endpointError].compactMap { $0 }
            let note: Comment = "\(row.name): \(aspect.rawValue); ours: \(ours.reason); theirs: \(errors)"
            if let difference = row.differences.first(where: { $0.aspect == aspect }) {
                #expect(!difference.because.isEmpty)
                #expect(ours.aspects[aspect] == difference.ours, note)
                #expect(ours.aspects[aspect] != theirs[aspect], "no difference any more, \(row.name)")
            } else {
                #expect(ours.aspects[aspect] == theirs[aspect], note)
            }
        }
    }

    private func look(
        _ row: EnvironmentRow,
        _ machine: Machine,
        agent: String
    ) -> (aspects: [EnvironmentRow.Aspect: String], reason: String) {
        let environment = ProcessEnvironment(machine.variables)
        var aspects: [EnvironmentRow.Aspect: String] = [.credentials: "none", .region: "none", .url: "none"]
        var reasons: [String] = []
        var context = LookupContext(
            environment: environment,
            profile: row.chosen,
            requests: CredentialsRequests(pause: .zero)
        )
        context.containerAgent = agent
        context.containerTimeout = .seconds(60)
        do {
            let found = try CredentialsChain(context).resolve(at: Int64(Date().timeIntervalSince1970))
            aspects[.credentials] = [
                Self.methods[found.source] ?? found.source, found.credentials.accessKeyID,
                found.credentials.sessionToken ?? "",
            ].joined(separator: " ").trimmingCharacters(in: .whitespaces)
        } catch {
            reasons.append("\(error)")
            #expect(!"\(error)".contains("hidden"))
        }
        do {
            let endpoint = try Self.endpoint(row, environment)
            aspects[.region] = endpoint.region
            aspects[.url] = endpoint.url
        } catch {
            reasons.append("\(error)")
        }
        return (aspects, reasons.joined(separator: "; "))
    }

    private static func endpoint(_ row: EnvironmentRow, _ environment: ProcessEnvironment) throws -> Endpoint {
        try EndpointFinder(
            AWSService(endpointPrefix: "logs", environmentID: "CLOUDWATCH_LOGS"),
            given: .init(),
            profile: row.chosen,
            environment: environment
        ).find().endpoint
    }
}
