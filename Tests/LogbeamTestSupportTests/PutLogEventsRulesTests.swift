import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("LocalEndpoint holds PutLogEvents to AWS's rules")
struct PutLogEventsRulesTests {
    static let hour: Int64 = 3_600_000
    static let day: Int64 = 24 * hour
    static let destination = Destination(logGroup: "g", logStream: "s")

    let endpoint: LocalEndpoint
    let client: RawClient

    init() throws {
        endpoint = try LocalEndpoint(clock: { TestRequest.now })
        endpoint.create(Self.destination)
        client = try RawClient(port: endpoint.port)
    }

    struct Batch: CustomTestStringConvertible {
        var testDescription: String
        var events: [(offset: Int64, message: String)]

        init(_ description: String, _ events: [(offset: Int64, message: String)]) {
            testDescription = description
            self.events = events
        }
    }

    private static func text(_ count: Int) -> String { String(repeating: "x", count: count) }
    private static func many(_ count: Int, _ message: String = "m") -> [(offset: Int64, message: String)] {
        Array(repeating: (0, message), count: count)
    }

    @Test(
        "takes a batch at the limit",
        arguments: [
            Batch("one event", [(0, "a")]),
            Batch("10,000 events", many(10_000)),
            Batch("the largest event", [(0, text(1_048_576 - 26))]),
            Batch(
                "the largest event, of two-byte characters",
                [(0, String(repeating: "é", count: (1_048_576 - 26) / 2))]
            ),
            Batch("1,048,576 bytes in 8 events", many(8, text(131_072 - 26))),
            Batch("exactly 24 hours", [(-day, "a"), (0, "b")]),
            Batch("equal times", [(0, "a"), (0, "b")]),
            Batch("control characters", [(0, "a\0b\u{1}\u{7f}\n\t\r\"\\")]),
            Batch("14 days ago", [(-14 * day, "a")]),
            Batch("in 2 hours", [(2 * hour, "a")]),
        ]
    )
    func takes(_ batch: Batch) throws {
        let answer = try client.exchange(.put(batch.events))
        #expect(answer.status == 200)
        #expect(answer.json["rejectedLogEventsInfo"] == nil)
        #expect(
            endpoint.records.events(in: Self.destination).map { Array($0.message.utf8) }
                == batch.events.map { Array($0.message.utf8) }
        )
        #expect(
            endpoint.records.events(in: Self.destination).map(\.timestamp)
                == batch.events.map { TestRequest.now + $0.offset }
        )
        #expect(endpoint.records.refusals.isEmpty)
    }

    @Test(
        "refuses a batch beyond it as a whole",
        arguments: [
            Batch("no event", []),
            Batch("10,001 events", many(10_001)),
            Batch("an event too large by a byte", [(0, text(1_048_576 - 26 + 1))]),
            Batch("an event too large in UTF-8 alone", [(0, String(repeating: "é", count: (1_048_576 - 26) / 2 + 1))]),
            Batch("1,048,577 bytes in 8 events", many(7, text(131_072 - 26)) + [(0, text(131_072 - 26 + 1))]),
            Batch("an empty message", [(0, "a"), (0, "")]),
            Batch("24 hours and a millisecond", [(-day - 1, "a"), (0, "b")]),
            Batch("times that go back", [(1, "a"), (0, "b")]),
            Batch("a time before 1970", [(-TestRequest.now - 1, "a")]),
        ]
    )
    func refuses(_ batch: Batch) throws {
        let answer = try client.exchange(.put(batch.events))
        #expect(answer.status == 400)
        #expect(answer.errorType == "InvalidParameterException")
        #expect(answer.headers["x-amzn-errortype"] == "InvalidParameterException")
        #expect(endpoint.records.acceptedCount == 0)
        #expect(endpoint.records.refusals.map(\.request) == [1])
    }

    struct Partial: CustomTestStringConvertible {
        var testDescription: String
        var offsets: [Int64]
        var retentionDays: Int?
        var expected: [String: Int]
        var accepted: [Int64]
    }

    @Test(
        "leaves out what is too old, expired or too new, and says so by AWS's indices",
        arguments: [
            Partial(
                testDescription: "too old",
                offsets: [-14 * day - 1, -14 * day - 1, -hour],
                expected: ["tooOldLogEventEndIndex": 2],
                accepted: [-hour]
            ),
            Partial(
                testDescription: "too new",
                offsets: [0, 2 * hour + 1, 3 * hour],
                expected: ["tooNewLogEventStartIndex": 1],
                accepted: [0]
            ),
            Partial(
                testDescription: "expired",
                offsets: [-3 * day - 1, -3 * day],
                retentionDays: 3,
                expected: ["expiredLogEventEndIndex": 1],
                accepted: [-3 * day]
            ),
            Partial(
                testDescription: "a retention of more than 14 days",
                offsets: [-15 * day, 0],
                retentionDays: 30,
                expected: ["tooOldLogEventEndIndex": 1],
                accepted: [0]
            ),
            Partial(
                testDescription: "all three; the span counts only what is valid",
                offsets: [-15 * day, -2 * day, -hour, 0, 3 * hour],
                retentionDays: 1,
                expected: ["tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2, "tooNewLogEventStartIndex": 4],
                accepted: [-hour, 0]
            ),
            Partial(
                testDescription: "nothing is left",
                offsets: [-15 * day],
                expected: ["tooOldLogEventEndIndex": 1],
                accepted: []
            ),
        ]
    )
    func leavesOut(_ partial: Partial) throws {
        endpoint.setRetention(days: partial.retentionDays, ofGroup: "g")
        let answer = try client.exchange(.put(partial.offsets.map { ($0, "m") }))
        #expect(answer.status == 200)
        #expect(answer.json["rejectedLogEventsInfo"] as? [String: Int] == partial.expected)
        let accepted = endpoint.records.events(in: Self.destination).map { $0.timestamp - TestRequest.now }
        #expect(accepted == partial.accepted)
    }

    @Test(
        "refuses a body that is no request, whatever is wrong with it",
        arguments: [
            #"{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1767225600000,"message":"a"}]"#,
            #"{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":"1767225600000","message":"a"}]}"#,
            #"{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1767225600000.5,"message":"a"}]}"#,
            #"{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1767225600000,"message":"\ud800"}]}"#,
            #"{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1767225600000,"message":"a\#u{1}"}]}"#,
            "[]", "",
        ]
    )
    func refusesBody(_ body: String) throws {
        let answer = try client.exchange(TestRequest("PutLogEvents", body: Array(body.utf8)))
        #expect(answer.status == 400)
        #expect(answer.errorType == "SerializationException")
    }

    @Test(
        "refuses a body that is not UTF-8",
        arguments: [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]] as [[UInt8]]
    )
    func refusesInvalidUTF8(_ bytes: [UInt8]) throws {
        var body = TestRequest.put((0, "a?")).body
        let mark = try #require(body.firstIndex(of: UInt8(ascii: "?")))
        body.replaceSubrange(mark...mark, with: bytes)
        #expect(try client.exchange(TestRequest("PutLogEvents", body: body)).errorType == "SerializationException")
    }

    @Test("refuses JSON in UTF-16")
    func refusesUTF16() throws {
        let body = TestRequest.put((0, "a")).body.flatMap { byte -> [UInt8] in [byte, 0] }
        #expect(try client.exchange(TestRequest("PutLogEvents", body: body)).errorType == "SerializationException")
    }

    @Test(
        "demands every member of an event",
        arguments: [
            #"{"logGroupName":"g","logStreamName":"s"}"#,
            #"{"logGroupName":"g","logEvents":[{"timestamp":1767225600000,"message":"a"}]}"#,
            #"{"logStreamName":"s","logEvents":[{"timestamp":1767225600000,"message":"a"}]}"#,
            #"{"logGroupName":"g","logStreamName":"s","logEvents":[{"message":"a"}]}"#,
            #"{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1767225600000,"message":null}]}"#,
        ]
    )
    func demandsMembers(_ body: String) throws {
        let answer = try client.exchange(TestRequest("PutLogEvents", body: Array(body.utf8)))
        #expect(answer.errorType == "InvalidParameterException")
    }

    @Test(
        "refuses names that AWS does not allow",
        arguments: [
            ("", "s"), ("g g", "s"), ("gé", "s"), (String(repeating: "g", count: 513), "s"), ("aws/g", "s"),
            ("g", ""), ("g", "a:b"), ("g", "a*b"), ("g", String(repeating: "s", count: 513)),
        ]
    )
    func refusesNames(group: String, stream: String) throws {
        let answer = try client.exchange(.put((0, "a"), group: group, stream: stream))
        #expect(answer.errorType == "InvalidParameterException")
    }

    @Test("knows only what was created", arguments: [("g", "other"), ("other", "s"), ("G", "s")])
    func knowsOnlyWhatWasCreated(group: String, stream: String) throws {
        let answer = try client.exchange(.put((0, "a"), group: group, stream: stream))
        #expect(answer.errorType == "ResourceNotFoundException")
        #expect(endpoint.records.acceptedCount == 0)
    }

    @Test("remembers which request brought an event")
    func remembersRequest() throws {
        for message in ["a", "b", "a"] { #expect(try client.exchange(.put((0, message))).status == 200) }
        let events = endpoint.records.events(in: Self.destination)
        #expect(events.map(\.message) == ["a", "b", "a"])
        #expect(events.map(\.request) == [1, 2, 3])
        #expect(endpoint.records.requests.map { $0.events.map(\.message) } == [["a"], ["b"], ["a"]])
        #expect(endpoint.records.requests.map(\.destination) == Array(repeating: Self.destination, count: 3))
    }
}
