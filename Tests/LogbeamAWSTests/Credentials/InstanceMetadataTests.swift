import Foundation
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamAWS

@Suite("Instance metadata")
struct InstanceMetadataTests {
    private func find(
        _ url: String,
        _ variables: [String: String] = [:],
        at time: Int64 = 1_800_000_000
    ) async throws -> CredentialsLookup {
        // The machine may be busy with other tests.
        let all = ["AWS_EC2_METADATA_SERVICE_ENDPOINT": url, "AWS_METADATA_SERVICE_TIMEOUT": "60"]
            .merging(variables) { $1 }
        let context = LookupContext(environment: ProcessEnvironment(all), requests: CredentialsRequests(pause: .zero))
        return try await onOwnThread { try InstanceMetadataCredentials(context: context).find(at: time) }
    }

    private func absence(_ url: String, _ variables: [String: String] = [:]) async throws -> String {
        let lookup = try await find(url, variables)
        if case .absent(let reason) = lookup { return reason }
        return "found \(lookup)"
    }

    private func trouble(_ url: String, _ variables: [String: String] = [:]) async throws -> String {
        do {
            return "found \(try await find(url, variables))"
        } catch CredentialsError.unavailable(_, let reason) {
            return reason
        }
    }

    @Test("has the role's credentials, with a token for six hours")
    func credentials() async throws {
        let server = try FakeAWS.start()
        let lookup = try await find("\(server.url)imds-ok")
        let origin = "\(server.url)imds-ok"
        #expect(
            lookup
                == .found(
                    Credentials(
                        accessKeyID: "METADATA-2",
                        secretAccessKey: "secret",
                        sessionToken: "session",
                        expiration: 3_981_355_200
                    ),
                    place: "role my-role from \(origin)"
                )
        )
        #expect(
            server.requests.map { $0.head.prefix { $0 != "\r\n" } } == [
                "PUT /imds-ok/latest/api/token HTTP/1.1",
                "GET /imds-ok/latest/meta-data/iam/security-credentials/ HTTP/1.1",
                "GET /imds-ok/latest/meta-data/iam/security-credentials/my-role HTTP/1.1",
            ]
        )
    }

    @Test("is asked as often as is said, and no more")
    func attempts() async throws {
        let server = try TinyServer { _, connection in connection.answer("500 Oh") }
        #expect(try await trouble(server.url).contains("it answers 500 to the request for latest/"))
        #expect(server.requests.count == 2)
        _ = try await trouble(server.url, ["AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3"])
        #expect(server.requests.count == 8)
        // Ten at most, and no limit to the time that one may take but a minute.
        let many = ["AWS_METADATA_SERVICE_NUM_ATTEMPTS": "9999999999", "AWS_METADATA_SERVICE_TIMEOUT": "9999999999"]
        _ = try await trouble(server.url, many)
        #expect(server.requests.count == 28)
    }

    @Test(
        "may be had later where whoever has it is throttled or in trouble",
        arguments: [
            (["429 Slow"], true), (["500 Oh"], true), (["503 Busy", "503 Busy"], true), (["403 No", "503 Busy"], true),
            (["200 OK", "429 Slow"], true), (["200 OK", ""], true), (["400 No"], false), (["404 No", "404 No"], false),
            (["404 No", ""], false), (["", ""], false), (["200 OK", "404 No"], false),
        ] as [([String], Bool)]
    )
    func passing(answers: [String], isPassing: Bool) async throws {
        let left = Mutex(answers)
        let server = try TinyServer { _, connection in
            let answer = left.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            if answer.isEmpty { connection.close() } else { connection.answer(answer, "T") }
        }
        if isPassing {
            let error = await #expect(throws: CredentialsError.self) { try await find(server.url) }
            #expect(error?.isPassing == true)
        } else {
            _ = try await absence(server.url)
        }
        left.withLock { $0 = answers }
        let environment = ProcessEnvironment([
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url, "AWS_METADATA_SERVICE_TIMEOUT": "60",
        ])
        let finder = EndpointFinder(
            AWSService(endpointPrefix: "logs", environmentID: "CLOUDWATCH_LOGS"),
            given: .init(),
            profile: nil,
            environment: environment
        )
        let error = try await onOwnThread {
            #expect(throws: EndpointError.self) { try finder.find() }
        }
        #expect(error?.isMissingRegion == true && error?.isPassing == isPassing)
        // A role that is to be assumed needs a region too.
        left.withLock { $0 = answers }
        let context = LookupContext(environment: environment, requests: CredentialsRequests(pause: .zero))
        let failure = try await onOwnThread {
            #expect(throws: CredentialsError.self) {
                try context.endpoint(of: AWSService(endpointPrefix: "sts", environmentID: "STS"), source: "a role")
            }
        }
        #expect(failure?.isPassing == isPassing)
    }

    @Test("may be found at a later attempt, where nobody took the one before")
    func later() throws {
        var service = try InstanceMetadata(
            environment: ProcessEnvironment(["AWS_METADATA_SERVICE_NUM_ATTEMPTS": "4"]),
            profile: nil,
            requests: CredentialsRequests()
        )
        for (failures, expected) in [(3, "T"), (4, nil)] as [(Int, String?)] {
            let attempts = Atomic(0)
            service.perform = { _ in
                guard attempts.add(1, ordering: .relaxed).newValue > failures else {
                    return .failure(HTTPError(failures % 2 == 0 ? .connection : .timeout, "nobody"))
                }
                return .success(HTTPResponse(status: 200, body: Array("T".utf8)))
            }
            let token = try? service.token()
            #expect(token == expected)
            #expect(attempts.load(ordering: .relaxed) == 4)
        }
    }

    @Test("is not there where nobody listens, which one attempt shows")
    func nobody() async throws {
        let (descriptor, port) = try TinyServer.listen(backlog: 1)
        close(descriptor)
        #expect(try await absence("http://127.0.0.1:\(port)").hasPrefix("no answer from 127.0.0.1:\(port)"))
    }

    @Test("is waited for no longer than is said; version 1 is tried where no token comes")
    func hanging() async throws {
        let server = try TinyServer { _, connection in connection.waitForClient() }
        var variables = ["AWS_METADATA_SERVICE_TIMEOUT": "1"]
        #expect(try await absence(server.url, variables).hasPrefix("no answer from"))
        #expect(server.requests.map { $0.head.prefix(3) } == ["PUT", "GET"])
        variables["AWS_EC2_METADATA_V1_DISABLED"] = "true"
        #expect(try await absence(server.url, variables).hasSuffix("and version 1 is switched off"))
        #expect(server.requests.count == 3)
    }

    @Test(
        "is not asked if it is switched off or set up wrong",
        arguments: [
            ("AWS_EC2_METADATA_DISABLED", "true", "AWS_EC2_METADATA_DISABLED is true"),
            (
                "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "6",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6"
            ),
            (
                "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://me:password@h",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL like http://HOST"
            ),
            ("AWS_METADATA_SERVICE_TIMEOUT", "0", "AWS_METADATA_SERVICE_TIMEOUT is no whole number of at least 1"),
            (
                "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "x",
                "AWS_METADATA_SERVICE_NUM_ATTEMPTS is no whole number of at least 1"
            ),
        ]
    )
    func settings(_ variable: String, _ value: String, _ reason: String) async throws {
        let server = try FakeAWS.start()
        #expect(try await absence("\(server.url)imds-ok", [variable: value]) == reason)
        #expect(server.requests.isEmpty)
    }

    @Test("is at the link's address of IPv4, or of IPv6 if that is said")
    func addresses() throws {
        func origin(_ variables: [String: String]) throws -> String {
            try InstanceMetadata(
                environment: ProcessEnvironment(variables),
                profile: nil,
                requests: CredentialsRequests()
            ).origin
        }
        let mode = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
        #expect(try origin([:]) == "http://169.254.169.254")
        #expect(try origin([mode: "ipv4"]) == "http://169.254.169.254")
        #expect(try origin([mode: "IPv6"]) == "http://[fd00:ec2::254]")
        #expect(try origin(["AWS_IMDS_USE_IPV6": "True"]) == "http://[fd00:ec2::254]")
        #expect(try origin(["AWS_IMDS_USE_IPV6": "true", mode: "IPv4"]) == "http://169.254.169.254")
        #expect(try origin([mode: "IPv6", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://h/"]) == "http://h")
    }

    @Test("lets credentials count on that it cannot renew, and is asked again some minutes later")
    func extended() async throws {
        let time: Int64 = 1_000_000
        for key in ["AKIA1", "AKIA2", "", "x"] {
            // Far from the end nothing changes.
            #expect(InstanceMetadataCredentials.extended(time + 1_501, at: time, spread: key) == time + 1_501)
            for left in [-1_000_000, 0, 900, 1_019] as [Int64] {
                let end = InstanceMetadataCredentials.extended(time + left, at: time, spread: key)
                // A quarter of an hour before that end they are looked for again.
                #expect((120...600).contains(end - time - 900))
            }
        }
        let server = try FakeAWS.start()
        guard case .found(let credentials, _) = try await find("\(server.url)imds-old", at: 1_800_000_000) else {
            Issue.record("nothing found")
            return
        }
        #expect((1_800_001_020...1_800_001_500).contains(credentials.expiration ?? 0))
    }

    @Test("gives no role's name that would not fit into a URL")
    func roleName() async throws {
        let server = try TinyServer { request, connection in
            connection.answer("200 OK", request.head.hasPrefix("PUT") ? "token" : "a role\r\nHost: evil")
        }
        #expect(try await absence(server.url) == "what it gives as the name of the role is none")
        #expect(server.requests.count == 2)
    }
}
