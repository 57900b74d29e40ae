/// The events of a batch, to be found again among those that the service shows. Pure.
///
/// An event is known by its time and the bytes of its message, in the form in which they were sent: an empty message is
/// one space, and each ill-formed part of the UTF-8 is U+FFFD. Of equal events as many are found as are shown.
package struct SentEvents: Sendable {
    private struct Key: Hashable {
        var timestamp: Int64
        var message: [UInt8]
    }

    /// The indices of the events that have not been found, the last one first.
    private var missing: [Key: [Int]] = [:]
    /// The indices of those that have.
    package private(set) var found: Set<Int> = []
    private let count: Int

    package init(_ batch: EventBatch) {
        count = batch.count
        for (index, event) in batch.events.enumerated().reversed() {
            let text = String(decoding: batch.messages[event.range], as: UTF8.self)
            let key = Key(timestamp: event.timestamp, message: text.isEmpty ? [0x20] : Array(text.utf8))
            missing[key, default: []].append(index)
        }
    }

    package var isComplete: Bool { found.count == count }

    /// Takes note of an event that the service shows.
    package mutating func find(timestamp: Int64, message: String) {
        let key = Key(timestamp: timestamp, message: Array(message.utf8))
        if let index = missing[key]?.popLast() { found.insert(index) }
    }
}
