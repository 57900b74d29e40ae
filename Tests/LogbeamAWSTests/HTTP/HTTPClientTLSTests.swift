import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("HTTP client over TLS")
struct HTTPClientTLSTests {
    private static let authority = Result { try CertificateAuthority() }
    private static let certificate = Result { try authority.get().issue(for: "IP:127.0.0.1") }

    private static func client(
        trusting file: String?,
        _ change: (inout HTTPClient.Configuration) -> Void = { _ in }
    ) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.connectTimeout = .seconds(600)
        configuration.requestTimeout = .seconds(600)
        configuration.certificateAuthorityFile = file
        change(&configuration)
        return HTTPClient(configuration)
    }

    private static func post(_ url: String, size: Int = 10) -> HTTPRequest {
        HTTPRequest(method: .post, url: url, body: [UInt8](repeating: 7, count: size))
    }

    // MARK: Whom it trusts

    @Test("refuses a certificate that nobody vouches for, and takes it from an authority in the given file")
    func untrusted() async throws {
        try await onOwnThread {
            let authority = try Self.authority.get()
            let server = try TLSServer(Self.certificate.get())
            let other = try CertificateAuthority()
            for file in [nil, other.file] {
                let error = #expect(throws: HTTPError.self) {
                    try Self.client(trusting: file).perform(Self.post(server.url + "/"))
                }
                #expect(error?.kind == .certificate(.untrusted))
                #expect(error?.requestWasSent == false)
                #expect(
                    error?.message.hasPrefix("the certificate of 127.0.0.1:\(server.port) is not trusted: ") == true
                )
            }
            let client = Self.client(trusting: authority.file)
            #expect(try client.perform(Self.post(server.url + "/")).status == 200)
            #expect(try server.requests(1).count == 1)
        }
    }

    @Test(
        "refuses a certificate that has expired, and one of another host, and says which it is",
        arguments: [
            ("IP:127.0.0.1", -1, .expired, "is expired: "),
            ("DNS:elsewhere.example", 1, .otherHost, "is that of another host: "),
            ("IP:127.0.0.2,DNS:127.0.0.1", 1, .otherHost, "is that of another host: "),
        ] as [(String, Int, HTTPError.CertificateFault, String)]
    )
    func unfit(names: String, days: Int, fault: HTTPError.CertificateFault, told: String) async throws {
        try await onOwnThread {
            let authority = try Self.authority.get()
            let server = try TLSServer(authority.issue(for: names, days: days))
            let error = #expect(throws: HTTPError.self) {
                try Self.client(trusting: authority.file).perform(Self.post(server.url + "/"))
            }
            #expect(error?.kind == .certificate(fault))
            #expect(error?.message.contains(told) == true)
            #expect(try server.requests(0).isEmpty)
        }
    }

    @Test("refuses TLS 1.1, and says that it wants 1.2")
    func oldProtocol() async throws {
        try await onOwnThread {
            let server = try PlainTLSServer(Self.certificate.get(), ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"])
            let client = Self.client(trusting: try Self.authority.get().file)
            let error = #expect(throws: HTTPError.self) { try client.perform(Self.post(server.url)) }
            #expect(error?.kind == .connection)
            #expect(error?.message.hasPrefix("no TLS of version 1.2 or later with 127.0.0.1:\(server.port): ") == true)
            #expect(error?.requestWasSent == false)
        }
    }

    @Test("takes TLS 1.2")
    func olderProtocol() async throws {
        try await onOwnThread {
            let server = try PlainTLSServer(Self.certificate.get(), ["-tls1_2"])
            let client = Self.client(trusting: try Self.authority.get().file)
            #expect(try client.perform(HTTPRequest(method: .get, url: server.url)).status == 200)
        }
    }

    @Test("says so if the file cannot be used", arguments: ["/nowhere/bundle.pem", "/etc/hostname"])
    func unusableFile(_ file: String) async throws {
        try await onOwnThread {
            let server = try TLSServer(Self.certificate.get())
            let error = #expect(throws: HTTPError.self) {
                try Self.client(trusting: file).perform(Self.post(server.url + "/"))
            }
            #expect(error?.kind == .certificate(.unusableFile))
            #expect(error?.message.contains(file) == true)
        }
    }

    @Test("reads the file again for a new connection: what is mended in it counts at once")
    func mendedFile() async throws {
        try await onOwnThread {
            let authority = try Self.authority.get()
            let server = try TLSServer(Self.certificate.get())
            let directory = try TemporaryDirectory()
            let file = directory.file("bundle.pem")
            let other = try CertificateAuthority()
            let manager = FileManager.default
            try manager.copyItem(atPath: other.file, toPath: file)
            let client = Self.client(trusting: file)
            let error = #expect(throws: HTTPError.self) { try client.perform(Self.post(server.url + "/")) }
            #expect(error?.kind == .certificate(.untrusted))
            try manager.removeItem(atPath: file)
            try manager.copyItem(atPath: authority.file, toPath: file)
            #expect(try client.perform(Self.post(server.url + "/")).status == 200)
        }
    }

    // MARK: How it uses its connections

    @Test("sends request after request over one connection", arguments: [["h2", "http/1.1"], ["http/1.1"]])
    func reuse(protocols: [String]) async throws {
        try await onOwnThread {
            let server = try TLSServer(Self.certificate.get(), protocols: protocols)
            let client = Self.client(trusting: try Self.authority.get().file)
            // More than the windows of HTTP/2 hold, too.
            let sizes = [1, 0, 500_000, 1_048_576] + (1...30).map { $0 * 100 }
            for size in sizes {
                let response = try client.perform(Self.post(server.url + "/", size: size))
                #expect(response.status == 200 && response.body == Array("{}".utf8))
            }
            let requests = try server.requests(sizes.count)
            #expect(requests.map(\.bytes) == sizes)
            #expect(requests.allSatisfy { $0.connection == 1 && $0.protocol == protocols[0] })
            #expect(try server.connections(1) == [.init(protocol: protocols[0], tls: "TLSv1.3", resumed: false)])
        }
    }

    /// libcurl 7.88 may hold back what it has read of HTTP/2 until it is called again; on a busy machine, once in some fifty
    /// connections.
    @Test("sees an answer when it comes, on a hundred new connections of HTTP/2")
    func noStall() async throws {
        try await onOwnThread {
            let server = try TLSServer(Self.certificate.get(), protocols: ["h2"])
            let file = try Self.authority.get().file
            for _ in 0..<100 {
                // It once waited for a minute.
                let client = Self.client(trusting: file) { $0.requestTimeout = .seconds(45) }
                #expect(try client.perform(Self.post(server.url + "/elsewhere")).status == 307)
            }
        }
    }

    @Test("takes up the TLS session again when the server has ended the connection")
    func resumption() async throws {
        try await onOwnThread {
            // Of HTTP/2 libcurl 7.88 keeps no session.
            let server = try TLSServer(Self.certificate.get(), protocols: ["http/1.1"])
            let client = Self.client(trusting: try Self.authority.get().file)
            for _ in 0..<3 { #expect(try client.perform(Self.post(server.url + "/last")).status == 200) }
            #expect(try server.connections(3).map(\.resumed) == [false, true, true])
        }
    }

    @Test("does not follow a redirect with what it sends", arguments: [["h2"], ["http/1.1"]])
    func redirect(protocols: [String]) async throws {
        try await onOwnThread {
            let server = try TLSServer(Self.certificate.get(), protocols: protocols)
            let client = Self.client(trusting: try Self.authority.get().file)
            #expect(try client.perform(Self.post(server.url + "/elsewhere")).status == 307)
            #expect(try server.requests(1).map(\.path) == ["/elsewhere"])
        }
    }
}
