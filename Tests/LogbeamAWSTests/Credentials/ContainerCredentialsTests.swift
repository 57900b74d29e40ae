import Foundation
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamAWS

@Suite("Container credentials")
struct ContainerCredentialsTests {
    private func find(
        _ variables: [String: String],
        requests: CredentialsRequests = CredentialsRequests(pause: .zero)
    ) async throws -> CredentialsLookup {
        var context = LookupContext(environment: ProcessEnvironment(variables), requests: requests)
        context.containerTimeout = patience
        return try await onOwnThread { [context] in try ContainerCredentials(context: context).find(at: 0) }
    }

    private func failure(
        _ variables: [String: String],
        requests: CredentialsRequests = CredentialsRequests(pause: .zero)
    ) async -> CredentialsError? {
        do {
            let lookup = try await find(variables, requests: requests)
            Issue.record("found \(lookup)")
            return nil
        } catch {
            return error as? CredentialsError
        }
    }

    @Test(
        "are asked for without TLS only on this machine and at the agents' addresses",
        arguments: [
            ("http://127.0.0.1/", "127.0.0.1", true), ("http://127.1.2.3:80/x", "127.1.2.3", true),
            ("HTTP://LOCALHOST:1/x", "localhost", true), ("http://[::1]:1/x", "[::1]", true),
            ("http://169.254.170.2/v2", "169.254.170.2", true), ("http://169.254.170.23/v1", "169.254.170.23", true),
            ("http://[fd00:ec2::23]/v1", "[fd00:ec2::23]", true),
            ("http://169.254.169.254/", "169.254.169.254", false), ("http://128.0.0.1/", "128.0.0.1", false),
            ("http://127.0.0.1.example/", "127.0.0.1.example", false), ("http://127.0.0.256/", "127.0.0.256", false),
            ("http://127.1/", "127.1", false), ("http://localhost.example/", "localhost.example", false),
            ("http://[::2]/", "[::2]", false), ("http://example?x=http://localhost/", "example", false),
            ("http://example#localhost", "example", false), ("http://127.0.0.1@example/", nil, false),
            ("http://127.0.0.1\\@example/", nil, false), ("http://127.0.0.1/\r\nx", nil, false),
            ("http://", nil, false), ("file:///etc/passwd", nil, false),
            ("http:/localhost/", nil, false), ("//localhost/", nil, false), ("http://[::1/", nil, false),
        ] as [(String, String?, Bool)]
    )
    func hosts(_ url: String, _ host: String?, _ isPlain: Bool) async {
        #expect(ContainerCredentials.host(url) == host)
        if !isPlain {
            let error = await failure(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url])
            guard case .unusable(_, let reason) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(reason.contains(host == nil ? "is no URL" : "may only be asked by https"))
        }
    }

    @Test("are asked for three times, and then the error says whether it may pass")
    func attempts() async throws {
        let answers = [
            ("500 Oh", "{}", true, "the answer has status 500"), ("403 No", "{}", false, "the answer has status 403"),
            ("404 No", "", false, "the answer has status 404"), ("429 Slow", "", true, "the answer has status 429"),
            ("200 OK", "{\"Acc", true, "the answer is no JSON object"),
            ("200 OK", "[]", true, "the answer is no JSON object"),
            ("200 OK", String(repeating: " ", count: 70_000), true, "larger than 65536 bytes"),
        ]
        for (status, body, isPassing, reason) in answers {
            let server = try TinyServer { _, connection in connection.answer(status, body) }
            let error = await failure(["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url])
            #expect(error?.isPassing == isPassing, "\(status)")
            #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
            #expect(server.requests.count == 3)
        }
    }

    @Test("come at the second attempt if the first one fails")
    func secondAttempt() async throws {
        let count = Atomic(0)
        let server = try TinyServer { _, connection in
            let number = count.add(1, ordering: .sequentiallyConsistent).newValue
            if number == 1 { connection.close() } else { connection.answer("200 OK", FakeAWS.credentials("AKID")) }
        }
        let lookup = try await find(["AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(server.url)path?query"])
        guard case .found(let credentials, let place) = lookup else {
            Issue.record("\(lookup)")
            return
        }
        #expect(credentials.accessKeyID == "AKID")
        #expect(credentials.expiration == 3_981_355_200)
        #expect(place == server.url.dropLast())
        #expect(server.requests.map { $0.head.prefix(20) } == ["GET /path?query HTTP", "GET /path?query HTTP"])
    }

    @Test("are unusable in part, of another type, or with a time that is none")
    func members() async throws {
        let whole = FakeAWS.credentials("AKID")
        let answers = [
            (whole.replacing("SecretAccessKey", with: "Other"), "no SecretAccessKey"),
            (whole.replacing("\"AKID\"", with: "1"), "no AccessKeyId"),
            (whole.replacing("\"AKID\"", with: "\"\""), "no AccessKeyId"),
            (whole.replacing("\"session\"", with: "null"), "no Token"),
            (whole.replacing("Expiration", with: "Other"), "no Expiration"),
            (whole.replacing(FakeAWS.expiration, with: "soon"), "Expiration in its answer is no time"),
        ]
        for (body, reason) in answers {
            let server = try TinyServer { _, connection in connection.answer("200 OK", body) }
            let error = await failure(["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url])
            #expect(error?.isPassing == false)
            #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
            #expect(error?.description.contains("secret") == false)
        }
    }

    @Test("read the token's file again at every lookup")
    func tokenFile() async throws {
        let server = try FakeAWS.start()
        let directory = try TemporaryDirectory()
        let variables = [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(server.url)container/ok",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": try directory.write("one", to: "token"),
        ]
        for token in ["one", "two"] {
            try directory.write(token, to: "token")
            let lookup = try await find(variables)
            guard case .found(let credentials, _) = lookup else {
                Issue.record("\(lookup)")
                return
            }
            #expect(credentials.accessKeyID == "CONTAINER|/container/ok|\(token)|application/json")
        }
        for token in ["a\r\nX: y", "a\n", "a\rb"] {
            try directory.write(token, to: "token")
            #expect(await failure(variables)?.description.contains("line break") == true)
        }
        #expect(server.requests.count == 2)
    }

    @Test("take the token from a pipe when it comes, and wait for none when the lookup is broken off")
    func tokenPipe() async throws {
        let server = try FakeAWS.start()
        let directory = try TemporaryDirectory()
        let path = directory.file("token")
        try #require(mkfifo(path, 0o600) == 0)
        let variables = [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(server.url)container/ok",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path,
        ]
        async let lookup = find(variables)
        // Opened only when the other end is.
        try await onOwnThread { try "late".write(to: URL(filePath: path), atomically: false, encoding: .utf8) }
        guard case .found(let credentials, _) = try await lookup else {
            Issue.record("nothing found")
            return
        }
        #expect(credentials.accessKeyID == "CONTAINER|/container/ok|late|application/json")
        let requests = CredentialsRequests(pause: .zero)
        requests.cancel()
        let error = await failure(variables, requests: requests)
        #expect(error?.description.contains(path) == true)
    }

    @Test("are never asked for by a proxy", arguments: ["http_proxy", "HTTP_PROXY", "all_proxy"])
    func proxy(_ variable: String) async throws {
        let server = try FakeAWS.start()
        // Nobody listens there.
        let variables = [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(server.url)container/ok", variable: "http://127.0.0.1:9",
        ]
        guard case .found = try await find(variables) else {
            Issue.record("nothing found")
            return
        }
    }

    @Test("are given up at once when the lookup is broken off")
    func cancellation() async throws {
        let arrived = Gate()
        let server = try TinyServer { _, connection in
            arrived.pass()
            connection.waitForClient()
        }
        arrived.open()
        let requests = CredentialsRequests(pause: .seconds(3_600))
        let url = server.url
        async let lookup = find(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url], requests: requests)
        _ = try await onOwnThread { arrived.waitForArrivals() }
        requests.cancel()
        do {
            Issue.record("found \(try await lookup)")
        } catch {
            #expect("\(error)".contains("cancelled"))
        }
        #expect(server.requests.count == 1)
    }
}
