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
}
