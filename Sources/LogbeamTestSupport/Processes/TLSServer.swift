import Foundation

/// A server of HTTP/2 and HTTP/1.1 over TLS that others wrote (Python's `ssl` and `h2`), which verifies signatures with
/// botocore, answers `{}`, and counts connections. It stops when its owner lets go of it, and when the tests die.
package final class TLSServer: Sendable {
    package struct Connection: Sendable, Equatable {
        /// What TLS agreed on (ALPN): `h2`, `http/1.1`; `nil` if the client named none.
        package var `protocol`: String?
        /// `TLSv1.3`
        package var tls: String
        /// Whether it took up the TLS session of an earlier one.
        package var resumed: Bool

        package init(protocol: String?, tls: String, resumed: Bool) {
            self.protocol = `protocol`
            self.tls = tls
            self.resumed = resumed
        }
    }

    package struct Request: Sendable, Equatable {
        package var path: String
        /// Counts the connections from 1.
        package var connection: Int
        package var `protocol`: String
        package var host: String
        package var bytes: Int
        /// Whether botocore computes the same signature; `nil` if there is none.
        package var signature: Bool?
    }

    package let port: UInt16
    private let process: ChildProcess

    package var url: String { "https://127.0.0.1:\(port)" }

    /// Starts the server and blocks until it listens.
    ///
    /// - Parameter protocols: what it speaks, what it likes best first.
    package init(
        _ certificate: CertificateAuthority.Certificate,
        protocols: [String] = ["h2", "http/1.1"],
        accessKey: AccessKey = .any
    ) throws {
        process = try Python.start(
            Python.script("tls_server.py"),
            [certificate.file, certificate.key] + protocols,
            environment: accessKey.environment
        )
        let line = try process.waitForOutput { $0.contains("\n") }
        guard let port = UInt16(line.prefix { $0 != "\n" }) else {
            throw ChildProcessError("tls_server.py wrote: \(line)")
        }
        self.port = port
    }

    private struct Line: Decodable {
        var request, host, tls, error: String?
        var `protocol`: String?
        var connection: Int
        var bytes: Int?
        var resumed, signature: Bool?
    }

    private func lines(until isEnough: ([Line]) -> Bool) throws -> [Line] {
        var lines: [Line] = []
        try process.waitForOutput { text in
            // The last line may not be whole yet; the first is the port.
            let texts = text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst().dropLast()
            lines = texts.compactMap { try? JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
            return isEnough(lines)
        }
        return lines
    }

    /// The connections whose TLS stood, in their order. Blocks until there were so many; there may be more.
    package func connections(_ count: Int) throws -> [Connection] {
        func connections(_ lines: [Line]) -> [Connection] {
            lines.compactMap { line in
                line.tls.map { Connection(protocol: line.protocol, tls: $0, resumed: line.resumed ?? false) }
            }
        }
        return try connections(lines { connections($0).count >= count })
    }

    /// The requests in their order. Blocks until there were so many; there may be more.
    package func requests(_ count: Int) throws -> [Request] {
        func requests(_ lines: [Line]) -> [Request] {
            lines.compactMap { line in
                line.request.map {
                    Request(
                        path: $0,
                        connection: line.connection,
                        protocol: line.protocol ?? "",
                        host: line.host ?? "",
                        bytes: line.bytes ?? 0,
                        signature: line.signature
                    )
                }
            }
        }
        return try requests(lines { requests($0).count >= count })
    }
}
