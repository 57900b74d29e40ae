import Foundation
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamAWS

#if canImport(Glibc)
import Glibc
#endif

@Suite("HTTP client")
struct HTTPClientTests {
    /// A client whose timeouts no test runs into unless it means to.
    private func client(_ change: (inout HTTPClient.Configuration) -> Void = { _ in }) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.connectTimeout = patience
        configuration.requestTimeout = patience
        change(&configuration)
        return HTTPClient(configuration)
    }

    private func kind(_ body: () throws -> HTTPResponse) -> HTTPError.Kind? {
        #expect(throws: HTTPError.self) { try body() }?.kind
    }

    @Test("sends method, header fields and body, and gives back status, header fields and body")
    func roundTrip() throws {
        let server = try TinyServer { _, connection in
            connection.answer(
                "418 I'm a teapot",
                "short\0and stout",
                headers: "X-Kind:  tea \r\nx-empty:\r\nX-Kind: second\r\n"
            )
        }
        let response = try client().perform(
            HTTPRequest(
                method: .post,
                url: server.url + "path",
                headers: [HTTPHeader("X-Test", "value"), HTTPHeader("Content-Type", "text/plain")],
                body: [0, 1, 255]
            )
        )
        #expect(response.status == 418)
        #expect(response.body == Array("short\0and stout".utf8))
        #expect(response[header: "X-KIND"] == "tea")
        #expect(response[header: "X-Empty"] == "")
        #expect(response[header: "X-Missing"] == nil)

        let request = try #require(server.requests.first)
        #expect(request.head.hasPrefix("POST /path HTTP/1.1\r\n"))
        #expect(request.head.contains("\r\nX-Test: value\r\n"))
        #expect(request.head.contains("\r\nHost: 127.0.0.1:\(server.port)\r\n"))
        #expect(request.body == [0, 1, 255])
    }

    @Test("uses one connection for request after request, and asks for no 100 before a large body")
    func reuse() throws {
        let server = try TinyServer { request, connection in connection.answer("200 OK", "\(request.body.count)") }
        let client = client()
        for size in [0, 10, 2_000_000, 1] {
            let body = [UInt8](repeating: 7, count: size)
            let response = try client.perform(HTTPRequest(method: .post, url: server.url, body: body))
            #expect(String(decoding: response.body, as: UTF8.self) == "\(size)")
        }
        #expect(try client.perform(HTTPRequest(method: .get, url: server.url)).status == 200)
        #expect(server.accepted == 1)
        #expect(server.requests.count == 5)
        #expect(server.requests.allSatisfy { !$0.head.lowercased().contains("expect:") })
        #expect(server.requests.last?.head.hasPrefix("GET / ") == true)
    }

    @Test("connects again after the server has closed the connection")
    func reconnect() throws {
        let server = try TinyServer { _, connection in
            connection.answer("200 OK", "x", headers: "Connection: close\r\n")
            connection.close()
        }
        let client = client()
        for _ in 0..<3 { #expect(try client.perform(HTTPRequest(method: .get, url: server.url)).status == 200) }
        #expect(server.accepted == 3)
    }

    @Test("reads a chunked answer, and takes no header field from its trailer")
    func chunked() throws {
        let server = try TinyServer { _, connection in
            connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: header\r\n\r\n")
            connection.write("3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-B: trailer\r\n\r\n")
        }
        let response = try client().perform(HTTPRequest(method: .get, url: server.url))
        #expect(response.body == Array("abcdefg".utf8))
        #expect(response[header: "x-a"] == "header")
        #expect(response[header: "x-b"] == nil)
    }

    @Test("forgets the header of an interim answer")
    func interim() throws {
        let server = try TinyServer { _, connection in
            connection.write("HTTP/1.1 103 Early Hints\r\nX-A: early\r\n\r\n")
            connection.answer("200 OK", "x")
        }
        let response = try client().perform(HTTPRequest(method: .get, url: server.url))
        #expect(response.status == 200)
        #expect(response[header: "x-a"] == nil)
    }

    @Test("takes an answer as large as the limit and none that is larger, whether its length is told or not")
    func tooLarge() throws {
        let server = try TinyServer { request, connection in
            let size = request.head.contains("/larger") ? 100_001 : 100_000
            let text = String(repeating: "x", count: size)
            if request.head.contains("chunked") {
                let length = String(size, radix: 16)
                connection.write(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(length)\r\n\(text)\r\n0\r\n\r\n"
                )
            } else {
                connection.answer("200 OK", text)
            }
        }
        let client = client { $0.responseLimit = 100_000 }
        for path in ["fits", "fits-chunked"] {
            #expect(try client.perform(HTTPRequest(method: .get, url: server.url + path)).body.count == 100_000)
        }
        for path in ["larger", "larger-chunked"] {
            #expect(kind { try client.perform(HTTPRequest(method: .get, url: server.url + path)) } == .tooLarge)
        }
        // The client is not spoiled by it.
        #expect(try client.perform(HTTPRequest(method: .get, url: server.url + "fits")).status == 200)
    }

    @Test("takes no header without end")
    func endlessHeader() throws {
        let server = try TinyServer { _, connection in
            connection.write("HTTP/1.1 200 OK\r\n")
            for _ in 0..<2_000 { connection.write("X-Again: \(String(repeating: "x", count: 100))\r\n") }
            connection.write("\r\n")
            connection.close()
        }
        #expect(kind { try client().perform(HTTPRequest(method: .get, url: server.url)) } == .tooLarge)
    }

    @Test(
        "calls a broken answer a connection error",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nhalf",
            "HTTP/1.1 200", "", "no HTTP at all\r\n\r\n",
        ]
    )
    func truncated(_ answer: String) throws {
        let server = try TinyServer { _, connection in
            connection.write(answer)
            connection.close()
        }
        #expect(kind { try client().perform(HTTPRequest(method: .get, url: server.url)) } == .connection)
    }

    @Test("does not follow a redirect")
    func redirect() throws {
        let server = try TinyServer { request, connection in
            connection.answer("302 Found", headers: "Location: /elsewhere\r\n")
        }
        let response = try client().perform(HTTPRequest(method: .get, url: server.url))
        #expect(response.status == 302)
        #expect(server.requests.count == 1)
    }

    @Test("names the host that refuses the connection")
    func refused() throws {
        let (descriptor, port) = try TinyServer.listen(backlog: 1)
        close(descriptor)
        let error = #expect(throws: HTTPError.self) {
            try client().perform(HTTPRequest(method: .get, url: "http://127.0.0.1:\(port)/"))
        }
        #expect(error?.kind == .connection)
        #expect(error?.message.hasPrefix("no answer from 127.0.0.1:\(port): ") == true)
        #expect(error?.requestWasSent == false)
    }

    @Test("knows that the server may have done what it was asked when the connection ends without an answer")
    func closedWithoutAnswer() throws {
        let server = try TinyServer { _, connection in connection.close() }
        let error = #expect(throws: HTTPError.self) {
            try client().perform(HTTPRequest(method: .post, url: server.url, body: [1, 2, 3]))
        }
        #expect(error?.kind == .connection)
        #expect(error?.requestWasSent == true)
    }

    @Test("gives up on a server that does not answer, or does not go on")
    func requestTimeout() throws {
        let server = try TinyServer { request, connection in
            if request.head.contains("/stall") { connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") }
            connection.waitForClient()
        }
        let client = client { $0.requestTimeout = .milliseconds(50) }
        for path in ["silence", "stall"] {
            var error: HTTPError?
            repeat {
                error = #expect(throws: HTTPError.self) {
                    try client.perform(HTTPRequest(method: .get, url: server.url + path))
                }
                #expect(error?.kind == .timeout)
                // Else the machine was so busy that nothing had gone out.
            } while error?.requestWasSent == false
        }
    }

    @Test("gives a long body the time that it takes on a slow line")
    func slowUpload() async throws {
        let gate = Gate()
        let server = try TinyServer { request, connection in
            guard request.head.contains("/long") else { return connection.waitForClient() }
            gate.pass()
            connection.answer("200 OK", "")
        }
        let (one, other) = (
            client { $0.requestTimeout = .milliseconds(50) }, client { $0.requestTimeout = .milliseconds(50) }
        )
        let url = server.url
        try await onOwnThreads {
            async let long = onOwnThread {
                // For which there are 17 minutes.
                try one.perform(
                    HTTPRequest(method: .post, url: url + "long", body: Array(repeating: 0, count: 8 << 20))
                )
            }
            try await onOwnThread {
                defer { gate.open() }
                #expect(gate.waitForArrivals())
                #expect(
                    kind { try other.perform(HTTPRequest(method: .post, url: url + "short", body: [0])) } == .timeout
                )
            }
            #expect(try await long.status == 200)
        }
    }

    @Test("keeps its connections from programs that this process starts")
    func closedOnExec() throws {
        let flags = Mutex<[Int32]>([])
        let server = try TinyServer { request, connection in
            let port = UInt16(request.head.split(separator: "\r\n")[1].split(separator: ":").last!)!
            flags.withLock { $0 = (try? Self.descriptors(to: port).map { fcntl($0, F_GETFD) }) ?? [] }
            connection.answer("200 OK", "")
        }
        _ = try client().perform(HTTPRequest(method: .get, url: server.url))
        #expect(flags.withLock { $0 } == [FD_CLOEXEC])
    }

    /// The descriptors of this process that are connected to a port of this machine.
    private static func descriptors(to port: UInt16) throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/dev/fd").compactMap { Int32($0) }.filter { descriptor in
            var address = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let code = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &size) }
            }
            return code == 0 && address.sin_family == sa_family_t(AF_INET) && address.sin_port == port.bigEndian
        }
    }

    #if os(Linux)
    @Test("gives up on a server that does not take the connection")
    func connectTimeout() throws {
        let (listener, port) = try TinyServer.listen(backlog: 0)
        defer { close(listener) }
        // Nobody accepts; once the queue is full, the kernel ignores whoever else wants to connect.
        var waiting: [Int32] = []
        defer { for descriptor in waiting { close(descriptor) } }
        for _ in 0..<4 {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            address.sin_port = port.bigEndian
            _ = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            waiting.append(descriptor)
        }
        let client = client { $0.connectTimeout = .milliseconds(50) }
        // The whole request would be given up after a minute.
        let start = ContinuousClock.now
        let error = #expect(throws: HTTPError.self) {
            try client.perform(HTTPRequest(method: .get, url: "http://127.0.0.1:\(port)/"))
        }
        #expect(error?.kind == .timeout)
        #expect(error?.requestWasSent == false)
        #expect(ContinuousClock.now - start < .seconds(30))
    }
    #endif

    @Test("ends the request in progress, and every later one, when it is cancelled from another thread")
    func cancel() async throws {
        let hasRequest = Monitor(false)
        let server = try TinyServer { _, connection in
            hasRequest.withLock { $0 = true }
            connection.waitForClient()
        }
        // A cancellation that nobody is woken for would be seen after this time.
        let client = client { $0.requestTimeout = .seconds(20) }
        let url = server.url
        try await onOwnThreads {
            async let outcome: Void = onOwnThread {
                _ = #expect(throws: HTTPError(.cancelled, "cancelled", requestWasSent: true)) {
                    try client.perform(HTTPRequest(method: .get, url: url))
                }
            }
            let start = try await onOwnThread {
                try #require(hasRequest.wait(within: patience) { $0 ? true : nil } == true)
                defer { client.cancel() }
                return ContinuousClock.now
            }
            try await outcome
            #expect(ContinuousClock.now - start < .seconds(15))
        }
        #expect(kind { try client.perform(HTTPRequest(method: .get, url: url)) } == .cancelled)
        #expect(server.requests.count == 1)
    }

    @Test("serves several threads one after the other")
    func threads() async throws {
        let server = try TinyServer { request, connection in
            connection.answer("200 OK", String(decoding: request.body, as: UTF8.self))
        }
        let client = client()
        let url = server.url
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let body = Array("\(number)".utf8)
                    return (try? client.perform(HTTPRequest(method: .post, url: url, body: body)).body) == body
                }
            }
            for await isRight in group { #expect(isRight) }
        }
        #expect(server.accepted == 1)
    }

    @Test(
        "sends no header field that would begin another one",
        arguments: [
            HTTPHeader("X", "a\r\nY: b"), HTTPHeader("X", "a\nb"), HTTPHeader("X", "a\0b"), HTTPHeader("X\r\nY", "b"),
            HTTPHeader("X:", "b"), HTTPHeader("", "b"), HTTPHeader("X Y", "b"),
        ]
    )
    func headerInjection(_ header: HTTPHeader) throws {
        let server = try TinyServer { _, connection in connection.answer("200 OK") }
        #expect(
            kind { try client().perform(HTTPRequest(method: .get, url: server.url, headers: [header])) } == .unusable
        )
        #expect(server.accepted == 0)
    }

    @Test(
        "speaks HTTP and HTTPS alone",
        arguments: ["file:///etc/hostname", "ftp://127.0.0.1/", "gopher://127.0.0.1/", ""]
    )
    func protocols(_ url: String) {
        #expect(throws: HTTPError.self) { try client().perform(HTTPRequest(method: .get, url: url)) }
    }

    #if os(Linux)
    @Test("turns a write to a closed pipe into an error, and leaves the signal as it was")
    func brokenPipe() {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        close(ends[0])
        defer { close(ends[1]) }
        let result = BrokenPipeSignal.whileBlocked { write(ends[1], "x", 1) }
        #expect(result == -1)
        var mask = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &mask)
        #expect(sigismember(&mask, SIGPIPE) == 0)
    }
    #endif
}
