import LogbeamCore

/// What PutLogEvents demands of a batch, and which of its events it refuses (API Reference, PutLogEvents).
enum PutLogEventsRules {
    static let maximumBatchSize = 1_048_576
    static let maximumCount = 10_000
    /// Counted for every event on top of its message.
    static let overhead = 26

    static let hour: Int64 = 3_600_000
    static let day: Int64 = 24 * hour

    /// Throws what AWS answers to a batch that it refuses as a whole.
    static func check(_ events: [RequestedEvent], refused: RefusedEvents) throws(LogsError) {
        guard !events.isEmpty else { throw .constraint("logEvents", "have length greater than or equal to 1") }
        guard events.count <= maximumCount else {
            throw .constraint("logEvents", "have length less than or equal to \(maximumCount)")
        }
        var size = 0
        for (index, event) in events.enumerated() {
            let member = "logEvents.\(index + 1).member"
            guard event.timestamp >= 0 else {
                throw .constraint("\(member).timestamp", "have value greater than or equal to 0")
            }
            let length = event.message.utf8.count
            guard length > 0 else { throw .constraint("\(member).message", "have length greater than or equal to 1") }
            guard length + overhead <= maximumBatchSize else {
                throw .invalidParameter(
                    "Log event too large: \(length + overhead) bytes exceeds limit of \(maximumBatchSize)"
                )
            }
            size += length + overhead
        }
        guard size <= maximumBatchSize else {
            throw .invalidParameter("Upload too large: \(size) bytes exceeds limit of \(maximumBatchSize)")
        }
        guard zip(events, events.dropFirst()).allSatisfy({ $0.timestamp <= $1.timestamp }) else {
            throw .invalidParameter("Log events in a single PutLogEvents request must be in chronological order.")
        }
        // The span counts the events that are neither too old nor too new.
        let valid = events.indices.filter { refused.reason(at: $0) == nil }
        if let first = valid.first, let last = valid.last, events[last].timestamp - events[first].timestamp > day {
            throw .invalidParameter(
                "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
            )
        }
    }

    /// Which events the service leaves out of a batch in chronological order.
    static func refused(_ events: [RequestedEvent], now: Int64, retentionDays: Int?) -> RefusedEvents {
        func count(before limit: Int64) -> Int? {
            let count = events.prefix { $0.timestamp < limit }.count
            return count > 0 ? count : nil
        }
        return RefusedEvents(
            tooOldEnd: count(before: now - 14 * day),
            expiredEnd: retentionDays.flatMap { count(before: now - Int64($0) * day) },
            tooNewStart: events.firstIndex { $0.timestamp > now + 2 * hour }
        )
    }
}
