internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// What sources ask of others goes through here, so that all of it can be broken off. Thread-safe.
final class CredentialsRequests: Sendable {
    private struct State {
        var running: [ObjectIdentifier: HTTPClient] = [:]
        var isCancelled = false
    }

    /// The time between two attempts.
    let pause: Duration
    private let state = Mutex(State())

    init(pause: Duration = .seconds(1)) {
        self.pause = pause
    }

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    func cancel() {
        let running = state.withLock { state in
            state.isCancelled = true
            return Array(state.running.values)
        }
        for client in running { client.cancel() }
    }

    /// Sends a request on a connection of its own: they are few and far between. Blocks.
    func perform(
        _ request: HTTPRequest,
        _ configuration: HTTPClient.Configuration
    ) throws(HTTPError) -> HTTPResponse {
        let client = HTTPClient(configuration)
        state.withLock { state in
            if state.isCancelled { client.cancel() }
            state.running[ObjectIdentifier(client)] = client
        }
        defer { state.withLock { $0.running[ObjectIdentifier(client)] = nil } }
        return try client.perform(request)
    }

    /// The same, with what it means for a lookup that there is no answer.
    func answer(
        to request: HTTPRequest,
        _ configuration: HTTPClient.Configuration,
        source: String
    ) throws(CredentialsError) -> HTTPResponse {
        do throws(HTTPError) {
            return try perform(request, configuration)
        } catch {
            let reason = error.message.onOneLine(limit: 300)
            switch error.kind {
            case .connection, .timeout, .tooLarge, .cancelled: throw .unavailable(source: source, reason: reason)
            default: throw .unusable(source: source, reason: reason)
            }
        }
    }

    /// Parameters as the query of a URL or the body of a form has them.
    static func query(_ parameters: [(name: String, value: String)]) -> String {
        parameters
            .map { "\(CanonicalRequest.percentEncoded($0.name))=\(CanonicalRequest.percentEncoded($0.value))" }
            .joined(separator: "&")
    }

    /// Waits the time between two attempts, or until all is cancelled.
    func waitBetweenAttempts() {
        let end = ContinuousClock.now + pause
        while !isCancelled, ContinuousClock.now < end { poll(nil, 0, 20) }
    }
}

extension HTTPClient.Configuration {
    /// For a service at an address of the link or of this machine, which answers at once or never. Never by a proxy: it
    /// would be asked for the proxy's own credentials, or be shown ours.
    static func onThisMachine(timeout: Duration) -> Self {
        var configuration = Self()
        configuration.connectTimeout = timeout
        configuration.requestTimeout = timeout
        configuration.responseLimit = CredentialsAnswer.byteLimit
        return configuration
    }
}
