import Foundation

/// An HTTP proxy on loopback that keeps what it saw. HTTPS goes through it by CONNECT, HTTP by requests with whole URLs.
///
/// It stops when its owner lets go of it.
package final class ForwardProxy: Sendable {
    package struct Records: Sendable {
        /// The heads of the requests to the proxy itself, each with its lines as they came.
        package internal(set) var heads: [String] = []
        /// All that clients have sent, whether to the proxy or through it.
        package internal(set) var bytes: [UInt8] = []
    }

    private let records: Monitor<Records>
    private let server: LoopbackServer

    /// - Parameters:
    ///   - credentials: `USER:PASSWORD` that it asks for.
    ///   - status: what it answers instead of going on.
    ///   - ports: where it finds what is named like `logs.eu-central-1.amazonaws.com:443`; others are on loopback.
    package init(credentials: String? = nil, status: Int? = nil, ports: [String: UInt16] = [:]) throws {
        let records = Monitor(Records())
        self.records = records
        server = try LoopbackServer { descriptor, _ in
            let client = Peer(descriptor: descriptor, records: records)
            ProxyConnection(client: client, credentials: credentials, status: status, ports: ports).run()
        }
    }

    package var port: UInt16 { server.port }
    /// How many connections were accepted so far.
    package var connectionCount: Int { server.acceptedConnections }
    package var heads: [String] { records.withLock { $0.heads } }

    /// Whether any client has sent these bytes, to the proxy or through it.
    package func saw(_ text: String) -> Bool {
        records.withLock { $0.bytes.firstRange(of: Array(text.utf8)) != nil }
    }
}

/// One end of a connection.
private struct Peer {
    let descriptor: Int32
    let records: Monitor<ForwardProxy.Records>

    func receive() -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = retryingInterrupts { recv(descriptor, &chunk, chunk.count, 0) }
        return Array(chunk.prefix(max(0, count)))
    }

    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { bytes in
                retryingInterrupts { Foundation.send(descriptor, bytes.baseAddress, bytes.count, withoutSignal) }
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// Serves one connection of a client, on its thread.
private struct ProxyConnection {
    let client: Peer
    let credentials: String?
    let status: Int?
    let ports: [String: UInt16]

    func run() {
        var held: [UInt8] = []
        var upstream: Upstream?
        defer { upstream?.end() }
        while let head = readHead(&held) {
            let fields = head.split(separator: "\r\n")
            if let refusal = refusal(fields) {
                client.send(Array("HTTP/1.1 \(refusal)\r\nContent-Length: 0\r\n\r\n".utf8))
                continue
            }
            let words = fields[0].split(separator: " ")
            if words[0] == "CONNECT" {
                guard let server = Upstream(port: port(of: words[1]), answers: client) else { return }
                upstream = server
                client.send(Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8))
                relay(&held, to: server, count: nil)
                return
            }
            // `POST http://HOST:PORT/PATH HTTP/1.1`
            let rest = words[1].dropFirst("http://".count)
            let authority = rest.prefix { $0 != "/" }
            if upstream == nil { upstream = Upstream(port: port(of: authority), answers: client) }
            guard let upstream else { return }
            let line = "\(words[0]) \(rest.dropFirst(authority.count)) HTTP/1.1"
            let own = fields.dropFirst().filter { !$0.lowercased().hasPrefix("proxy-") }
            upstream.peer.send(Array(([line] + own.map(String.init) + ["", ""]).joined(separator: "\r\n").utf8))
            let length = fields.first { $0.lowercased().hasPrefix("content-length:") }
                .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) }
            relay(&held, to: upstream, count: length ?? 0)
        }
    }

    private func receive() -> [UInt8] {
        let bytes = client.receive()
        client.records.withLock { $0.bytes += bytes }
        return bytes
    }

    private func readHead(_ held: inout [UInt8]) -> String? {
        while true {
            if let end = held.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: held[..<end.lowerBound], as: UTF8.self)
                held.removeSubrange(..<end.upperBound)
                client.records.withLock { $0.heads.append(head) }
                return head
            }
            let bytes = receive()
            if bytes.isEmpty { return nil }
            held += bytes
        }
    }

    private func refusal(_ fields: [Substring]) -> String? {
        if let status { return "\(status) No" }
        guard let credentials else { return nil }
        let expected = "Proxy-Authorization: Basic \(Data(credentials.utf8).base64EncodedString())"
        return fields.contains(Substring(expected))
            ? nil : "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"test\""
    }

    private func port(of authority: Substring) -> UInt16 {
        ports[String(authority)] ?? authority.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
    }

    /// Passes on so many bytes, or all until the client ends.
    private func relay(_ held: inout [UInt8], to server: Upstream, count: Int?) {
        var left = count ?? .max
        while left > 0 {
            if held.isEmpty { held = receive() }
            if held.isEmpty { return }
            let part = Array(held.prefix(left))
            server.peer.send(part)
            held.removeFirst(part.count)
            left -= part.count
        }
    }
}

/// A connection to a server, whose answers a thread of its own passes on to the client.
private final class Upstream: Sendable {
    let peer: Peer
    private let hasEnded = Monitor(false)

    init?(port: UInt16, answers client: Peer) {
        let descriptor = socket(AF_INET, streamSocket, 0)
        guard descriptor >= 0 else { return nil }
        keepFromChildren(descriptor)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        peer = Peer(descriptor: descriptor, records: client.records)
        guard connected == 0 else {
            close(descriptor)
            client.send(Array("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".utf8))
            return nil
        }
        Thread.detachNewThread { [peer, hasEnded] in
            while true {
                let bytes = peer.receive()
                if bytes.isEmpty { break }
                client.send(bytes)
            }
            // The client learns that the server has ended.
            shutdown(client.descriptor, Int32(SHUT_RDWR))
            hasEnded.withLock { $0 = true }
        }
    }

    /// Ends the connection and waits for its thread, which still uses the client's descriptor.
    func end() {
        shutdown(peer.descriptor, Int32(SHUT_RDWR))
        let ended: Bool? = hasEnded.wait(within: .seconds(60)) { $0 ? true : nil }
        precondition(ended == true, "the connection to the server does not end")
        close(peer.descriptor)
    }
}
