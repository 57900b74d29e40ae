import LogbeamAWS
import Synchronization

/// Gives the answers it was made with, one after the other, and keeps the requests.
final class ScriptedTransport: HTTPTransport {
    enum Step: Sendable {
        case answer(Int, String, [HTTPHeader] = [])
        case failure(HTTPError.Kind)
    }

    private struct State {
        var steps: ArraySlice<Step>
        var requests: [HTTPRequest] = []
        var isCancelled = false
    }

    private let state: Mutex<State>

    init(_ steps: Step...) {
        state = Mutex(State(steps: steps[...]))
    }

    var requests: [HTTPRequest] { state.withLock { $0.requests } }
    var isCancelled: Bool { state.withLock { $0.isCancelled } }
    /// The operations that were called, in their order.
    var operations: [String] {
        requests.map { request in
            request.headers.first { $0.isNamed("X-Amz-Target") }?.value.split(separator: ".").last.map(String.init)
                ?? ""
        }
    }

    func perform(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
        let step = state.withLock { state in
            state.requests.append(request)
            return state.steps.popFirst()
        }
        switch step {
        case .answer(let status, let body, let headers):
            return HTTPResponse(status: status, headers: headers, body: Array(body.utf8))
        case .failure(let kind): throw HTTPError(kind, "said the script\nin two lines")
        case nil: throw HTTPError(.connection, "the script has no further answer")
        }
    }

    func cancel() { state.withLock { $0.isCancelled = true } }
}
