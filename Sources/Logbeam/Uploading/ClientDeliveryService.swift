internal import LogbeamCloudWatch
internal import LogbeamCore
internal import LogbeamSpool
internal import Synchronization

/// Delivers by a client of the user's. A thread of the uploader's waits while the client's task runs on Swift's pool.
final class ClientDeliveryService: DeliveryService {
    private let client: any CloudWatchLogsClient
    private let creator: DestinationCreator
    private let context: UploadContext
    private let state = Condition(State())

    private struct State {
        var isCancelled = false
        /// Counts the calls; each has a number of its own.
        var calls = 0
        /// What became of calls that nobody has looked at yet.
        var outcomes: [Int: DeliveryOutcome] = [:]
    }

    /// - Parameter context: of the uploader that sends by it.
    init(_ client: any CloudWatchLogsClient, creation: CreationSettings, context: UploadContext) {
        self.client = client
        self.context = context
        UploadContext.isUsed.store(true, ordering: .relaxed)
        creator = DestinationCreator(creation) { StandardError.write(line: "logbeam: \($0)") }
    }

    func send(_ batch: EventBatch) -> DeliveryOutcome {
        let request = PutLogEventsRequest(batch)
        let outcome = perform { client in
            let rejected = try await client.putLogEvents(request).rejectedLogEventsInfo
            return RefusedEvents(
                tooOldEnd: rejected?.tooOldLogEventEndIndex,
                expiredEnd: rejected?.expiredLogEventEndIndex,
                tooNewStart: rejected?.tooNewLogEventStartIndex
            )
        }
        if case .accepted = outcome { creator.setOwedRetention(ofLogGroup: batch.destination.logGroup, by: self) }
        return outcome
    }

    func create(_ destination: Destination) -> DeliveryOutcome {
        creator.create(destination, by: self)
    }

    func cancel() {
        state.change { $0.isCancelled = true }
    }

    /// Runs a call of the client and waits for it, or for ``cancel()``.
    private func perform(
        _ call: @escaping @Sendable (any CloudWatchLogsClient) async throws -> RefusedEvents
    ) -> DeliveryOutcome {
        let begun: Int? = state.change { state in
            if state.isCancelled { return nil }
            state.calls += 1
            return state.calls
        }
        guard let number = begun else { return Self.notBegun }
        let context = UploadContext(mailbox: context.mailbox, spool: context.spool)
        let task = UploadContext.$current.withValue(context) {
            Task { [client, state] in
                defer { context.call.end() }
                let outcome: DeliveryOutcome
                do {
                    outcome = .accepted(try await call(client))
                } catch {
                    outcome = Self.outcome(of: error)
                }
                state.change { $0.outcomes[number] = outcome }
            }
        }
        defer { task.cancel() }
        return state.wait(until: nil) { state in
            state.outcomes.removeValue(forKey: number) ?? (state.isCancelled ? Self.cancelled : nil)
        } ?? Self.cancelled
    }

    /// Runs a call that does not fail where what it creates is there.
    private func create(_ call: @escaping @Sendable (any CloudWatchLogsClient) async throws -> Void) -> CreationAnswer {
        let existed = Mutex(false)
        let outcome = perform { client in
            do {
                try await call(client)
            } catch let error as CloudWatchLogsError where error.code == "ResourceAlreadyExistsException" {
                existed.withLock { $0 = true }
            }
            return RefusedEvents.none
        }
        if case .accepted = outcome { return existed.withLock { $0 } ? .existed : .created }
        return .failed(outcome)
    }

    private static let cancelled = DeliveryOutcome.transient(
        DeliveryFailure(code: DeliveryFailure.cancelled, message: "the shipper was stopped")
    )

    private static let notBegun = DeliveryOutcome.transient(
        DeliveryFailure(code: DeliveryFailure.cancelled, message: "the shipper was stopped", mayHaveArrived: false)
    )

    private static func outcome(of error: any Error) -> DeliveryOutcome {
        guard let error = error as? CloudWatchLogsError else {
            return .transient(
                DeliveryFailure(code: String(describing: type(of: error)), message: String("\(error)".prefix(500)))
            )
        }
        return ServiceError(
            // The code alone decides then, as it does under the status of most refusals.
            status: error.statusCode ?? 400,
            code: error.code,
            message: error.message,
            retryAfter: error.retryAfter
        ).outcome
    }
}

extension ClientDeliveryService: CreationCalls {
    func createLogStream(_ destination: Destination) -> CreationAnswer {
        let request = CreateLogStreamRequest(
            logGroupName: destination.logGroup,
            logStreamName: destination.logStream
        )
        return create { try await $0.createLogStream(request) }
    }

    func createLogGroup(_ name: String, _ settings: CreationSettings) -> CreationAnswer {
        let request = CreateLogGroupRequest(
            logGroupName: name,
            kmsKeyId: settings.kmsKeyID,
            tags: settings.tags,
            logGroupClass: settings.logGroupClass.flatMap(LogGroupClass.init) ?? .standard
        )
        return create { try await $0.createLogGroup(request) }
    }

    func putRetentionPolicy(_ logGroup: String, days: Int) -> DeliveryOutcome {
        let request = PutRetentionPolicyRequest(logGroupName: logGroup, retentionInDays: days)
        return perform { client in
            try await client.putRetentionPolicy(request)
            return RefusedEvents.none
        }
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
