import Foundation
import LogbeamTestSupport

/// An endpoint over TLS that takes everything and answers `{}`: nginx, which nobody can call slow.
///
/// It stops when its owner lets go of it.
final class TLSSink {
    let url: String
    /// What a client has to trust.
    var authorityFile: String { authority.file }
    private let authority: CertificateAuthority
    private let directory: TemporaryDirectory
    private let process: ChildProcess

    init() throws {
        authority = try CertificateAuthority()
        directory = try TemporaryDirectory()
        let certificate = try authority.issue(for: "IP:127.0.0.1")
        // One that was free a moment ago.
        let port = try CountingSink().port
        url = "https://127.0.0.1:\(port)"
        let configuration = directory.file("nginx.conf")
        // It throws the body away as it comes (ngx_http_core_module, `return`).
        try """
        daemon off;
        # One process, so that nothing of it is left when that is killed.
        master_process off;
        pid \(directory.file("nginx.pid"));
        error_log stderr;
        events {}
        http {
            access_log off;
            client_max_body_size 0;
            client_body_temp_path \(directory.file("body"));
            keepalive_requests 1000000;
            keepalive_timeout 600s;
            default_type application/x-amz-json-1.1;
            server {
                listen 127.0.0.1:\(port) ssl;
                ssl_certificate \(certificate.file);
                ssl_certificate_key \(certificate.key);
                location / { return 200 '{}'; }
            }
        }
        """.write(toFile: configuration, atomically: true, encoding: .utf8)
        process = try ChildProcess(
            "/usr/sbin/nginx",
            ["-p", directory.path, "-e", "stderr", "-c", configuration]
        )
        try waitUntilItListens(port)
    }

    private func waitUntilItListens(_ port: UInt16) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !Self.listens(port) {
            guard ContinuousClock.now < deadline else {
                throw BenchError("nginx does not listen: \(process.text(.standardError))")
            }
            usleep(10_000)
        }
    }

    private static func listens(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
