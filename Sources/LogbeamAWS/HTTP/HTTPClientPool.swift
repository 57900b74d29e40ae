internal import Synchronization

/// As many HTTP clients as there are requests at once; each keeps its connection open for the next request, until one fails.
///
/// Thread-safe.
package final class HTTPClientPool: HTTPTransport {
    private struct State {
        var idle: [HTTPClient] = []
        var busy: [ObjectIdentifier: HTTPClient] = [:]
        var isCancelled = false
    }

    private let configuration: @Sendable () throws(HTTPError) -> HTTPClient.Configuration
    private let state = Mutex(State())

    /// - Parameter configuration: called for each new client. It may read files.
    package init(_ configuration: @escaping @Sendable () throws(HTTPError) -> HTTPClient.Configuration) {
        self.configuration = configuration
        // Not with the first request: another part of the program could start libcrypto before.
        _ = OpenSSL.isReady
    }

    package func perform(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
        // The last one to become idle is the likeliest to have an open connection.
        let idle = state.withLock { $0.idle.popLast() }
        let client = if let idle { idle } else { HTTPClient(try configuration()) }
        state.withLock { state in
            if state.isCancelled { client.cancel() }
            state.busy[ObjectIdentifier(client)] = client
        }
        let result = Result { () throws(HTTPError) in try client.perform(request) }
        state.withLock { state in
            state.busy[ObjectIdentifier(client)] = nil
            // Its configuration may be why one failed, and a person may have mended that when the next one is made.
            if case .success = result { state.idle.append(client) }
        }
        return try result.get()
    }

    package func cancel() {
        let busy = state.withLock { state in
            state.isCancelled = true
            return Array(state.busy.values)
        }
        for client in busy { client.cancel() }
    }
}
