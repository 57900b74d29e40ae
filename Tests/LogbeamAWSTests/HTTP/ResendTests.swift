import LogbeamAWS
import Testing

/// libcurl sends a request again by itself where a connection that was kept open ends without an answer, as if the server
/// had closed it before the request came. It can not know: the server may have taken the request.
@Suite("A request that may have been taken is not sent again behind the caller's back")
struct ResendTests {
    @Test("The connection ends without an answer: once and for all an error", arguments: [1, 200, 2_000_000])
    func keptOpen(size: Int) throws {
        let server = try TinyServer { request, connection in
            if request.body.first == 7 { connection.close() } else { connection.answer("200 OK") }
        }
        let client = HTTPClient(HTTPClient.Configuration())
        func post(_ byte: UInt8) throws -> HTTPResponse {
            let body = [UInt8](repeating: byte, count: size)
            return try client.perform(HTTPRequest(method: .post, url: server.url, body: body))
        }
        _ = try post(1)
        let error = #expect(throws: HTTPError.self) { try post(7) }
        #expect(error?.kind == .connection)
        #expect(server.requests.map(\.body.first) == [1, 7])
        #expect(try post(1).status == 200)
        #expect(server.requests.map(\.body) == [1, 7, 1].map { [UInt8](repeating: $0, count: size) })
    }
}
