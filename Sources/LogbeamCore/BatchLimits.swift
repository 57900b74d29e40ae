/// When a batch is complete, when it is due, and which records it may hold.
///
/// The constants are the service's: see PutLogEvents in the Amazon CloudWatch Logs API Reference. The stored properties
/// are the user's and lie at or below them.
package struct BatchLimits: Sendable, Equatable {
    /// The most events in one batch, as long as it is not late: then it may hold ``maximumCount``.
    package var count: Int
    /// The most bytes in one batch: the UTF-8 bytes of all messages and ``eventOverhead`` for each.
    package var bytes: Int
    /// The most bytes of one message.
    package var messageBytes: Int
    /// How old the oldest record may grow before the batch is sent though it is not full, in milliseconds.
    package var age: Int64
    /// Whether records of any time may share a batch, also such as the service refuses: for what is not the service.
    package var takesAnyTime = false

    package init(
        count: Int = BatchLimits.maximumCount,
        bytes: Int = BatchLimits.maximumBytes,
        messageBytes: Int = BatchLimits.maximumMessageBytes,
        age: Int64 = 10_000
    ) {
        self.count = count
        self.bytes = bytes
        self.messageBytes = messageBytes
        self.age = age
    }

    /// The service takes at most 10,000 events in a batch.
    package static let maximumCount = 10_000
    /// The service takes at most 1,048,576 bytes in a batch.
    package static let maximumBytes = 1_048_576
    /// The service counts 26 bytes for each event besides its message.
    package static let eventOverhead = 26
    /// The largest message that fits into a batch of its own.
    package static let maximumMessageBytes = maximumBytes - eventOverhead
    /// A batch spans at most 24 hours; in milliseconds.
    package static let maximumSpan: Int64 = 24 * 3_600_000
    /// The service refuses events older than 14 days; in milliseconds.
    package static let maximumAge: Int64 = 14 * 24 * 3_600_000
    /// When an event of this time becomes too old for the service; both in milliseconds since 1970-01-01T00:00:00Z.
    package static func expiry(of time: Int64) -> Int64 { time.addingSaturated(maximumAge) }
    /// The service refuses events more than two hours in the future; in milliseconds.
    package static let maximumAhead: Int64 = 2 * 3_600_000
}
