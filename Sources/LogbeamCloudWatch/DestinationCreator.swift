package import LogbeamCore
internal import Synchronization

/// What is created where a destination is missing, and how.
package struct CreationSettings: Sendable, Equatable {
    package var createsLogGroup = true
    package var createsLogStream = true
    /// How long events are kept, in days, one of the numbers that PutRetentionPolicy takes; `nil` for ever.
    package var retentionDays: Int?
    /// As CreateLogGroup calls it; `nil` for the service's default.
    package var logGroupClass: String?
    package var tags: [String: String] = [:]
    package var kmsKeyID: String?

    package init() {}
}

/// The calls that create a destination.
package protocol CreationCalls {
    func createLogStream(_ destination: Destination) -> CreationAnswer
    func createLogGroup(_ name: String, _ settings: CreationSettings) -> CreationAnswer
    /// `.accepted` if the group has the retention now.
    func putRetentionPolicy(_ logGroup: String, days: Int) -> DeliveryOutcome
}

package enum CreationAnswer: Sendable, Equatable {
    case created
    /// Somebody else has made it.
    case existed
    /// Never `.accepted`.
    case failed(DeliveryOutcome)
}

/// Creates streams, and their groups where they are missing: so the permission to create groups is needed only by those
/// who have none yet. Thread-safe.
///
/// A group that this creates gets its retention right after. Where that fails, events are delivered all the same: it is
/// tried again after the next batches that the group takes, so that an outage uses up no attempt, five times in all, and
/// given up at once where the service refuses it; then a line is written. What is still to be done is known to this object
/// alone: it dies with the process.
/// A group that somebody else has made keeps the retention that it has.
package final class DestinationCreator: Sendable {
    private static let retentionAttempts = 5

    private let settings: CreationSettings
    private let report: @Sendable (String) -> Void
    /// The groups that this made, or may have made, and that have no retention yet, and how often it was tried.
    private let owed = Mutex<[String: Int]>([:])

    /// - Parameter report: takes one line for a person when the retention of a group is given up.
    package init(_ settings: CreationSettings, report: @escaping @Sendable (String) -> Void) {
        self.settings = settings
        self.report = report
    }

    package func create(_ destination: Destination, by calls: some CreationCalls) -> DeliveryOutcome {
        guard settings.createsLogStream else {
            let name = "\(destination.logStream) in log group \(destination.logGroup)"
            return Self.missing("there is no log stream \(name); create it, or set createsLogStream to true")
        }
        guard let failure = stream(destination, by: calls).failure else { return .accepted(.none) }
        guard case .destinationMissing = failure else { return failure }
        guard settings.createsLogGroup else {
            return Self.missing(
                "there is no log group \(destination.logGroup); create it, or set createsLogGroup to true"
            )
        }
        switch calls.createLogGroup(destination.logGroup, settings) {
        case .created:
            owe(retentionOf: destination.logGroup)
            setOwedRetention(ofLogGroup: destination.logGroup, by: calls)
        case .existed: break
        case .failed(let outcome):
            // The group may be there by now, and nobody else will set its retention.
            if outcome.failure?.mayHaveArrived == true { owe(retentionOf: destination.logGroup) }
            return Self.withoutBatch(outcome)
        }
        let secondTry = stream(destination, by: calls).failure
        // The new group isn't known everywhere yet.
        if case .destinationMissing(let failure) = secondTry { return .transient(failure) }
        return secondTry ?? .accepted(.none)
    }

    /// Sets the retention of a group that this has created, if that is still to be done. For every batch that arrived.
    package func setOwedRetention(ofLogGroup name: String, by calls: some CreationCalls) {
        guard let days = settings.retentionDays, let attempts = owed.withLock({ $0[name] }) else { return }
        switch calls.putRetentionPolicy(name, days: days) {
        case .accepted: owed.withLock { $0[name] = nil }
        case .transient(let failure), .destinationMissing(let failure):
            // The new group may not be known everywhere yet.
            if attempts + 1 < Self.retentionAttempts {
                owed.withLock { $0[name] = attempts + 1 }
            } else {
                giveUp(name, days, failure)
            }
        case .denied(let failure), .invalid(let failure): giveUp(name, days, failure)
        }
    }

    private func owe(retentionOf name: String) {
        if settings.retentionDays != nil { owed.withLock { $0[name] = 0 } }
    }

    private func giveUp(_ name: String, _ days: Int, _ failure: DeliveryFailure) {
        owed.withLock { $0[name] = nil }
        report(
            "log group \(name) was created, but its retention of \(days) days could not be set, so its events never "
                + "expire (\(failure)); set it with: "
                + "aws logs put-retention-policy --log-group-name '\(name)' --retention-in-days \(days)"
        )
    }

    private func stream(_ destination: Destination, by calls: some CreationCalls) -> CreationAnswer {
        let answer = calls.createLogStream(destination)
        if case .failed(let outcome) = answer { return .failed(Self.withoutBatch(outcome)) }
        return answer
    }

    /// No batch is at fault here: it is the names or the settings that the service doesn't take.
    private static func withoutBatch(_ outcome: DeliveryOutcome) -> DeliveryOutcome {
        if case .invalid(let failure) = outcome { .denied(failure) } else { outcome }
    }

    private static func missing(_ message: String) -> DeliveryOutcome {
        .denied(DeliveryFailure(code: "DestinationMissing", message: message))
    }
}

extension CreationAnswer {
    fileprivate var failure: DeliveryOutcome? {
        if case .failed(let outcome) = self { outcome } else { nil }
    }
}
