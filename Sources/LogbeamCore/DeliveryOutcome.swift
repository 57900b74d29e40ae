/// What an answer of CloudWatch Logs, or its absence, means for the batch that was sent.
package enum DeliveryOutcome: Sendable, Equatable {
    /// The service has the batch, but for the events that it names.
    case accepted(RefusedEvents)
    /// Nothing is wrong with the batch: send it again later, for ever. Throttling, 5xx, timeouts, connection errors.
    case transient(DeliveryFailure)
    /// The log group or the log stream does not exist: create it, then send again.
    case destinationMissing(DeliveryFailure)
    /// The service refuses us, not the batch: keep it and try again slowly. Permissions, credentials, configuration.
    case denied(DeliveryFailure)
    /// The service refuses the content of the batch: find the guilty events and send the rest.
    case invalid(DeliveryFailure)

    /// Why the batch was not taken; `nil` if it was.
    package var failure: DeliveryFailure? {
        switch self {
        case .accepted: nil
        case .transient(let failure), .destinationMissing(let failure), .denied(let failure), .invalid(let failure):
            failure
        }
    }
}

/// Why a batch was not taken.
package struct DeliveryFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// AWS's name of the error (`ThrottlingException`), or ours for what never reached AWS (`ConnectionError`).
    package var code: String
    /// What happened and, where there is one, the remedy. Holds no secret.
    package var message: String
    /// How long the service asked us to wait (`Retry-After`).
    package var retryAfter: Duration?
    /// False only if it is known that the service has nothing of the batch: the request was never sent, or was turned down.
    package var mayHaveArrived: Bool

    package init(code: String, message: String, retryAfter: Duration? = nil, mayHaveArrived: Bool = true) {
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
        self.mayHaveArrived = mayHaveArrived
    }

    /// The code of a request that ``DeliveryService/cancel()`` broke off.
    package static let cancelled = "Cancelled"

    package var description: String { message.isEmpty ? code : "\(code): \(message)" }
}

/// The events of an accepted batch that the service did not take (`rejectedLogEventsInfo`).
///
/// Indices count the events of the request from zero. Both end indices are exclusive and the start index is inclusive:
/// see RejectedLogEventsInfo in the Amazon CloudWatch Logs API Reference.
package struct RefusedEvents: Sendable, Equatable {
    /// Events before this index are older than 14 days, or than the retention of the group.
    package var tooOldEnd: Int?
    /// Events before this index have expired by the retention of the group.
    package var expiredEnd: Int?
    /// Events from this index on are more than two hours in the future.
    package var tooNewStart: Int?

    package init(tooOldEnd: Int? = nil, expiredEnd: Int? = nil, tooNewStart: Int? = nil) {
        self.tooOldEnd = tooOldEnd
        self.expiredEnd = expiredEnd
        self.tooNewStart = tooNewStart
    }

    package static let none = RefusedEvents()

    /// Why the event at an index was refused; `nil` if it was taken.
    package func reason(at index: Int) -> RejectionReason? {
        if let expiredEnd, index < expiredEnd { return .expired }
        if let tooOldEnd, index < tooOldEnd { return .tooOld }
        if let tooNewStart, index >= tooNewStart { return .tooNew }
        return nil
    }
}

/// Why a record stands in `rejected` and not at CloudWatch.
package enum RejectionReason: String, Sendable, CaseIterable {
    /// Older than 14 days.
    case tooOld = "too old"
    /// Older than the retention of its log group.
    case expired = "expired"
    /// More than two hours in the future.
    case tooNew = "too new"
    /// Longer than the service takes.
    case tooLarge = "too large"
    /// The service called the record invalid when it stood alone.
    case invalid = "invalid"
}

/// A record that the service does not take, and why.
package struct RefusedRecord: Sendable, Equatable {
    package var id: Int64
    package var reason: RejectionReason

    package init(id: Int64, reason: RejectionReason) {
        self.id = id
        self.reason = reason
    }
}
