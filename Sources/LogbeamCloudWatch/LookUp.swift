internal import LogbeamAWS
package import LogbeamCore

extension CloudWatchLogsService {
    /// Reads the time of the batch out of its stream by GetLogEvents, until all events are found, the end of that time is
    /// reached, or so much was read that the rest is not worth it: what is not found by then counts as not there.
    package func lookUp(_ batch: EventBatch) -> LookUpOutcome {
        if let refusal = batch.destination.refusal { return .failed(refusal) }
        var events = SentEvents(batch)
        let times = batch.events.map(\.timestamp)
        guard let first = times.min(), let last = times.max() else { return .found([]) }
        var token: String?
        var bytes = 0
        for _ in 0..<LookUpLimits.pages where !events.isComplete && bytes < LookUpLimits.bytes {
            // The end is exclusive (GetLogEvents, endTime).
            let (end, overflow) = last.addingReportingOverflow(1)
            let answer: JSONValue
            let body = RequestEncoder.body(
                reading: batch.destination,
                from: first,
                to: overflow ? last : end,
                after: token
            )
            switch caller.call("GetLogEvents", body) {
            case .success(let value): answer = value
            case .refused(let error): return Self.outcome(of: error)
            case .undelivered(let outcome): return .failed(outcome)
            }
            guard let page = answer["events"]?.array else {
                let message = "the answer to GetLogEvents has no events"
                return .failed(.transient(DeliveryFailure(code: "UnexpectedAnswer", message: message)))
            }
            for event in page {
                guard let timestamp = event["timestamp"]?.integer, let message = event["message"]?.string else {
                    continue
                }
                events.find(timestamp: timestamp, message: message)
                bytes += message.utf8.count + BatchLimits.eventOverhead
            }
            // Pages may be empty; only the end of the stream gives back the token that was sent.
            guard let next = answer["nextForwardToken"]?.string, next != token else { break }
            token = next
        }
        return .found(events.found)
    }

    private static func outcome(of error: ServiceError) -> LookUpOutcome {
        switch error.outcome {
        case .destinationMissing: .found([])
        // The batch is not at fault: it was not sent.
        case .invalid(let failure): .failed(.denied(failure))
        case .accepted:
            .failed(.transient(DeliveryFailure(code: "UnexpectedAnswer", message: "\(error.code) to GetLogEvents")))
        case let outcome: .failed(outcome)
        }
    }
}

/// A batch has 1 MiB, and a page of GetLogEvents as much. What is beyond are the events of others in the same stream and
/// the same time.
private enum LookUpLimits {
    static let pages = 100
    /// Of messages, each with the 26 bytes that the service adds.
    static let bytes = 32 << 20
}
