import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// A TCP server on loopback that answers each request with what a closure does to the connection.
///
/// A connection is served by a thread of its own until the client or the closure closes it.
final class TinyServer: Sendable {
    /// One request as it came in.
    struct Request: Sendable {
        var head: String
        var body: [UInt8]
    }

    /// One accepted connection.
    struct Connection: Sendable {
        fileprivate let descriptor: Int32

        func write(_ text: String) {
            let bytes = Array(text.utf8)
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes {
                    send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if count <= 0 { return }
                sent += count
            }
        }

        /// An answer with a length.
        func answer(_ status: String, _ body: String = "", headers: String = "") {
            write("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)")
        }

        /// No more is read or written; the serving thread then ends.
        func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }

        /// Waits for the client to close the connection, or to send more.
        func waitForClient() {
            var byte: UInt8 = 0
            _ = recv(descriptor, &byte, 1, 0)
        }

        fileprivate func readRequest() -> Request? {
            var received: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let separator = Array("\r\n\r\n".utf8)
            while true {
                if let end = received.firstRange(of: separator) {
                    let head = String(decoding: received[..<end.lowerBound], as: UTF8.self)
                    let length = head.lowercased().split(separator: "\r\n")
                        .first { $0.hasPrefix("content-length:") }
                        .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) }
                    if received.count - end.upperBound >= length ?? 0 {
                        return Request(head: head, body: Array(received[end.upperBound...]))
                    }
                }
                let count = recv(descriptor, &chunk, chunk.count, 0)
                if count <= 0 { return nil }
                received += chunk[..<count]
            }
        }
    }

    let port: UInt16
    private let listener: Int32
    private let connectionCount = Atomic(0)
    private let received = Mutex<[Request]>([])

    /// How many connections were accepted.
    var accepted: Int { connectionCount.load(ordering: .sequentiallyConsistent) }
    var requests: [Request] { received.withLock { $0 } }
    var url: String { "http://127.0.0.1:\(port)/" }

    init(answering answer: @escaping @Sendable (Request, Connection) -> Void) throws {
        (listener, port) = try Self.listen(backlog: 16)
        let listener = listener
        Thread.detachNewThread { [weak self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                if descriptor < 0 { break }
                self?.connectionCount.add(1, ordering: .sequentiallyConsistent)
                Thread.detachNewThread { [weak self] in
                    let connection = Connection(descriptor: descriptor)
                    while let request = connection.readRequest() {
                        self?.received.withLock { $0.append(request) }
                        answer(request, connection)
                    }
                    Foundation.close(descriptor)
                }
            }
            // Closed here and not elsewhere: another server could get the same number while this thread still uses it.
            Foundation.close(listener)
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
    }

    /// A socket that listens on a free port of the loopback address.
    static func listen(backlog: Int32) throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && Foundation.listen(descriptor, backlog) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard descriptor >= 0, isListening else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
}
