import Foundation

/// A certificate authority that nobody trusts who is not told to, made by the program `openssl`.
package final class CertificateAuthority: Sendable {
    /// A certificate with its key, as files.
    package struct Certificate: Sendable {
        package var file: String
        package var key: String
    }

    private let directory: TemporaryDirectory
    private let root: Certificate
    private let issued = Monitor(0)

    /// The file that a client has to trust.
    package var file: String { root.file }

    /// Blocks for the time that `openssl` takes.
    package init() throws {
        directory = try TemporaryDirectory()
        root = Certificate(file: directory.file("authority.pem"), key: directory.file("authority-key.pem"))
        try Self.openssl(
            ["req", "-x509", "-nodes", "-days", "1", "-subj", "/CN=logbeam test authority", "-out", root.file]
                + Self.newKey(root.key)
        )
    }

    /// A certificate for names like `IP:127.0.0.1,DNS:localhost`, good for so many days. One of -1 days has ended before it
    /// began, as of now.
    package func issue(for names: String, days: Int = 1) throws -> Certificate {
        let number = issued.withLock { issued in
            issued += 1
            return issued
        }
        let certificate = Certificate(
            file: directory.file("\(number).pem"),
            key: directory.file("\(number)-key.pem")
        )
        let request = directory.file("\(number).csr")
        let extensions = directory.file("\(number).ext")
        try "subjectAltName=\(names)\n".write(toFile: extensions, atomically: true, encoding: .utf8)
        try Self.openssl(
            ["req", "-nodes", "-subj", "/CN=logbeam test", "-out", request] + Self.newKey(certificate.key)
        )
        try Self.openssl([
            "x509", "-req", "-in", request, "-CA", root.file, "-CAkey", root.key, "-set_serial", "\(number)",
            "-days", "\(days)", "-extfile", extensions, "-out", certificate.file,
        ])
        return certificate
    }

    private static func newKey(_ file: String) -> [String] {
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", file]
    }

    private static func openssl(_ arguments: [String]) throws {
        let process = try ChildProcess("/usr/bin/openssl", arguments)
        process.closeInput()
        guard try process.wait().exitCode == 0 else {
            throw ChildProcessError("openssl \(arguments[0]) failed:\n\(process.text(.standardError))")
        }
    }
}
