internal import Logbeam
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Answers `GET /metrics` on 127.0.0.1, on a thread of its own: one client at a time, none for longer than a few seconds,
/// each with one answer by HTTP/1.0. Lives as long as the process.
struct MetricsServer {
    /// The one that was given, or that the system has chosen.
    let port: UInt16

    /// How long a client may take to ask, and to read, in milliseconds each.
    private static let patience: Int64 = 2_000
    /// The longest request, in bytes.
    private static let requestLimit = 8_192

    /// - Parameter page: called for each request, on the thread of the server.
    init(port: UInt16, page: @escaping @Sendable () -> String) throws(Failure) {
        let listener = try Self.listen(port)
        self.port = Self.port(of: listener)
        do {
            try BackgroundThread.start(name: "logbeam-metrics") {
                while true {
                    let client = accept(listener, nil, nil)
                    guard client >= 0 else {
                        // No descriptor left, say: there is no hurry.
                        MonotonicClock.sleep(nanoseconds: 10_000_000)
                        continue
                    }
                    Self.serve(client, page)
                    close(client)
                }
            }
        } catch {
            throw Failure(.failedIO, error.description)
        }
    }

    private static func listen(_ port: UInt16) throws(Failure) -> Int32 {
        #if os(Linux)
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #else
        let listener = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard listener >= 0, isBound, startListening(listener, 16) == 0 else {
            let reason = String(cString: strerror(errno))
            throw Failure(
                .failedIO,
                "can not answer on port \(port) of 127.0.0.1: \(reason); choose another --metrics-port"
            )
        }
        return listener
    }

    private static func port(of listener: Int32) -> UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    // MARK: One client

    private static func serve(_ client: Int32, _ page: () -> String) {
        let flags = fcntl(client, F_GETFL)
        _ = fcntl(client, F_SETFL, flags | O_NONBLOCK)
        guard let request = readHead(client) else { return }
        writeAll(Array(answer(to: request, page).utf8), to: client)
    }

    /// The request up to the empty line; `nil` if there is none in time, or it is too long.
    private static func readHead(_ client: Int32) -> [UInt8]? {
        let deadline = MonotonicClock.milliseconds() + patience
        var head: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1_024)
        while head.count <= requestLimit, wait(for: POLLIN, client, until: deadline) {
            let count = recv(client, &part, part.count, 0)
            guard count > 0 else { return nil }
            head += part[..<count]
            if hasEnd(head) { return head }
        }
        return nil
    }

    private static func hasEnd(_ head: [UInt8]) -> Bool {
        let lines = head.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return lines.dropLast().contains { $0.isEmpty || $0.elementsEqual([UInt8(ascii: "\r")]) }
    }

    /// What a client gets that has sent this.
    static func answer(to request: [UInt8], _ page: () -> String) -> String {
        let line = String(
            decoding: request.prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") },
            as: UTF8.self
        )
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return answer("400 Bad Request", "not HTTP/1\n") }
        guard words[0] == "GET" else { return answer("405 Method Not Allowed", "only GET\n", header: "Allow: GET\r\n") }
        guard words[1] == "/metrics" || words[1].hasPrefix("/metrics?") else {
            return answer("404 Not Found", "see /metrics\n")
        }
        return answer("200 OK", page(), type: "text/plain; version=0.0.4; charset=utf-8")
    }

    private static func answer(
        _ status: String,
        _ body: String,
        type: String = "text/plain; charset=utf-8",
        header: String = ""
    ) -> String {
        "HTTP/1.0 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n\(header)Connection: close\r\n"
            + "\r\n\(body)"
    }

    private static func writeAll(_ bytes: [UInt8], to client: Int32) {
        let deadline = MonotonicClock.milliseconds() + patience
        var rest = bytes[...]
        while !rest.isEmpty, wait(for: POLLOUT, client, until: deadline) {
            let count = rest.withUnsafeBytes { send(client, $0.baseAddress, $0.count, 0) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
        // So that what was sent is not lost with what the client may still be sending (close(2) would reset).
        shutdown(client, Int32(SHUT_WR))
    }

    private static func wait(for event: Int32, _ client: Int32, until deadline: Int64) -> Bool {
        while true {
            let left = Int32(clamping: deadline - MonotonicClock.milliseconds())
            guard left > 0 else { return false }
            var target = pollfd(fd: client, events: Int16(event), revents: 0)
            if poll(&target, 1, left) > 0 { return true }
        }
    }
}

/// `listen(2)`, by a name that the method does not hide.
private func startListening(_ listener: Int32, _ backlog: Int32) -> Int32 { listen(listener, backlog) }
