/// The records of one PutLogEvents call, in the order in which they are sent.
///
/// All messages lie one after the other in one buffer, so that a batch costs two allocations however many records it
/// holds, and the encoder can run straight through it.
package struct EventBatch: Sendable, Equatable {
    /// One event: its record, its time, and where its message lies in ``EventBatch/messages``.
    package struct Event: Sendable, Equatable {
        /// The id of the record in the spool.
        package var id: Int64
        /// Milliseconds since 1970-01-01T00:00:00Z.
        package var timestamp: Int64
        /// The UTF-8 bytes of the message, as a range of ``EventBatch/messages``.
        package var range: Range<Int>

        package init(id: Int64, timestamp: Int64, range: Range<Int>) {
            self.id = id
            self.timestamp = timestamp
            self.range = range
        }
    }

    package var destination: Destination
    /// In ascending order of time, as PutLogEvents demands.
    package private(set) var events: [Event] = []
    /// The UTF-8 bytes of all messages, in the order in which they were read.
    package private(set) var messages: [UInt8] = []

    package init(destination: Destination) {
        self.destination = destination
    }

    package var count: Int { events.count }

    /// Becomes an empty batch for another destination, and keeps its memory.
    package mutating func startOver(for destination: Destination) {
        self.destination = destination
        events.removeAll(keepingCapacity: true)
        messages.removeAll(keepingCapacity: true)
    }

    /// Adds an event whose message is the given UTF-8 bytes.
    package mutating func append(id: Int64, timestamp: Int64, message: some Collection<UInt8>) {
        let start = messages.count
        messages.append(contentsOf: message)
        events.append(Event(id: id, timestamp: timestamp, range: start..<messages.count))
    }

    /// The same for bytes in memory: one copy.
    package mutating func append(id: Int64, timestamp: Int64, message: UnsafeRawBufferPointer) {
        let start = messages.count
        messages.append(contentsOf: message)
        events.append(Event(id: id, timestamp: timestamp, range: start..<messages.count))
    }

    /// The batch without the events at these indices.
    package func without(_ indices: Set<Int>) -> EventBatch {
        var rest = self
        rest.events = events.enumerated().filter { !indices.contains($0.offset) }.map(\.element)
        return rest
    }

    /// Puts the events into ascending order of time; events of one millisecond stay in the order of their ids.
    package mutating func sortByTime() {
        // Records come out of the spool in the order of their ids, which is nearly always the order of their times.
        let sorted = zip(events, events.dropFirst()).allSatisfy { $0.timestamp <= $1.timestamp }
        if !sorted {
            events.sort { ($0.timestamp, $0.id) < ($1.timestamp, $1.id) }
        }
    }
}
