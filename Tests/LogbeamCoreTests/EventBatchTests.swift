import LogbeamCore
import Testing

@Suite("EventBatch")
struct EventBatchTests {
    private func batch(_ events: [(id: Int64, timestamp: Int64)]) -> EventBatch {
        var batch = EventBatch(destination: Destination(logGroup: "g", logStream: "s"))
        for event in events {
            batch.append(id: event.id, timestamp: event.timestamp, message: "message \(event.id)".utf8)
        }
        return batch
    }

    @Test("keeps events of one millisecond in the order of their ids, and every event its message")
    func stable() {
        // Many and few times, so that a sort that is not stable is found out.
        var batch = batch((1...500).map { (id: $0, timestamp: -($0 * 7_919 % 5)) })
        batch.sortByTime()
        let isSorted = zip(batch.events, batch.events.dropFirst()).allSatisfy {
            ($0.timestamp, $0.id) < ($1.timestamp, $1.id)
        }
        #expect(isSorted)
        #expect(batch.count == 500)
        for event in batch.events {
            #expect(String(decoding: batch.messages[event.range], as: UTF8.self) == "message \(event.id)")
        }
    }

    @Test("leaves what is in order as it is")
    func sorted() {
        let original = batch([(1, 10), (2, 10), (3, 11)])
        var sorted = original
        sorted.sortByTime()
        #expect(sorted == original)
    }

    @Test("takes empty messages")
    func empty() {
        var batch = EventBatch(destination: Destination(logGroup: "g", logStream: "s"))
        batch.sortByTime()
        #expect(batch.count == 0)
        batch.append(id: 1, timestamp: 1, message: [])
        batch.append(id: 2, timestamp: 1, message: [65])
        #expect(batch.events.map(\.range) == [0..<0, 0..<1])
    }
}
