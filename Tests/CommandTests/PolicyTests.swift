import Foundation
import LogbeamTestSupport
import Testing

@testable import Logbeam
@testable import logbeam_spool

@Suite("policy")
struct PolicyTests {
    private static func document(
        region: String = "eu-central-1",
        stream: String? = "orders",
        _ change: (inout PolicyDocument) -> Void = { _ in }
    ) throws -> PolicyDocument {
        var document = PolicyDocument(
            region: region,
            account: "123456789012",
            logGroup: "/shop/#1",
            logStream: try stream.map { try StreamNameTemplate($0) }
        )
        change(&document)
        return document
    }

    private struct Document: Decodable {
        struct Statement: Decodable {
            var Effect: String
            var Action: OneOrMore
            var Resource: OneOrMore
        }

        var Version: String
        var Statement: [Statement]
    }

    private struct OneOrMore: Decodable {
        var values: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            values = try (try? [container.decode(String.self)]) ?? container.decode([String].self)
        }
    }

    /// `ACTION RESOURCE` for each pair that is allowed.
    private static func allowed(_ text: String) throws -> [String] {
        let document = try JSONDecoder().decode(Document.self, from: Data(text.utf8))
        #expect(document.Version == "2012-10-17")
        return document.Statement.flatMap { statement in
            #expect(statement.Effect == "Allow")
            return statement.Action.values.flatMap { action in statement.Resource.values.map { "\(action) \($0)" } }
        }
    }

    private static let group = "arn:aws:logs:eu-central-1:123456789012:log-group:/shop/#1"

    @Test("It allows to write into the stream and to make it, and nothing else")
    func stream() throws {
        #expect(
            try Self.document().text == """
                {
                  "Version": "2012-10-17",
                  "Statement": [
                    {
                      "Effect": "Allow",
                      "Action": ["logs:PutLogEvents", "logs:CreateLogStream"],
                      "Resource": "\(Self.group):log-stream:orders"
                    }
                  ]
                }

                """
        )
    }

    @Test("What else is to be made, and looked for, is allowed where it is asked for")
    func variants() throws {
        let stream = "\(Self.group):log-stream:orders"
        let nothing = try Self.document { $0.creation = .nothing }
        #expect(try Self.allowed(nothing.text) == ["logs:PutLogEvents \(stream)"])
        let all = try Self.document {
            $0.creation = .group
            ($0.setsRetention, $0.setsTags, $0.reconciles) = (true, true, true)
        }
        #expect(
            try Self.allowed(all.text) == [
                "logs:PutLogEvents \(stream)", "logs:CreateLogStream \(stream)", "logs:GetLogEvents \(stream)",
                "logs:CreateLogGroup \(Self.group):*", "logs:PutRetentionPolicy \(Self.group):*",
                "logs:TagResource \(Self.group)",
            ]
        )
    }

    @Test(
        "The partition is that of the region",
        arguments: [
            ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc"),
            ("us-isob-east-1", "aws-iso-b"), ("us-east-1", "aws"),
        ]
    )
    func partitions(region: String, partition: String) throws {
        let text = try Self.document(region: region).text
        #expect(text.contains("\"arn:\(partition):logs:\(region):123456789012:log-group:/shop/#1:log-stream:orders\""))
    }

    @Test(
        "Names become patterns that fit them and no more than they must",
        arguments: [
            ("{hostname}-{pid}", "*-*"), ("web/{date:%Y-%m}", "web/*"), ("a{{b}}", "a{b}"), ("why?", "why${?}"),
            ("[$LATEST]", "[${$}LATEST]"), ("${{a", "${$}{a"), ("\"quoted\" é", "\\\"quoted\\\" é"), (nil, "*"),
        ] as [(String?, String)]
    )
    func patterns(name: String?, pattern: String) throws {
        #expect(try Self.document(stream: name).text.contains(":log-stream:\(pattern)\"\n"))
    }

    // MARK: The command

    @Test("The account is the one whose credentials are at hand")
    func account() async throws {
        try await onOwnThread {
            let moto = try MotoServer()
            var command = try Command()
            command.environment["AWS_ENDPOINT_URL"] = moto.url
            let ended = try command.run(["policy", "--log-group", "g", "--log-stream", "s", "--region", "cn-north-1"])
            #expect(ended.code == 0 && ended.error.isEmpty, "\(ended.error)")
            #expect(
                try Self.allowed(ended.output).first
                    == "logs:PutLogEvents arn:aws-cn:logs:cn-north-1:123456789012:log-group:g:log-stream:s"
            )
        }
    }

    @Test("Without credentials a word stands for the account, and standard error says so")
    func placeholder() async throws {
        try await onOwnThread {
            var command = try Command()
            command.environment["AWS_ACCESS_KEY_ID"] = nil
            command.environment["AWS_EC2_METADATA_DISABLED"] = "true"
            let arguments = ["policy", "--log-group", "g", "--log-stream", "*", "--create", "group"]
            let ended = try command.run(arguments)
            #expect(ended.code == 0)
            #expect(ended.output.contains("arn:aws:logs:us-east-1:ACCOUNT:log-group:g:log-stream:*\""))
            #expect(ended.output.contains("arn:aws:logs:us-east-1:ACCOUNT:log-group:g:*\""))
            #expect(ended.error.hasPrefix("logbeam-spool: the account is not known (NoCredentials: "))
            #expect(ended.error.contains("name it with --account\n"))
            let named = try command.run(arguments + ["--account", "210987654321"])
            #expect(named.code == 0 && named.error.isEmpty)
            #expect(named.output.contains(":210987654321:"))
        }
    }

    @Test("Without a region: 77")
    func noRegion() async throws {
        try await onOwnThread {
            var command = try Command()
            command.environment["AWS_REGION"] = nil
            command.environment["AWS_EC2_METADATA_DISABLED"] = "true"
            let ended = try command.run(["policy", "--log-group", "g", "--log-stream", "s"])
            #expect(ended.code == 77 && ended.output.isEmpty)
            #expect(ended.error.contains("set AWS_REGION"))
        }
    }
}
