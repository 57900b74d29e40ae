public import Logging

// In the place of swift-service-lifecycle, on which the package does not depend; for the samples a module of its own too.

/// What a group runs.
public protocol Service: Sendable {
    func run() async throws
}

/// Waits for ever: nobody calls it.
public func gracefulShutdown() async throws {
    try await Task.sleep(for: .seconds(Int64.max))
}

/// What a group ends at.
public enum UnixSignal: Sendable {
    case sigterm
}

/// Runs services; ends none of them.
public actor ServiceGroup {
    private let services: [any Service]

    /// Makes a group.
    public init(services: [any Service], gracefulShutdownSignals: [UnixSignal], logger: Logger) {
        self.services = services
    }

    /// Runs one after the other.
    public func run() async throws {
        for service in services { try await service.run() }
    }
}
