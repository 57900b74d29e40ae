import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("HTTP client over TLS")
struct HTTPClientTLSTests {
    private func client(trusting file: String? = nil) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.certificateAuthorityFile = file
        return HTTPClient(configuration)
    }

    @Test("refuses a certificate that nobody vouches for, and takes it from the given bundle")
    func selfSigned() throws {
        let server = try TLSServer(subject: "IP:127.0.0.1")
        let request = HTTPRequest(method: .get, url: "https://127.0.0.1:\(server.port)/")
        let error = #expect(throws: HTTPError.self) { try client().perform(request) }
        #expect(error?.kind == .certificate)
        #expect(try client(trusting: server.certificate).perform(request).status == 200)
    }

    @Test("refuses a trusted certificate of another host")
    func otherHost() throws {
        let server = try TLSServer(subject: "DNS:elsewhere.example")
        let request = HTTPRequest(method: .get, url: "https://127.0.0.1:\(server.port)/")
        let error = #expect(throws: HTTPError.self) { try client(trusting: server.certificate).perform(request) }
        #expect(error?.kind == .certificate)
    }

    @Test("refuses TLS 1.1")
    func oldProtocol() throws {
        let server = try TLSServer(subject: "IP:127.0.0.1", options: ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"])
        let request = HTTPRequest(method: .get, url: "https://127.0.0.1:\(server.port)/")
        let error = #expect(throws: HTTPError.self) { try client(trusting: server.certificate).perform(request) }
        #expect(error?.kind == .connection)
    }

    @Test("says so if the bundle cannot be used", arguments: ["/nowhere/bundle.pem", "/etc/hostname"])
    func unusableBundle(_ file: String) throws {
        let server = try TLSServer(subject: "IP:127.0.0.1")
        let request = HTTPRequest(method: .get, url: "https://127.0.0.1:\(server.port)/")
        let error = #expect(throws: HTTPError.self) { try client(trusting: file).perform(request) }
        #expect(error?.kind == .certificate)
        #expect(error?.message.contains(file) == true)
    }
}

/// `openssl s_server` with a certificate that it signed itself, which answers each GET with a page about the connection.
private final class TLSServer {
    let port: Int
    /// The certificate's file.
    let certificate: String
    private let folder: TemporaryFolder
    private let process: ChildProcess

    /// The subject is a subject alternative name.
    init(subject: String, options: [String] = []) throws {
        folder = try TemporaryFolder()
        certificate = folder.path("certificate.pem")
        let key = folder.path("key.pem")
        let request = try Self.start([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
            "-subj", "/CN=logbeam test", "-addext", "subjectAltName=\(subject)", "-keyout", key, "-out", certificate,
        ])
        try #require(request.wait().exitCode == 0, "\(request.text(.standardError))")
        process = try Self.start(
            ["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", certificate, "-key", key] + options
        )
        // It tells its port once it listens: "ACCEPT 127.0.0.1:43210 PID=…".
        let output = try process.waitForOutput { $0.contains("ACCEPT") && $0.hasSuffix("\n") }
        let line = output.split(separator: "\n").last { $0.hasPrefix("ACCEPT") } ?? ""
        let digits = line.split(separator: ":").last?.prefix(while: \.isNumber) ?? ""
        port = try #require(Int(digits), "openssl s_server said: \(output)")
    }

    private static func start(_ arguments: [String]) throws -> ChildProcess {
        let process = try ChildProcess("/usr/bin/env", ["openssl"] + arguments)
        process.closeInput()
        return process
    }
}
