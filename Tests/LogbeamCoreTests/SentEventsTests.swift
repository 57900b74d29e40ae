import LogbeamCore
import Testing

@Suite struct SentEventsTests {
    private func batch(_ events: [(Int64, [UInt8])]) -> EventBatch {
        var batch = EventBatch(destination: Destination(logGroup: "g", logStream: "s"))
        for (timestamp, message) in events { batch.append(id: 7, timestamp: timestamp, message: message) }
        return batch
    }

    @Test func `Equal events are found as often as they are shown, the first ones first`() {
        var events = SentEvents(batch([(1, [0x61]), (1, [0x61]), (2, [0x61]), (1, [0x61])]))
        #expect(events.found == [])
        events.find(timestamp: 1, message: "a")
        #expect(events.found == [0])
        events.find(timestamp: 1, message: "a")
        #expect(events.found == [0, 1])
        events.find(timestamp: 2, message: "a")
        #expect(!events.isComplete)
        events.find(timestamp: 1, message: "a")
        #expect(events.found == [0, 1, 2, 3])
        #expect(events.isComplete)
        events.find(timestamp: 1, message: "a")
        #expect(events.found.count == 4)
    }

    @Test func `Another time and other bytes are another event`() {
        var events = SentEvents(batch([(1, Array("\u{E9}".utf8))]))
        events.find(timestamp: 2, message: "\u{E9}")
        events.find(timestamp: 1, message: "e\u{301}")
        events.find(timestamp: 1, message: "\u{E9} ")
        #expect(events.found == [])
        events.find(timestamp: 1, message: "\u{E9}")
        #expect(events.found == [0])
    }

    @Test func `Events are found in the form in which they were sent`() {
        var events = SentEvents(batch([(1, []), (1, [0x61, 0xFF, 0x62]), (1, [0x20])]))
        events.find(timestamp: 1, message: "a\u{FFFD}b")
        events.find(timestamp: 1, message: " ")
        events.find(timestamp: 1, message: " ")
        #expect(events.isComplete)
    }
}
