internal import LogbeamAWS
internal import LogbeamCloudWatch
internal import LogbeamCore
internal import LogbeamSpool

/// A diagnosis as text. Pure.
struct DoctorReport {
    var findings: Findings
    var diagnosis: Diagnosis

    init(_ findings: Findings) {
        self.findings = findings
        diagnosis = Diagnosis(findings)
    }

    /// A line for each check: the verdict, what was checked, and what came of it.
    func page(on terminal: Terminal?) -> String {
        let rows = diagnosis.lines.map { line -> [Cell] in
            [.text(line.verdict.name).painted(line.verdict.paint), .text(line.check), .text(line.message)]
        }
        return Table([.init(""), .init(""), .init("", .wrapped)], rows: rows).text(on: terminal)
    }

    /// One JSON object on one line.
    var json: String {
        let choice = try? findings.endpoint.get()
        let identity = findings.identity?.identity
        let checks = diagnosis.lines.map { line in
            JSON.object([
                ("check", .string(line.check)), ("verdict", .string(line.verdict.name)),
                ("message", .string(line.message)),
                ("log_group", .optional(line.destination?.logGroup)),
                ("log_stream", .optional(line.destination?.logStream)),
            ])
        }
        return JSON.object([
            ("good", .bool(diagnosis.status == .done)),
            ("exit_code", .number(Int64(diagnosis.status.rawValue))),
            ("spool", .string(findings.spool.path)),
            ("credentials_source", .optional((try? findings.credentials.get())?.source)),
            ("access_key_id", .optional((try? findings.credentials.get())?.credentials.accessKeyID)),
            ("region", .optional(choice?.endpoint.region)),
            ("region_source", .optional(choice?.regionSource)),
            ("endpoint", .optional(choice?.endpoint.url)),
            ("endpoint_source", .optional(choice?.urlSource)),
            ("proxy", .optional(findings.proxy?.url)),
            ("clock_offset_seconds", findings.clockOffset.map { .number($0) } ?? .null),
            ("account", .optional(identity?.account)),
            ("arn", .optional(identity?.arn)),
            ("checks", .array(checks)),
        ]).text + "\n"
    }
}

extension Diagnosis.Verdict {
    fileprivate var name: String {
        switch self {
        case .ok: "ok"
        case .warning: "warning"
        case .failed: "failed"
        }
    }

    fileprivate var paint: Terminal.Paint {
        switch self {
        case .ok: .good
        case .warning: .warning
        case .failed: .bad
        }
    }
}

extension Findings.Spool {
    fileprivate var path: String {
        switch self {
        case .missing(let path): path
        case .unusable(let error): error.path
        case .found(let status, _): status.path
        }
    }
}

extension JSON {
    fileprivate static func optional(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }
}
