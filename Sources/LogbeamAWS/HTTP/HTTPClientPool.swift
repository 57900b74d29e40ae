internal import Synchronization

/// As many HTTP clients as there are requests at once; each keeps its connection open for the next request.
///
/// Thread-safe.
package final class HTTPClientPool: HTTPTransport {
    private struct State {
        var idle: [HTTPClient] = []
        var busy: [ObjectIdentifier: HTTPClient] = [:]
        var isCancelled = false
    }

    private let configuration: HTTPClient.Configuration
    private let state = Mutex(State())

    package init(_ configuration: HTTPClient.Configuration) {
        self.configuration = configuration
        // Not with the first request: another part of the program could start libcrypto before.
        _ = OpenSSL.isReady
    }

    package func perform(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
        let client = state.withLock { state in
            // The last one to become idle is the likeliest to have an open connection.
            let client = state.idle.popLast() ?? HTTPClient(configuration)
            if state.isCancelled { client.cancel() }
            state.busy[ObjectIdentifier(client)] = client
            return client
        }
        defer {
            state.withLock { state in
                state.busy[ObjectIdentifier(client)] = nil
                state.idle.append(client)
            }
        }
        return try client.perform(request)
    }

    package func cancel() {
        let busy = state.withLock { state in
            state.isCancelled = true
            return Array(state.busy.values)
        }
        for client in busy { client.cancel() }
    }
}
