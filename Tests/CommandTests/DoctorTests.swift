import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("doctor")
struct DoctorTests {
    private struct Report: Decodable {
        struct Check: Decodable {
            var check, verdict, message: String
        }

        var exit_code: Int32
        var account, region, region_source, endpoint_source, credentials_source: String?
        var clock_offset_seconds: Int64?
        var checks: [Check]

        /// `CHECK VERDICT` of each line that is not ok.
        var troubles: [String] { checks.filter { $0.verdict != "ok" }.map { "\($0.check) \($0.verdict)" } }

        subscript(check: String) -> String { checks.last { $0.check == check }?.message ?? "" }
    }

    private static let arguments = ["doctor", "--log-group", "group", "--log-stream", "stream"]

    /// Runs the command twice, for its two forms, and holds them against each other.
    private static func examine(_ command: Command, _ arguments: [String] = arguments) throws -> Report {
        let json = try command.run(arguments + ["--json"])
        let report = try JSONDecoder().decode(Report.self, from: Data(json.output.utf8))
        #expect(json.code == report.exit_code)
        #expect(json.error.isEmpty, "\(json.error)")
        let page = try command.run(arguments)
        #expect(page.code == json.code)
        #expect(page.output.split(separator: "\n").count == report.checks.count)
        for ended in [json, page] { #expect(!ended.output.contains(AccessKey.any.secret + "\"")) }
        return report
    }

    private static func command(to url: String, as key: AccessKey = .any) throws -> Command {
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = url
        command.environment["AWS_EC2_METADATA_DISABLED"] = "true"
        command.environment.merge(key.environment) { $1 }
        try command.fill(["a"])
        return command
    }

    // MARK: The strict endpoint

    @Test("A stream that may be written is found so, and nothing is written")
    func well() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint()
            endpoint.create(Command.destination)
            let command = try Self.command(to: endpoint.url)
            let report = try Self.examine(command, ["doctor"])
            // Records are pending; loopback has no TLS, and no STS.
            #expect(report.troubles == ["spool warning", "tls warning", "identity warning"])
            #expect(report.exit_code == 0)
            #expect(report["stream"] == "group stream: exists and may be written")
            #expect(report["credentials"].hasPrefix("environment variables (AWS_ACCESS_KEY_ID): key AKIDEXAMPLE"))
            #expect(report.region == "us-east-1" && report.region_source == "AWS_REGION")
            #expect(report.endpoint_source == "AWS_ENDPOINT_URL")
            #expect(endpoint.records.acceptedCount == 0)
            #expect(try command.pending() == ["a"])
        }
    }

    @Test("--write makes what is missing and writes one event")
    func write() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint()
            let command = try Self.command(to: endpoint.url)
            let missing = try Self.examine(command)
            #expect(missing.troubles.last == "stream warning" && missing.exit_code == 0)
            #expect(missing["stream"].contains("does not exist") && missing["stream"].contains("--create group"))
            #expect(endpoint.records.destinations.isEmpty)
            let written = try command.run(Self.arguments + ["--write"])
            #expect(written.code == 0)
            #expect(written.output.contains("group stream: one event was written"))
            let messages = endpoint.messages(in: Command.destination)
            #expect(messages.count == 1 && messages[0].hasPrefix("logbeam-spool doctor: "))
        }
    }

    @Test("Placeholders in the name of the stream are replaced")
    func placeholders() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint()
            let command = try Self.command(to: endpoint.url)
            let arguments = ["doctor", "--log-group", "group", "--log-stream", "{program}", "--write"]
            #expect(try command.run(arguments).code == 0)
            #expect(endpoint.messages(in: Destination(logGroup: "group", logStream: "logbeam-spool")).count == 1)
        }
    }

    @Test("What the service refuses ends with 77, and says what to do")
    func refused() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint()
            endpoint.create(Command.destination)
            endpoint.deny([.putLogEvents])
            let denied = try Self.examine(try Self.command(to: endpoint.url))
            #expect(denied.exit_code == 77 && denied.troubles.last == "stream failed")
            #expect(denied["stream"].hasPrefix("group stream: AccessDeniedException: "))
            #expect(denied["stream"].hasSuffix("allow this action for these credentials in IAM"))
            let wrong = AccessKey(identifier: AccessKey.any.identifier, secret: "wrong")
            let unsigned = try Self.examine(try Self.command(to: endpoint.url, as: wrong))
            #expect(unsigned.exit_code == 77)
            #expect(unsigned["stream"].contains("InvalidSignatureException"))
        }
    }

    @Test("Trouble that passes ends with 75")
    func passing() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint()
            endpoint.setScript { info in
                info.operation == nil ? nil : .status(503, errorType: "ServiceUnavailableException")
            }
            let report = try Self.examine(try Self.command(to: endpoint.url))
            #expect(report.exit_code == 75 && report.troubles.last == "stream failed")
        }
    }

    @Test(
        "A clock that is off is told in its direction, and does not spoil the other checks",
        arguments: [600, -600] as [Int64]
    )
    func clock(seconds: Int64) async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint(clock: { WallClock.milliseconds() + seconds * 1_000 })
            endpoint.create(Command.destination)
            let report = try Self.examine(try Self.command(to: endpoint.url))
            #expect(report.troubles.contains("clock warning"))
            #expect(report["clock"].contains(seconds > 0 ? " behind the service's" : " ahead of the service's"))
            // What lies between the two readings is the time of the request.
            let offset = try #require(report.clock_offset_seconds)
            #expect((seconds - 120...seconds + 1).contains(offset))
            #expect(report["stream"] == "group stream: exists and may be written")
            #expect(report.exit_code == 0)
        }
    }

    // MARK: moto

    @Test("moto, which verifies signatures and permissions, tells whose credentials they are")
    func moto() async throws {
        try await onOwnThread {
            let moto = try MotoServer(authentication: true, allowing: ["logs:PutLogEvents", "sts:GetCallerIdentity"])
            let report = try Self.examine(try Self.command(to: moto.url, as: moto.accessKey))
            #expect(report.account == "123456789012")
            #expect(report["identity"] == "arn:aws:iam::123456789012:user/shipper in account 123456789012")
            #expect(report["stream"].contains("does not exist"))
            #expect(report.exit_code == 0)

            let wrong = AccessKey(identifier: moto.accessKey.identifier, secret: "wrong")
            let refused = try Self.examine(try Self.command(to: moto.url, as: wrong))
            #expect(refused.exit_code == 77)
            #expect(refused.troubles.contains("identity failed"))
            #expect(refused["identity"].contains("SignatureDoesNotMatch"))
        }
    }

    @Test("What moto was rehearsed to take does not stand in the stream")
    func rehearsal() async throws {
        try await onOwnThread {
            let moto = try MotoServer()
            let command = try Self.command(to: moto.url)
            #expect(try command.run(Self.arguments + ["--write"]).code == 0)
            #expect(try moto.readBack(Command.destination).count == 1)
            #expect(try Self.examine(command)["stream"] == "group stream: exists and may be written")
            #expect(try moto.readBack(Command.destination).count == 1)
        }
    }

    // MARK: Before AWS

    @Test("Where nobody listens: 75, and nothing more is asked")
    func nobody() async throws {
        try await onOwnThread {
            // tcpmux, which nobody has.
            let report = try Self.examine(try Self.command(to: "http://127.0.0.1:1"))
            #expect(report.exit_code == 75)
            #expect(report.checks.map(\.check) == ["spool", "credentials", "region", "endpoint", "reachability"])
            #expect(report["reachability"].contains("check the network"))
        }
    }

    @Test("Without credentials, without a region: 77, and the rest is told all the same")
    func nothing() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint()
            var command = try Self.command(to: endpoint.url)
            command.environment["AWS_ACCESS_KEY_ID"] = nil
            let keyless = try Self.examine(command)
            #expect(keyless.exit_code == 77)
            #expect(keyless.checks.map(\.check).contains("clock"))
            #expect(keyless.troubles.first { $0.hasPrefix("credentials") } == "credentials failed")
            #expect(!keyless.checks.map(\.check).contains("stream"), "none was looked at")
            command.environment["AWS_REGION"] = nil
            let lost = try Self.examine(command)
            #expect(lost.exit_code == 77)
            #expect(lost.checks.last?.check == "region")
        }
    }

    @Test("A certificate that is not trusted: 77; it is, with AWS_CA_BUNDLE or ca_bundle in the profile")
    func certificate() async throws {
        try await onOwnThread {
            let authority = try CertificateAuthority()
            let server = try TLSServer(authority.issue(for: "IP:127.0.0.1"))
            var command = try Self.command(to: server.url)
            let untrusted = try Self.examine(command)
            #expect(untrusted.exit_code == 77 && untrusted.troubles.last == "tls failed")
            #expect(untrusted["tls"].contains("name its file in AWS_CA_BUNDLE"))
            let config = command.directory.file("config")
            try "[default]\nca_bundle = \(authority.file)\n".write(toFile: config, atomically: true, encoding: .utf8)
            command.environment["AWS_CONFIG_FILE"] = config
            let trusted = try Self.examine(command)
            #expect(trusted.exit_code == 0, "\(trusted)")
            #expect(trusted["tls"].contains(authority.file))
            command.environment["AWS_CA_BUNDLE"] = try CertificateAuthority().file
            #expect(try Self.examine(command).exit_code == 77)
            command.environment["AWS_CA_BUNDLE"] = authority.file
            #expect(try Self.examine(command).exit_code == 0)
            #expect(try server.requests(1).allSatisfy { $0.signature != false })
        }
    }

    @Test("TLS 1.1 is refused, also where the machine's OpenSSL would take it")
    func oldTLS() async throws {
        try await onOwnThread {
            let authority = try CertificateAuthority()
            let server = try PlainTLSServer(
                authority.issue(for: "IP:127.0.0.1"),
                ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]
            )
            var command = try Self.command(to: server.url)
            command.environment["AWS_CA_BUNDLE"] = authority.file
            let config = command.directory.file("openssl.cnf")
            try """
            openssl_conf = all
            [all]
            ssl_conf = ssl
            [ssl]
            system_default = lax
            [lax]
            MinProtocol = TLSv1
            CipherString = DEFAULT:@SECLEVEL=0
            """.write(toFile: config, atomically: true, encoding: .utf8)
            command.environment["OPENSSL_CONF"] = config
            // The machine's own client takes it, with these settings.
            let client = try ChildProcess(
                "/usr/bin/openssl",
                ["s_client", "-connect", "127.0.0.1:\(server.port)", "-CAfile", authority.file],
                environment: command.environment
            )
            client.closeInput()
            #expect(try client.wait().exitCode == 0)
            #expect(client.text().contains("TLSv1.1"))
            let report = try Self.examine(command)
            #expect(report.exit_code == 75)
            #expect(report["reachability"].hasPrefix("no TLS of version 1.2 or later with 127.0.0.1:\(server.port)"))
        }
    }

    @Test("The proxy is named, and what libcurl would take out of the environment by itself is not")
    func proxy() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint()
            endpoint.create(Command.destination)
            let proxy = try ForwardProxy(credentials: "user:hidden")
            var command = try Self.command(to: endpoint.url)
            command.environment["ALL_PROXY"] = "http://127.0.0.1:1"
            #expect(try Self.examine(command).exit_code == 0)
            command.environment["http_proxy"] = "http://user:hidden@127.0.0.1:\(proxy.port)"
            let report = try Self.examine(command)
            #expect(report.exit_code == 0)
            #expect(report["endpoint"].hasSuffix(", by the proxy http://127.0.0.1:\(proxy.port) (http_proxy)"))
            #expect(proxy.heads.contains { $0.hasPrefix("POST \(endpoint.url)/ HTTP/1.1\r\n") })
        }
    }

    @Test("The region of the instance is found, and never by a proxy")
    func instance() async throws {
        try await onOwnThread {
            let moto = try MotoServer()
            var command = try Self.command(to: moto.url)
            command.environment["AWS_REGION"] = nil
            command.environment["AWS_EC2_METADATA_DISABLED"] = nil
            command.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = moto.url
            // Whoever goes by it gets no answer; moto itself is asked by name.
            command.environment["http_proxy"] = "http://127.0.0.1:1"
            command.environment["AWS_ENDPOINT_URL"] = "http://localhost:\(moto.port)"
            command.environment["no_proxy"] = "localhost"
            let report = try Self.examine(command)
            #expect(report.region == "us-east-1")
            #expect(report.region_source == "instance metadata")
            #expect(report.exit_code == 0)
        }
    }

    // MARK: The spool

    @Test("That the uploads of another process fail is told, though all is well here; and no more once one arrives")
    func failingUploads() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint()
            endpoint.create(Command.destination)
            let command = try Self.command(to: endpoint.url)
            let lease = try command.takeLease()
            let header = try #require(try SpoolReader(path: command.spoolPath).headers(after: 0).headers.first)
            try lease.noteFailure(
                stream: header.stream,
                message: "NoCredentials: there are none; set AWS_ACCESS_KEY_ID",
                failures: 1,
                time: 1_440_938_160_000
            )
            let failing = try Self.examine(command, ["doctor"])
            #expect(failing.exit_code == 0)
            #expect(failing.troubles == ["spool warning", "tls warning", "identity warning"])
            let uploader = "process \(getpid()) on "
            #expect(
                failing["spool"].hasPrefix(
                    "group stream: the last upload failed at 2015-08-30T12:36:00.000Z, \(uploader)"
                )
            )
            #expect(failing["spool"].hasSuffix(" uploads: NoCredentials: there are none; set AWS_ACCESS_KEY_ID"))
            #expect(
                try command.run(["doctor", "--json"]).output.contains(
                    #"KEY_ID","log_group":"group","log_stream":"stream"}"#
                )
            )

            let batch = BatchRange(stream: header.stream, first: header.id, last: header.id, latest: .max)
            try lease.begin(batch)
            try lease.acknowledge(batch, refused: [], delivered: 1)
            try command.fill(["b"])
            #expect(try Self.examine(command, ["doctor"]).troubles == ["tls warning", "identity warning"])
        }
    }

    @Test("Without a spool, or with a damaged one, the rest is told")
    func spool() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint()
            endpoint.create(Command.destination)
            var command = try Command()
            command.environment["AWS_ENDPOINT_URL"] = endpoint.url
            let missing = try Self.examine(command, ["doctor"])
            #expect(missing.troubles.first == "spool warning" && missing.troubles.last == "stream warning")
            #expect(missing.exit_code == 0)
            try "Dear diary\n".write(toFile: command.spoolPath, atomically: true, encoding: .utf8)
            let foreign = try Self.examine(command)
            #expect(foreign.exit_code == 65 && foreign.troubles.first == "spool failed")
            #expect(foreign["stream"] == "group stream: exists and may be written")
        }
    }
}
