internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool

/// The numbers of all spools in the text format of Prometheus, version 0.0.4. Pure, but for ``page(_:)``.
enum MetricsText {
    /// One spool, as it was found. What could not be found out is left out.
    struct Sample {
        var path: String
        /// `nil` if it can not be read.
        var status: SpoolStatus?
        /// `nil` if it is not open.
        var report: Uploader.Report?
    }

    private struct Metric: Sendable {
        var name: String
        var type: String
        var help: String
        var value: @Sendable (_ sample: Sample, _ now: Int64) -> Double?
    }

    private static let metrics: [Metric] = [
        Metric(name: "readable", type: "gauge", help: "1 if the spool can be read.") { sample, _ in
            sample.status == nil ? 0 : 1
        },
        Metric(name: "lease_held", type: "gauge", help: "1 if this process ships the spool, 0 if it stands by.") {
            sample,
            _ in
            sample.report.map { $0.holdsLease == true ? 1 : 0 }
        },
        Metric(name: "pending_records", type: "gauge", help: "Records that are not shipped yet.") { sample, _ in
            sample.status.map { Double($0.pending) }
        },
        Metric(name: "pending_bytes", type: "gauge", help: "The UTF-8 bytes of their messages.") { sample, _ in
            sample.status.map { Double($0.pendingBytes) }
        },
        Metric(
            name: "oldest_pending_age_seconds",
            type: "gauge",
            help: "The age of the oldest of them; 0 if there is none."
        ) {
            sample,
            now in
            sample.status.map { max(0, Double(now.subtractingSaturated($0.oldest ?? now)) / 1_000) }
        },
        Metric(name: "in_doubt_batches", type: "gauge", help: "Batches of which nobody knows whether they arrived.") {
            sample,
            _ in
            sample.status.map { Double($0.inDoubt) }
        },
        Metric(
            name: "rejected_records",
            type: "gauge",
            help: "Records that the service refused, as far as they are kept."
        ) {
            sample,
            _ in
            sample.status.map { Double($0.rejected) }
        },
        Metric(name: "dropped_records", type: "gauge", help: "Records that were lost to the spool or dropped from it.")
        {
            sample,
            _ in
            sample.status.map { Double($0.dropped) }
        },
        Metric(name: "delivered_records_total", type: "counter", help: "Records acknowledged since the spool was made.")
        {
            sample,
            _ in
            sample.status.map { Double($0.delivered) }
        },
        Metric(name: "uploads_total", type: "counter", help: "Batches acknowledged to this process.") { sample, _ in
            sample.report.map { Double($0.totals.batches) }
        },
        Metric(name: "upload_errors_total", type: "counter", help: "Batches of this process that did not get through.")
        {
            sample,
            _ in
            sample.report.map { Double($0.totals.failures) }
        },
        Metric(name: "last_success_timestamp_seconds", type: "gauge", help: "When something was last acknowledged.") {
            sample,
            _ in
            sample.status?.lastDelivery.map { Double($0) / 1_000 }
        },
    ]

    private static let prefix = "logbeam_"

    /// The names, for `--help`.
    static var names: String { metrics.map { prefix + $0.name }.joined(separator: ", ") }

    /// - Parameter now: milliseconds since 1970-01-01T00:00:00Z.
    static func page(_ samples: [Sample], at now: Int64) -> String {
        var page = ""
        for metric in metrics {
            page += "# HELP \(prefix)\(metric.name) \(metric.help)\n# TYPE \(prefix)\(metric.name) \(metric.type)\n"
            for sample in samples {
                guard let value = metric.value(sample, now) else { continue }
                page += "\(prefix)\(metric.name){spool=\"\(escaped(sample.path))\"} \(text(value))\n"
            }
        }
        return page
    }

    static func page(_ spools: [ShippedSpool]) -> String {
        let samples = spools.map { spool in
            var sample = Sample(path: spool.path, status: try? SpoolStatus.read(path: spool.path))
            if case .open(let report) = spool.phase { sample.report = report }
            return sample
        }
        return page(samples, at: WallClock.milliseconds())
    }

    /// Whole numbers without a point.
    private static func text(_ value: Double) -> String {
        value == value.rounded() && value.magnitude < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    private static func escaped(_ label: String) -> String {
        var text = ""
        for character in label.unicodeScalars {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }
}
