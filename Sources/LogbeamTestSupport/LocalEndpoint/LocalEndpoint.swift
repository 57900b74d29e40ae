import Foundation
package import LogbeamCore

/// A CloudWatch Logs service on loopback that is as strict as AWS says it is, and fails as it is told to.
///
/// It answers what breaks a documented rule as AWS does, keeps what it accepts, and knows which request brought it, so
/// that a test can count what was lost and what came twice. One account, one region. Safe from any thread. It stops
/// when its owner lets go of it.
///
/// It knows the key pairs of the account and computes every signature anew from the bytes that came, by code of its own.
/// What it finds wrong it answers in this order, each with 400 and AWS's wording:
///
/// | wrong                                                | answer                                          |
/// |------------------------------------------------------|-------------------------------------------------|
/// | no Authorization header                              | `MissingAuthenticationTokenException`           |
/// | its form, or no X-Amz-Date                           | `IncompleteSignatureException`                  |
/// | the scope's region, service or day                   | `InvalidSignatureException`                     |
/// | `host` or an `x-amz-` header that is not signed      | `InvalidSignatureException`                     |
/// | an unknown access key, or not its session token      | `UnrecognizedClientException`                   |
/// | a token that was declared expired: ``expire(_:)``    | `ExpiredTokenException`                         |
/// | a time more than five minutes off                    | `InvalidSignatureException`                     |
/// | the signature itself                                 | `InvalidSignatureException`                     |
/// | an operation that was forbidden: ``deny(_:)``        | `AccessDeniedException`                         |
///
/// Only then does the content matter. A ``Fault`` comes before all of this.
package final class LocalEndpoint: Sendable {
    /// Decides what goes wrong with a request; `nil` for nothing. Called on the connection's thread, without a lock.
    package typealias Script = @Sendable (RequestInfo) -> Fault?

    /// What the endpoint has seen and done so far.
    package struct Records: Sendable {
        /// All requests that were HTTP, in the order in which they came.
        package internal(set) var requests: [RequestInfo] = []
        /// What the endpoint refused, by itself and not by a fault.
        package internal(set) var refusals: [Refusal] = []
        var account: LogsAccount

        /// How many events were accepted, in all streams.
        package var acceptedCount: Int { account.accepted.values.reduce(0) { $0 + $1.count } }

        /// The accepted events of a stream, in the order of their acceptance.
        package func events(in destination: Destination) -> [AcceptedEvent] { account.accepted[destination] ?? [] }

        /// The groups that exist, by name.
        package var groups: [String: LogGroupInfo] { account.groups.mapValues(\.info) }

        /// The streams that exist.
        package var destinations: Set<Destination> {
            Set(
                account.groups.flatMap { group, value in
                    value.streams.keys.map { .init(logGroup: group, logStream: $0) }
                }
            )
        }
    }

    /// A request that broke a rule.
    package struct Refusal: Sendable {
        /// The ``RequestInfo/number``; `nil` for what was not even HTTP.
        package var request: Int?
        package var status: Int
        /// AWS's name of the error.
        package var errorType: String
        package var message: String
    }

    private let state: Monitor<EndpointState>
    private let server: LoopbackServer

    /// - Parameters:
    ///   - accessKeys: The key pairs that may sign.
    ///   - region: The region that signatures must be good for.
    ///   - autoCreate: PutLogEvents creates the group and the stream that are missing.
    ///   - clock: The service's time in milliseconds since 1970-01-01T00:00:00Z.
    package init(
        accessKeys: [AccessKey] = [.any],
        region: String = "us-east-1",
        autoCreate: Bool = false,
        clock: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
    ) throws {
        let state = Monitor(
            EndpointState(
                records: Records(account: LogsAccount(autoCreate: autoCreate, region: region)),
                keys: KnownKeys(keys: accessKeys),
                region: region
            )
        )
        self.state = state
        server = try LoopbackServer { descriptor, number in
            let connection = HTTPConnection(descriptor: descriptor)
            EndpointConnection(state: state, clock: clock, connection: connection, number: number).run()
        }
    }

    deinit {
        state.withLock {
            $0.isStopping = true
            for gate in $0.gates { gate.open() }
        }
        server.stop()
    }

    package var port: UInt16 { server.port }
    /// What to configure as the endpoint's URL.
    package var url: String { "http://127.0.0.1:\(port)" }
    /// How many connections were accepted so far.
    package var connectionCount: Int { server.acceptedConnections }
    package var records: Records { state.withLock { $0.records } }

    /// The accepted messages of a stream, in the order of their acceptance.
    package func messages(in destination: Destination) -> [String] { records.events(in: destination).map(\.message) }

    /// Blocks until the records satisfy the condition; `false` if the time ran out before.
    package func wait(within limit: Duration = patience, until condition: (Records) throws -> Bool) rethrows -> Bool {
        try state.wait(within: limit) { try condition($0.records) ? true : nil } ?? false
    }

    /// Creates a stream, and its group if need be, as if by the API.
    package func create(_ destination: Destination) {
        state.withLock { $0.records.account.create(destination, now: 0) }
    }

    /// Deletes a stream with all that is in it, as a person would. What was accepted stays counted in the ``Records``.
    package func delete(_ destination: Destination) {
        state.withLock { $0.records.account.delete(destination) }
    }

    /// Deletes a group with all of its streams, as a person would. What was accepted stays counted in the ``Records``.
    package func deleteGroup(_ name: String) {
        state.withLock { $0.records.account.deleteGroup(name) }
    }

    /// From now on the session token of this key has expired.
    package func expire(_ accessKey: AccessKey) {
        _ = state.withLock { $0.keys.expired.insert(accessKey.identifier) }
    }

    /// From now on no key may call these operations, and any may call the others.
    package func deny(_ operations: Set<LogsOperation>) {
        state.withLock { $0.denied = operations }
    }

    /// Sets the retention of a group; creates the group if need be.
    package func setRetention(days: Int?, ofGroup name: String) {
        state.withLock { $0.records.account.groups[name, default: .init()].info.retentionDays = days }
    }

    /// From now on GetLogEvents shows an event only so long after it was accepted, by the clock of the endpoint.
    package func setReadDelay(_ delay: Duration) {
        state.withLock { $0.records.account.readDelay = Int64(delay / .milliseconds(1)) }
    }

    /// Lets the next calls of the operation fail, each with one of the faults, after those that were queued before.
    package func enqueue(_ faults: Fault..., for operation: LogsOperation = .putLogEvents) {
        state.withLock { $0.faults[operation, default: []] += faults }
    }

    /// Asks the script about every request for which no fault is queued; `nil` ends that.
    package func setScript(_ script: Script?) {
        state.withLock { $0.script = script }
    }
}
