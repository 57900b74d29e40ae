import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("LocalEndpoint fails as it is told to")
struct FaultTests {
    let endpoint: LocalEndpoint
    let client: RawClient

    init() throws {
        endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        client = try RawClient(port: endpoint.port)
    }

    private var messages: [String] { endpoint.messages(in: Destination(logGroup: "g", logStream: "s")) }

    @Test("with a status, a type and headers; nothing is accepted, and the next request is")
    func status() throws {
        endpoint.enqueue(
            .status(400, errorType: "ThrottlingException", message: "Rate exceeded", headers: ["Retry-After": "7"])
        )
        let answer = try client.exchange(.put((0, "a")))
        #expect(answer.status == 400)
        #expect(answer.json as? [String: String] == ["__type": "ThrottlingException", "message": "Rate exceeded"])
        #expect(answer.headers["x-amzn-errortype"] == "ThrottlingException")
        #expect(answer.headers["retry-after"] == "7")
        #expect(messages.isEmpty)
        #expect(endpoint.records.refusals.isEmpty, "a fault is no refusal")
        #expect(try client.exchange(.put((0, "b"))).status == 200)
        #expect(messages == ["b"])
    }

    @Test("by a reset, before or after it has accepted", arguments: [false, true])
    func reset(accepting: Bool) throws {
        endpoint.enqueue(accepting ? .resetAfterAccepting : .resetBeforeAccepting)
        try client.send(TestRequest.put((0, "a")).bytes())
        let (rest, end) = client.receiveEnd()
        #expect(rest.isEmpty)
        #expect(end.code == ECONNRESET)
        #expect(messages == (accepting ? ["a"] : []))
    }

    @Test("by hanging until it is released, before or after it has accepted", arguments: [false, true])
    func hang(accepting: Bool) throws {
        let gate = Gate()
        endpoint.enqueue(accepting ? .hangAfterAccepting(gate) : .hangBeforeAccepting(gate))
        try client.send(TestRequest.put((0, "a")).bytes())
        #expect(gate.waitForArrivals())
        #expect(messages == (accepting ? ["a"] : []))
        gate.open()
        #expect(try client.receive().status == 200)
        #expect(messages == ["a"])
    }

    @Test("and lets go of all that hangs when it is stopped")
    func stopsWhileHanging() throws {
        var endpoint: LocalEndpoint? = try LocalEndpoint(autoCreate: true)
        let gate = Gate()
        endpoint?.setScript { $0.number == 1 ? .hangBeforeAccepting(gate) : .slowAnswer(pause: .seconds(3600)) }
        let clients = try [1, 2].map { _ in try RawClient(port: try #require(endpoint).port) }
        for client in clients { try client.send(TestRequest.put((0, "a")).bytes()) }
        #expect(endpoint?.wait { $0.requests.count == 2 } == true)
        endpoint = nil
        for client in clients { _ = client.receiveEnd() }
    }

    @Test(
        "by answering late, or byte by byte",
        arguments: [Fault.delay(.milliseconds(50)), .slowAnswer(pause: .milliseconds(1))]
    )
    func slow(_ fault: Fault) throws {
        endpoint.enqueue(fault)
        let start = ContinuousClock.now
        #expect(try client.exchange(.put((0, "a"))).status == 200)
        #expect(ContinuousClock.now - start >= .milliseconds(50))
        #expect(messages == ["a"])
    }

    @Test("by an answer that breaks off")
    func truncated() throws {
        endpoint.enqueue(.truncatedAnswer)
        try client.send(TestRequest.put((0, "a")).bytes())
        let (rest, end) = client.receiveEnd()
        let text = String(decoding: rest, as: UTF8.self)
        let length = try #require(text.firstMatch(of: /Content-Length: (\d+)/)?.1)
        let body = try #require(text.components(separatedBy: "\r\n\r\n").last)
        #expect(body.utf8.count == (try #require(Int(length))) / 2)
        #expect(end.code == nil)
        #expect(messages == ["a"])
    }

    @Test("by a wrong Content-Length", arguments: [-1, 1])
    func wrongLength(off: Int) throws {
        let right = try client.exchange(.put((0, "a"))).body.count
        endpoint.enqueue(.wrongContentLength(off: off))
        if off < 0 {
            #expect(try client.exchange(.put((0, "b"))).body.count == right - 1)
            #expect(try client.exchange(.put((0, "c"))).statusLine == "}HTTP/1.1 200 OK")
        } else {
            try client.send(TestRequest.put((0, "b")).bytes())
            let (rest, end) = client.receiveEnd()
            #expect(String(decoding: rest, as: UTF8.self).contains("Content-Length: \(right + 1)\r\n"))
            #expect(end.code == nil)
        }
    }

    @Test("by a page that is not JSON", arguments: [(200, false), (200, true), (503, false)])
    func nonJSON(status: Int, accepting: Bool) throws {
        endpoint.enqueue(.nonJSONAnswer(status: status, accepting: accepting))
        let answer = try client.exchange(.put((0, "a")))
        #expect(answer.status == status)
        #expect(answer.json.isEmpty)
        #expect(answer.text.contains("<html>"))
        #expect(messages == (accepting ? ["a"] : []))
    }

    @Test("by an answer of any other form")
    func answer() throws {
        endpoint.enqueue(.answer(407, headers: ["Proxy-Authenticate": "Basic"], body: "<Error/>"))
        let answer = try client.exchange(.put((0, "a")))
        #expect(answer.status == 407)
        #expect(answer.headers == ["proxy-authenticate": "Basic", "content-length": "8"])
        #expect(answer.text == "<Error/>")
        #expect(messages.isEmpty)
    }

    @Test("by leaving out of a batch the events that it is told")
    func refusing() throws {
        endpoint.enqueue(.refusing(RefusedEvents(tooOldEnd: 1, expiredEnd: 2, tooNewStart: 4)))
        let answer = try client.exchange(.put((0, "a"), (0, "b"), (0, "c"), (0, "d"), (0, "e")))
        let indices = ["tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2, "tooNewLogEventStartIndex": 4]
        #expect(answer.json["rejectedLogEventsInfo"] as? [String: Int] == indices)
        #expect(messages == ["c", "d"])
    }

    @Test("by a queue for each operation, and by a script for the rest")
    func script() throws {
        endpoint.enqueue(.status(500, errorType: "InternalFailure"), for: .createLogGroup)
        endpoint.setScript { info in
            info.events.contains { $0.message == "poison" } ? .status(400, errorType: "InvalidParameterException") : nil
        }
        #expect(try client.exchange(.put((0, "a"))).status == 200)
        #expect(try client.exchange(.put((0, "a"), (0, "poison"))).errorType == "InvalidParameterException")
        #expect(try client.exchange(TestRequest("CreateLogGroup", ["logGroupName": "new"])).status == 500)
        #expect(try client.exchange(TestRequest("CreateLogGroup", ["logGroupName": "new"])).status == 200)
        endpoint.setScript(nil)
        #expect(try client.exchange(.put((0, "poison"))).status == 200)
    }
}
