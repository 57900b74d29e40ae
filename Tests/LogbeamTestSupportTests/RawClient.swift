import Foundation
import LogbeamTestSupport

/// A connection to loopback that sends exactly the bytes it is given, right or wrong.
final class RawClient {
    struct Response {
        var statusLine: String
        var headers: [String: String]
        var body: [UInt8]

        var status: Int { Int(statusLine.split(separator: " ").dropFirst().first ?? "") ?? 0 }
        var text: String { String(decoding: body, as: UTF8.self) }
        /// The members of the body, if it is JSON.
        var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] ?? [:] }
        var errorType: String? { json["__type"] as? String }
    }

    /// The connection ended before the answer was whole: in order (`nil`) or with an error.
    struct Ended: Error {
        var code: Int32?
    }

    private let descriptor: Int32
    private var received: [UInt8] = []

    init(port: UInt16) throws {
        #if os(Linux)
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
        descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { throw SystemError("socket") }
        // Nothing takes so long; without a limit a broken server would hang the tests.
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw SystemError("connect") }
    }

    deinit {
        close(descriptor)
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let part = bytes.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard part > 0 else { throw SystemError("send") }
            sent += part
        }
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Sends what the request renders to, and reads the answer.
    func exchange(_ request: TestRequest) throws -> Response {
        try send(request.bytes())
        return try receive()
    }

    /// Reads one answer, as long as its Content-Length says.
    func receive() throws -> Response {
        let head = try receiveHead()
        let length = Int(head.headers["content-length"] ?? "0") ?? 0
        while received.count < length { try receiveMore() }
        defer { received.removeFirst(length) }
        return Response(statusLine: head.line, headers: head.headers, body: Array(received.prefix(length)))
    }

    /// Reads until the connection ends, and says what was left unread and how it ended.
    func receiveEnd() -> (rest: [UInt8], end: Ended) {
        while true {
            do {
                try receiveMore()
            } catch let end as Ended {
                return (received, end)
            } catch {
                return (received, Ended(code: -1))
            }
        }
    }

    private func receiveHead() throws -> (line: String, headers: [String: String]) {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let range = received.firstRange(of: end) {
                let lines = String(decoding: received[..<range.lowerBound], as: UTF8.self).split(separator: "\r\n")
                received.removeFirst(range.upperBound)
                var headers: [String: String] = [:]
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
                }
                return (String(lines[0]), headers)
            }
            try receiveMore()
        }
    }

    private func receiveMore() throws {
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { throw Ended(code: count == 0 ? nil : errno) }
        received += chunk[..<count]
    }
}
