internal import LogbeamCloudWatch
internal import LogbeamCore

/// Delivers by a client of the user's. The uploader's thread waits while the client's task runs on Swift's pool.
final class ClientDeliveryService: DeliveryService {
    private let client: any CloudWatchLogsClient
    private let state = Condition(State())

    private struct State {
        var isCancelled = false
        /// What became of the call in progress; there is one at a time.
        var outcome: DeliveryOutcome?
    }

    init(_ client: any CloudWatchLogsClient) {
        self.client = client
    }

    func send(_ batch: EventBatch) -> DeliveryOutcome {
        let request = PutLogEventsRequest(batch)
        return perform { client in
            let rejected = try await client.putLogEvents(request).rejectedLogEventsInfo
            return RefusedEvents(
                tooOldEnd: rejected?.tooOldLogEventEndIndex,
                expiredEnd: rejected?.expiredLogEventEndIndex,
                tooNewStart: rejected?.tooNewLogEventStartIndex
            )
        }
    }

    func create(_ destination: Destination) -> DeliveryOutcome {
        let group = CreateLogGroupRequest(logGroupName: destination.logGroup)
        let stream = CreateLogStreamRequest(
            logGroupName: destination.logGroup,
            logStreamName: destination.logStream
        )
        return perform { client in
            do {
                try await tolerateExisting { try await client.createLogStream(stream) }
            } catch let error as CloudWatchLogsError where error.code == "ResourceNotFoundException" {
                try await tolerateExisting { try await client.createLogGroup(group) }
                try await tolerateExisting { try await client.createLogStream(stream) }
            }
            return RefusedEvents.none
        }
    }

    func cancel() {
        state.change { $0.isCancelled = true }
    }

    /// Runs a call of the client and waits for it, or for ``cancel()``.
    private func perform(
        _ call: @escaping @Sendable (any CloudWatchLogsClient) async throws -> RefusedEvents
    ) -> DeliveryOutcome {
        state.change { $0.outcome = nil }
        let task = UploadContext.$isActive.withValue(true) {
            Task { [client, state] in
                let outcome: DeliveryOutcome
                do {
                    outcome = .accepted(try await call(client))
                } catch {
                    outcome = Self.outcome(of: error)
                }
                state.change { $0.outcome = outcome }
            }
        }
        defer { task.cancel() }
        return state.wait(until: nil) { $0.isCancelled ? Self.cancelled : $0.outcome } ?? Self.cancelled
    }

    private static let cancelled = DeliveryOutcome.transient(
        DeliveryFailure(code: DeliveryFailure.cancelled, message: "the shipper was stopped")
    )

    private static func outcome(of error: any Error) -> DeliveryOutcome {
        guard let error = error as? CloudWatchLogsError else {
            return .transient(
                DeliveryFailure(code: String(describing: type(of: error)), message: String("\(error)".prefix(500)))
            )
        }
        return ServiceError(
            status: error.statusCode ?? 0,
            code: error.code,
            message: error.message,
            retryAfter: error.retryAfter
        ).outcome
    }
}

/// Whether the code that runs now was called by an upload: what it logs must not cause another upload, or there would be
/// no end. Child tasks inherit it; threads of a client's own do not.
enum UploadContext {
    @TaskLocal static var isActive = false
}

private func tolerateExisting(_ create: () async throws -> Void) async throws {
    do {
        try await create()
    } catch let error as CloudWatchLogsError where error.code == "ResourceAlreadyExistsException" {
        // Made by somebody else in between: as good.
    }
}

extension PutLogEventsRequest {
    fileprivate init(_ batch: EventBatch) {
        self.init(
            logGroupName: batch.destination.logGroup,
            logStreamName: batch.destination.logStream,
            logEvents: batch.events.map { event in
                let message = String(decoding: batch.messages[event.range], as: UTF8.self)
                // PutLogEvents takes at least one character.
                return InputLogEvent(timestamp: event.timestamp, message: message.isEmpty ? " " : message)
            }
        )
    }
}
