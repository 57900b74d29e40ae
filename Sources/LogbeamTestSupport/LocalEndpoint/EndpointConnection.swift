import LogbeamCore

/// What the connections of a ``LocalEndpoint`` share.
struct EndpointState: Sendable {
    var records: LocalEndpoint.Records
    var keys: KnownKeys
    let region: String
    /// What the keys may not do.
    var denied: Set<LogsOperation> = []
    var faults: [LogsOperation: [Fault]] = [:]
    var script: LocalEndpoint.Script?
    /// Those that hold a request, to be opened when the endpoint stops.
    var gates: [Gate] = []
    var isStopping = false
}

/// Serves one connection, on its thread.
struct EndpointConnection {
    let state: Monitor<EndpointState>
    let clock: @Sendable () -> Int64
    let connection: HTTPConnection
    let number: Int

    func run() {
        do {
            while let request = try HTTPRequest.read(from: connection) {
                guard try serve(request), request.headers["connection"]?.lowercased() != "close" else { return }
            }
        } catch let violation as HTTPViolation {
            let error = LogsError("MalformedHttpRequestException", violation.message, status: violation.status)
            record(error, request: nil)
            try? connection.send(HTTPAnswer(error, now: clock()).bytes())
            connection.finish()
        } catch {
            // The client went away; a test sees that on its own side.
        }
    }

    /// Answers one request; returns whether the connection goes on.
    private func serve(_ request: HTTPRequest) throws -> Bool {
        let call = Call(request)
        var info = RequestInfo(
            number: 0,
            connection: number,
            operation: try? call.operation.get(),
            headers: request.headers,
            bodySize: request.body.count,
            destination: try? call.input.get().destination(),
            events: (try? call.input.get().events()) ?? []
        )
        state.withLock {
            info.number = $0.records.requests.count + 1
            $0.records.requests.append(info)
        }
        let fault = fault(for: info)
        var answer: HTTPAnswer
        switch fault {
        case .resetBeforeAccepting:
            connection.resetOnClose()
            return false
        case .status(let status, let type, let message, let headers):
            answer = HTTPAnswer(LogsError(type, message, status: status), now: clock())
            answer.headers += headers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        case .answer(let status, let headers, let body):
            answer = HTTPAnswer(status: status, now: clock())
            answer.headers = headers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            answer.body = Array(body.utf8)
        case .nonJSONAnswer(let status, let accepting):
            if accepting { _ = perform(call, info) }
            answer = HTTPAnswer(status: status, now: clock())
            answer.headers.append(("Content-Type", "text/html"))
            answer.body = Array("<html><body>Please log in.</body></html>".utf8)
        case .hangBeforeAccepting(let gate):
            gate.pass()
            answer = perform(call, info)
        case .refusing(let events):
            answer = perform(call, info, refusing: events)
        default:
            answer = perform(call, info)
        }
        return try send(answer, with: fault)
    }

    private func fault(for info: RequestInfo) -> Fault? {
        let (queued, script): (Fault?, LocalEndpoint.Script?) = state.withLock {
            guard let operation = info.operation, $0.faults[operation]?.isEmpty == false else {
                return (nil, $0.script)
            }
            return ($0.faults[operation]?.removeFirst(), nil)
        }
        guard let fault = queued ?? script?(info) else { return nil }
        if let gate = fault.gate {
            state.withLock {
                if $0.isStopping { gate.open() } else { $0.gates.append(gate) }
            }
        }
        return fault
    }

    /// Holds the request against the rules and does what it asks.
    ///
    /// - Parameter refused: The events that PutLogEvents leaves out, whatever their times are.
    private func perform(_ call: Call, _ info: RequestInfo, refusing refused: RefusedEvents? = nil) -> HTTPAnswer {
        let now = clock()
        do throws(LogsError) {
            let operation = try call.operation.get()
            let (keys, region) = state.withLock { ($0.keys, $0.region) }
            try RequestChecks.signature(of: call.request, keys: keys, region: region, now: now)
            let input = try call.input.get()
            let members = try state.withLock { state throws(LogsError) in
                if state.denied.contains(operation) { throw LogsError.denied(operation, region: region) }
                // Sent across the lock as bytes: a dictionary of Any is not Sendable.
                return try state.records.account
                    .answer(operation, input, refusing: refused, now: now, request: info.number).map(HTTPAnswer.json)
            }
            var answer = HTTPAnswer(status: 200, now: now)
            answer.headers.append(("Content-Type", "application/x-amz-json-1.1"))
            answer.body = members ?? []
            return answer
        } catch {
            record(error, request: info.number)
            return HTTPAnswer(error, now: now)
        }
    }

    private func send(_ answer: HTTPAnswer, with fault: Fault?) throws -> Bool {
        switch fault {
        case .resetAfterAccepting:
            connection.resetOnClose()
            return false
        case .hangAfterAccepting(let gate):
            gate.pass()
            try connection.send(answer.bytes())
        case .delay(let duration):
            try pause(duration)
            try connection.send(answer.bytes())
        case .slowAnswer(let duration):
            for byte in answer.bytes() {
                try pause(duration)
                try connection.send([byte])
            }
        case .truncatedAnswer:
            try connection.send(answer.bytes().dropLast((answer.body.count + 1) / 2))
            return false
        case .wrongContentLength(let off):
            try connection.send(answer.bytes(contentLength: max(0, answer.body.count + off)))
            return off <= 0
        default:
            try connection.send(answer.bytes())
        }
        return true
    }

    /// Waits, but not longer than the endpoint lives.
    private func pause(_ duration: Duration) throws {
        let stopped: Bool? = state.wait(within: duration) { $0.isStopping ? true : nil }
        if stopped == true { throw HTTPConnection.Closed() }
    }

    private func record(_ error: LogsError, request: Int?) {
        let refusal = LocalEndpoint.Refusal(
            request: request,
            status: error.status,
            errorType: error.type,
            message: error.message
        )
        state.withLock { $0.records.refusals.append(refusal) }
    }
}

/// What a request asks for, or why it cannot be said.
private struct Call {
    var request: HTTPRequest
    var operation: Result<LogsOperation, LogsError>
    var input: Result<LogsInput, LogsError>

    init(_ request: HTTPRequest) {
        self.request = request
        operation = Result { () throws(LogsError) in try RequestChecks.operation(of: request) }
        input = Result { () throws(LogsError) in
            try LogsInput(body: request.body, encoding: request.headers["content-encoding"])
        }
    }
}
