import Dispatch
import Foundation
import Logbeam
import Logging

// What the documentation shows, so that it compiles: see `DocumentationTests`.

enum Samples {
    static func auditing(shipper: LogShipper) throws {
        let audit = try CloudWatchLogsHandler(
            label: "audit",
            shipper: shipper,
            logGroupName: "audit",
            logStreamName: "orders"
        )
        let auditor = Logger(label: "audit") { _ in audit }
        auditor.notice("price changed", metadata: ["number": "4711"])
    }

    static func endingAtSignal() -> any DispatchSourceSignal {
        signal(SIGTERM, SIG_IGN)  // the source hears of it all the same
        let termination = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .global())
        termination.setEventHandler { exit(0) }
        termination.resume()
        return termination
    }

    static func grouping(shipper: LogShipper, server: any Service, logger: Logger) async throws {
        let group = ServiceGroup(
            services: [Shipping(shipper: shipper), server],
            gracefulShutdownSignals: [.sigterm],
            logger: logger
        )
        try await group.run()
    }
}

struct Shipping: Service {
    let shipper: LogShipper

    func run() async throws {
        // Where the task is cancelled instead, it is the end too.
        try? await gracefulShutdown()
        await shipper.shutdown(timeout: .seconds(20))
    }
}

// MARK: In the place of swift-service-lifecycle, on which the package does not depend

protocol Service: Sendable {
    func run() async throws
}

/// Waits for ever: nobody calls it.
func gracefulShutdown() async throws {
    try await Task.sleep(for: .seconds(Int64.max))
}

enum UnixSignal {
    case sigterm
}

actor ServiceGroup {
    private let services: [any Service]

    init(services: [any Service], gracefulShutdownSignals: [UnixSignal], logger: Logger) {
        self.services = services
    }

    func run() async throws {
        for service in services { try await service.run() }
    }
}
