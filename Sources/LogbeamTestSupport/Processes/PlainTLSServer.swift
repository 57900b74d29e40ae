/// `openssl s_server`, which speaks whatever version of TLS it is told to, and answers each GET with a page.
package final class PlainTLSServer: Sendable {
    package let port: UInt16
    private let process: ChildProcess

    package var url: String { "https://127.0.0.1:\(port)/" }

    package init(_ certificate: CertificateAuthority.Certificate, _ options: [String]) throws {
        process = try ChildProcess(
            "/usr/bin/openssl",
            ["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", certificate.file, "-key", certificate.key] + options
        )
        // It tells its port once it listens: "ACCEPT 127.0.0.1:43210 PID=…".
        let output = try process.waitForOutput { text in
            text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().contains { $0.hasPrefix("ACCEPT") }
        }
        let line = output.split(separator: "\n").last { $0.hasPrefix("ACCEPT") } ?? ""
        guard let port = UInt16(line.split(separator: ":").last?.prefix(while: \.isNumber) ?? "") else {
            throw ChildProcessError("openssl s_server wrote: \(output)")
        }
        self.port = port
    }
}
