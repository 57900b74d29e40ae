import Logbeam
import Logging

// What the documentation shows without its imports, so that it compiles: see `DocumentationTests`.

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

    static func oneCall() throws -> Logger {
        let handler = try CloudWatchLogsHandler(label: "app", logGroupName: "g", logStreamName: "s")
        let logger = Logger(label: "app") { _ in handler }
        return logger
    }

    static func appending() throws -> LogShipper {
        var configuration = LogShipper.Configuration(
            logGroupName: "g",
            logStreamName: "s",
            spool: "/var/lib/app/logs.db"
        )
        configuration.uploads = false
        let shipper = try LogShipper(configuration)
        return shipper
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
