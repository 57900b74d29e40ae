import LogbeamTestSupport
import Testing

@Suite("CountingSink counts and keeps nothing")
struct CountingSinkTests {
    @Test("counts requests and bytes of all connections, whatever their size")
    func counts() throws {
        let sink = try CountingSink()
        let sizes = [0, 1, 300_000, 5_000_000]
        for _ in 0..<2 {
            let client = try RawClient(port: sink.port)
            for size in sizes {
                let request = TestRequest("PutLogEvents", body: [UInt8](repeating: 0x61, count: size))
                let answer = try client.exchange(request)
                #expect(answer.status == 200)
                #expect(answer.text == "{}")
            }
        }
        #expect(sink.connectionCount == 2)
        #expect(sink.counts.requests == 8)
        #expect(sink.counts.bodyBytes == 2 * sizes.reduce(0, +))
    }

    @Test("says to go on where the client waits for it, and refuses a body without length")
    func heads() throws {
        let sink = try CountingSink()
        let client = try RawClient(port: sink.port)
        let request = TestRequest.put((0, "a")).with("expect", "100-continue")
        try client.send(Array(request.bytes().dropLast(request.body.count)))
        #expect(try client.receive().status == 100)
        try client.send(request.body)
        #expect(try client.receive().status == 200)
        #expect(try client.exchange(.put((0, "a")).with("Content-Length", nil)).status == 411)
        #expect(sink.counts.requests == 1)
    }

    @Test("answers no sooner than it was told to")
    func answerDelay() throws {
        let sink = try CountingSink(answerDelay: .milliseconds(50))
        let client = try RawClient(port: sink.port)
        let start = ContinuousClock.now
        for _ in 0..<2 { #expect(try client.exchange(.put((0, "a"))).status == 200) }
        #expect(ContinuousClock.now - start >= .milliseconds(100))
        #expect(sink.counts.requests == 2)
    }
}
