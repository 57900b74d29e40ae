import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("HTTP client by a proxy")
struct HTTPClientProxyTests {
    private static let host = "logs.eu-central-1.amazonaws.com"
    private static let authority = Result { try CertificateAuthority() }
    private static let certificate = Result { try authority.get().issue(for: "DNS:\(host)") }

    private static func client(_ environment: [String: String]) throws -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.connectTimeout = .seconds(600)
        configuration.requestTimeout = .seconds(600)
        configuration.certificateAuthorityFile = try authority.get().file
        configuration.proxies = ProxyRules(environment: ProcessEnvironment(environment))
        return HTTPClient(configuration)
    }

    private static func post(_ url: String) -> HTTPRequest {
        HTTPRequest(
            method: .post,
            url: url,
            headers: [HTTPHeader("Authorization", "AWS4-HMAC-SHA256 Signature=hidden")],
            body: Array("the hidden body".utf8)
        )
    }

    @Test("shows the proxy the name of an HTTPS host, and neither the signature nor the body")
    func https() async throws {
        try await onOwnThread {
            let server = try TLSServer(Self.certificate.get())
            let proxy = try ForwardProxy(
                credentials: "us@er:pa:ss wörd",
                ports: ["\(Self.host):443": server.port]
            )
            let client = try Self.client(["HTTPS_PROXY": "http://us%40er:pa:ss%20w%C3%B6rd@127.0.0.1:\(proxy.port)"])
            for _ in 0..<3 { #expect(try client.perform(Self.post("https://\(Self.host)/")).status == 200) }
            #expect(try server.requests(3).map(\.host) == [Self.host, Self.host, Self.host])
            #expect(try server.connections(1).count == 1)
            #expect(proxy.connectionCount == 1)
            let head = try #require(proxy.heads.first)
            #expect(proxy.heads.count == 1)
            let fields = head.split(separator: "\r\n").map { $0.prefix { $0 != ":" } }
            #expect(head.hasPrefix("CONNECT \(Self.host):443 HTTP/1.1\r\nHost: \(Self.host):443\r\n"))
            #expect(fields[1...].sorted() == ["Host", "Proxy-Authorization", "Proxy-Connection"])
            #expect(!proxy.saw("hidden"))
        }
    }

    @Test("sends an HTTP request as a whole to its proxy, over one connection")
    func http() async throws {
        try await onOwnThread {
            let server = try TinyServer { _, connection in connection.answer("200 OK", "x") }
            let proxy = try ForwardProxy()
            let client = try Self.client([
                "http_proxy": "127.0.0.1:\(proxy.port)", "https_proxy": "http://127.0.0.1:1",
            ])
            for _ in 0..<3 { #expect(try client.perform(Self.post(server.url)).body == Array("x".utf8)) }
            #expect(proxy.connectionCount == 1)
            #expect(proxy.heads.count == 3)
            #expect(proxy.heads.allSatisfy { $0.hasPrefix("POST \(server.url) HTTP/1.1\r\n") })
            #expect(server.requests.map(\.body) == Array(repeating: Array("the hidden body".utf8), count: 3))
        }
    }

    @Test("goes without where NO_PROXY says so")
    func exceptions() async throws {
        try await onOwnThread {
            let server = try TinyServer { _, connection in connection.answer("200 OK", "x") }
            let variables = ["http_proxy": "http://127.0.0.1:1", "NO_PROXY": "example.com, 127.0.0.1"]
            #expect(try Self.client(variables).perform(Self.post(server.url)).status == 200)
            #expect(throws: HTTPError.self) {
                try Self.client(["http_proxy": "http://127.0.0.1:1"]).perform(Self.post(server.url))
            }
        }
    }

    @Test(
        "says which proxy did not let it through, and what to do",
        arguments: [
            (nil, "u:p", .proxy, "answered 407", "it wants a user name and a password"),
            ("no:thing", "u:p", .proxy, "answered 407", "another user name or password"),
            (nil, 403, .proxy, "answered 403", "allow that host there"),
            (nil, 503, .connection, "answered 503", ""),
        ] as [(String?, any Sendable, HTTPError.Kind, String, String)]
    )
    func refused(
        credentials: String?,
        demand: any Sendable,
        kind: HTTPError.Kind,
        status: String,
        remedy: String
    ) async throws {
        try await onOwnThread {
            let proxy = try ForwardProxy(credentials: demand as? String, status: demand as? Int)
            let user = credentials.map { "\($0)@" } ?? ""
            let client = try Self.client(["HTTPS_PROXY": "http://\(user)127.0.0.1:\(proxy.port)"])
            let error = #expect(throws: HTTPError.self) { try client.perform(Self.post("https://\(Self.host)/")) }
            #expect(error?.kind == kind)
            #expect(error?.requestWasSent == false)
            let message = error?.message ?? ""
            #expect(
                message.hasPrefix(
                    "the proxy http://127.0.0.1:\(proxy.port) (HTTPS_PROXY) \(status) when asked for \(Self.host)"
                )
            )
            #expect(remedy.isEmpty || message.contains(remedy))
            #expect(!message.contains("thing"))
        }
    }

    @Test("names the proxy that nobody listens at, and the server behind one whose certificate is not to be trusted")
    func unreachable() async throws {
        try await onOwnThread {
            let nobody = try Self.client(["HTTPS_PROXY": "http://user:hidden@127.0.0.1:1"])
            let error = #expect(throws: HTTPError.self) { try nobody.perform(Self.post("https://\(Self.host)/")) }
            #expect(error?.kind == .connection)
            #expect(error?.message.hasPrefix("the proxy http://127.0.0.1:1 (HTTPS_PROXY) cannot be reached: ") == true)
            #expect(error?.message.contains("hidden") == false)

            let server = try TLSServer(Self.authority.get().issue(for: "DNS:proxy.example"))
            let proxy = try ForwardProxy(ports: ["\(Self.host):443": server.port])
            let client = try Self.client(["HTTPS_PROXY": "http://127.0.0.1:\(proxy.port)"])
            let untrusted = #expect(throws: HTTPError.self) { try client.perform(Self.post("https://\(Self.host)/")) }
            #expect(untrusted?.kind == .certificate(.otherHost))
            #expect(untrusted?.requestWasSent == false)
        }
    }
}
