import CZlib
import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("LocalEndpoint speaks strict HTTP/1.1")
struct HTTPFramingTests {
    let endpoint: LocalEndpoint
    let client: RawClient

    init() throws {
        endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        client = try RawClient(port: endpoint.port)
    }

    private var messages: [String] { endpoint.messages(in: Destination(logGroup: "g", logStream: "s")) }

    @Test("serves many requests on one connection, and counts both")
    func keepsAlive() throws {
        for _ in 0..<3 { #expect(try client.exchange(.put((0, "a"))).status == 200) }
        let other = try RawClient(port: endpoint.port)
        #expect(try other.exchange(.put((0, "b"))).status == 200)
        #expect(endpoint.connectionCount == 2)
        #expect(endpoint.records.requests.map(\.number) == [1, 2, 3, 4])
        #expect(endpoint.records.requests.map(\.connection) == [1, 1, 1, 2])
    }

    @Test("serves many connections at once")
    func servesInParallel() throws {
        let gate = Gate()
        endpoint.setScript { _ in .hangBeforeAccepting(gate) }
        let clients = try (0..<20).map { _ in try RawClient(port: endpoint.port) }
        for (index, client) in clients.enumerated() { try client.send(TestRequest.put((0, "\(index)")).bytes()) }
        #expect(gate.waitForArrivals(20))
        #expect(messages.isEmpty)
        gate.open()
        for client in clients { #expect(try client.receive().status == 200) }
        #expect(Set(messages) == Set((0..<20).map { "\($0)" }))
    }

    @Test("takes a body in chunks")
    func takesChunks() throws {
        var request = TestRequest.put((0, "chunked")).with("Content-Length", nil).with("Transfer-Encoding", "chunked")
        let parts = [request.body.prefix(1), request.body.dropFirst().prefix(20), request.body.dropFirst(21)]
        var body: [UInt8] = []
        for part in parts { body += Array("\(String(part.count, radix: 16));x=y\r\n".utf8) + part + Array("\r\n".utf8) }
        request.signing.content = request.body
        request.body = body + Array("0\r\nTrailer: x\r\n\r\n".utf8)
        #expect(try client.exchange(request).status == 200)
        #expect(messages == ["chunked"])
    }

    @Test("takes a request that comes byte by byte")
    func takesBytes() throws {
        for byte in TestRequest.put((0, "slow")).bytes() { try client.send([byte]) }
        #expect(try client.receive().status == 200)
        #expect(messages == ["slow"])
    }

    @Test("takes a gzipped body, and nothing that only looks like one")
    func takesGzip() throws {
        var request = TestRequest.put((0, String(repeating: "compressed", count: 1000)))
        let compressed = try gzip(request.body)
        #expect(compressed.count < request.body.count)
        func send(_ body: [UInt8]) throws -> RawClient.Response {
            request.body = body
            return try client.exchange(request.with("Content-Length", "\(body.count)").with("Content-Encoding", "gzip"))
        }
        #expect(try send(compressed).status == 200)
        #expect(try send(compressed.dropLast()).errorType == "SerializationException")
        #expect(try send(compressed + [0]).errorType == "SerializationException")
        var damaged = compressed
        damaged[compressed.count / 2] ^= 1
        #expect(try send(damaged).errorType == "SerializationException")
        #expect(messages.count == 1)
        #expect(endpoint.records.requests[0].bodySize == compressed.count)
    }

    @Test("says to go on where the client waits for it")
    func continues() throws {
        let request = TestRequest.put((0, "a")).with("Expect", "100-continue")
        try client.send(Array(request.bytes().dropLast(request.body.count)))
        #expect(try client.receive().status == 100)
        try client.send(request.body)
        #expect(try client.receive().status == 200)
    }

    @Test("closes the connection where the client says so")
    func closes() throws {
        #expect(try client.exchange(.put((0, "a")).with("Connection", "close")).status == 200)
        #expect(client.receiveEnd().end.code == nil)
    }

    struct Violation: CustomTestStringConvertible {
        var testDescription: String
        var request: String
        var status: Int

        init(_ description: String, _ request: String, _ status: Int = 400) {
            (testDescription, self.request, self.status) = (description, request, status)
        }

        /// A request that is right up to its headers' end.
        init(_ description: String, headers: String, body: String = "", _ status: Int = 400) {
            self.init(description, "POST / HTTP/1.1\r\nHost: a\r\n\(headers)\r\n\r\n\(body)", status)
        }
    }

    @Test(
        "answers what is no HTTP/1.1 with an error, and ends the connection",
        arguments: [
            Violation("another version", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505),
            Violation("no version", "POST /\r\n\r\n"),
            Violation("two blanks", "POST  / HTTP/1.1\r\n\r\n"),
            Violation("a method that is no token", "P(ST / HTTP/1.1\r\nHost: a\r\n\r\n"),
            Violation("a target that is no path", "POST x HTTP/1.1\r\nHost: a\r\n\r\n"),
            Violation("lines without CR", "POST / HTTP/1.1\nHost: a\n\n"),
            Violation("no host", "POST / HTTP/1.1\r\n\r\n"),
            Violation("two hosts", headers: "Host: b"),
            Violation("a blank before the colon", headers: "X : y"),
            Violation("a folded header", headers: "X: y\r\n z"),
            Violation("a control character", headers: "X: \u{1}"),
            Violation("a head too long", headers: "X: \(String(repeating: "y", count: 20_000))", 431),
            Violation("a negative length", headers: "Content-Length: -1"),
            Violation("a length with a sign", headers: "Content-Length: +1"),
            Violation("two lengths", headers: "Content-Length: 1\r\nContent-Length: 1", body: "x"),
            Violation("a length and chunks", headers: "Content-Length: 1\r\nTransfer-Encoding: chunked", body: "x"),
            Violation("a body too long", headers: "Content-Length: 99999999", 413),
            Violation("an unknown coding", headers: "Transfer-Encoding: gzip"),
            Violation("a chunk without size", headers: "Transfer-Encoding: chunked", body: "x\r\n"),
            Violation("a chunk without end", headers: "Transfer-Encoding: chunked", body: "1\r\nabc"),
            Violation("chunks too long", headers: "Transfer-Encoding: chunked", body: "ffffff1\r\n", 413),
            Violation("an unknown expectation", headers: "Expect: a miracle", 417),
        ]
    )
    func refuses(_ violation: Violation) throws {
        try client.send(violation.request)
        #expect(try client.receive().status == violation.status)
        #expect(endpoint.records.refusals.map(\.status) == [violation.status])
        #expect(endpoint.records.requests.isEmpty)
        #expect(client.receiveEnd().end.code == nil)
    }

    private func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
        var stream = z_stream()
        let size = Int32(MemoryLayout<z_stream>.size)
        try #require(deflateInit2_(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK)
        defer { deflateEnd(&stream) }
        var input = bytes
        var output = [UInt8](repeating: 0, count: bytes.count + 1000)
        let room = output.count
        let status = input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                return deflate(&stream, Z_FINISH)
            }
        }
        try #require(status == Z_STREAM_END)
        return Array(output.prefix(room - Int(stream.avail_out)))
    }
}
