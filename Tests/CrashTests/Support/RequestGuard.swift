import Foundation
import LogbeamTestSupport

/// Stands before an endpoint while services are killed: holds requests, so that a kill comes while they are on their way,
/// and sees to it that nothing of a killed service is taken after the test has looked what it left.
///
/// A service is known by its access key, which stands in every request. Safe from any thread.
final class RequestGuard: Sendable {
    /// What becomes of a request.
    enum Ruling: Sendable {
        case pass
        case fault(Fault)
        /// The request lies for so long before the endpoint looks at it.
        case lateFault(Fault, microseconds: UInt32)
        /// It is held until its service has been killed.
        case hold(Fate)
    }

    /// What becomes of a request that is held.
    enum Fate: Sendable, CaseIterable {
        /// The endpoint has taken it; nobody hears of it.
        case taken
        /// The endpoint takes it when the service is dead.
        case takenLater
        /// The endpoint never takes it.
        case lost
    }

    /// Asked once for every request of the service that runs. The number counts its requests of this operation from 1.
    typealias Rule = @Sendable (_ number: Int, _ info: RequestInfo) -> Ruling

    private struct State {
        var service = 0
        var rule: Rule = { _, _ in .pass }
        var gate = Gate()
        var counts: [LogsOperation: Int] = [:]
        /// The batches, by the numbers of their requests, that the endpoint takes, or has taken.
        var admitted: Set<Int> = []
    }

    private let endpoint: LocalEndpoint
    private let state = Monitor(State())

    init(_ endpoint: LocalEndpoint) {
        self.endpoint = endpoint
        endpoint.setScript { [weak self] in self?.fault(for: $0) }
    }

    deinit {
        state.withLock { $0.gate.open() }
    }

    /// The settings by which the next service is known; only its requests are taken from now on, as the rule says.
    func admitNext(_ rule: @escaping Rule) -> [String: String] {
        state.withLock { state in
            state.service += 1
            state.rule = rule
            state.gate = Gate()
            state.counts = [:]
            return Self.accessKeys[state.service].environment
        }
    }

    /// Blocks until so many requests are held; `false` if the time ran out before.
    func waitForHeld(_ count: Int) -> Bool {
        state.withLock { $0.gate }.waitForArrivals(count)
    }

    /// To be called when the service is dead: turns away all that it still has on its way, and blocks until the endpoint has
    /// taken what was let through; `false` if the time ran out before.
    func close() -> Bool {
        let admitted = state.withLock { state in
            state.service += 1
            state.gate.open()
            return state.admitted
        }
        return endpoint.wait { records in
            var open = admitted
            for destination in records.destinations {
                for event in records.events(in: destination) { open.remove(event.request) }
            }
            return open.isSubset(of: records.refusals.compactMap(\.request))
        }
    }

    private func fault(for info: RequestInfo) -> Fault? {
        guard let operation = info.operation else { return nil }
        let (ruling, gate): (Ruling, Gate) = state.withLock { state in
            // Left over from a service that is dead.
            guard
                info.headers["authorization"]?.contains("Credential=\(Self.accessKeys[state.service].identifier)/")
                    == true
            else {
                return (.fault(.resetBeforeAccepting), state.gate)
            }
            state.counts[operation, default: 0] += 1
            let ruling = state.rule(state.counts[operation, default: 0], info)
            if operation == .putLogEvents, ruling.accepts { state.admitted.insert(info.number) }
            return (ruling, state.gate)
        }
        switch ruling {
        case .pass: return nil
        case .fault(let fault): return fault
        case .lateFault(let fault, let microseconds):
            usleep(microseconds)
            return fault
        case .hold(.taken): return .hangAfterAccepting(gate)
        case .hold(.takenLater): return .hangBeforeAccepting(gate)
        case .hold(.lost):
            gate.pass()
            return .resetBeforeAccepting
        }
    }

    /// The keys of the services, one after the other; a kill uses two numbers.
    static let accessKeys = (0...2 * StormKills.count + 10).map {
        AccessKey(identifier: "AKID\($0)", secret: "example")
    }
}

extension RequestGuard.Ruling {
    /// Whether the endpoint takes the request in the end.
    fileprivate var accepts: Bool {
        switch self {
        case .pass, .hold(.taken), .hold(.takenLater): true
        case .hold(.lost): false
        case .fault(let fault), .lateFault(let fault, _):
            switch fault {
            case .status, .resetBeforeAccepting: false
            case .nonJSONAnswer(_, let accepting): accepting
            default: true
            }
        }
    }
}
