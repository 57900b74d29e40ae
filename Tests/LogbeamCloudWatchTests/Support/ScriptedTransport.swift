import LogbeamAWS
import Synchronization

/// Gives the answers it was made with, one after the other, or those of a closure, and keeps the requests.
final class ScriptedTransport: HTTPTransport {
    enum Step: Sendable {
        case answer(Int, String, [HTTPHeader] = [])
        case failure(HTTPError.Kind)
    }

    private struct State {
        var requests: [HTTPRequest] = []
        var isCancelled = false
    }

    private let state = Mutex(State())
    private let step: @Sendable (Int) -> Step?

    /// - Parameter step: says what becomes of a request; they are counted from 1.
    init(_ step: @escaping @Sendable (Int) -> Step?) {
        self.step = step
    }

    convenience init(_ steps: Step...) {
        self.init { $0 <= steps.count ? steps[$0 - 1] : nil }
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
        let number = state.withLock { state in
            state.requests.append(request)
            return state.requests.count
        }
        switch step(number) {
        case .answer(let status, let body, let headers):
            return HTTPResponse(status: status, headers: headers, body: Array(body.utf8))
        case .failure(let kind): throw HTTPError(kind, "said the script\nin two lines")
        case nil: throw HTTPError(.connection, "the script has no further answer")
        }
    }

    func cancel() { state.withLock { $0.isCancelled = true } }
}
