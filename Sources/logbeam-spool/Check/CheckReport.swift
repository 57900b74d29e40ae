internal import LogbeamCore
internal import LogbeamSpool

/// What a check found, as text. Pure.
struct CheckReport {
    var check: SpoolCheck

    /// One JSON object on one line.
    var json: String {
        let files = check.files.map { file in
            JSON.object([
                ("path", .string(file.path)), ("bytes", .number(Int64(file.bytes))),
                ("mode", .string(String(file.mode, radix: 8))),
            ])
        }
        let numbers: [(String, KeyPath<SpoolCheck.Counts, Int>)] = [
            ("records", \.records), ("rejected", \.rejected), ("streams", \.streams), ("gaps", \.gaps),
            ("deliveries", \.deliveries), ("in_doubt", \.inDoubt), ("empty_deliveries", \.emptyDeliveries),
            ("stray_records", \.strayRecords),
        ]
        return JSON.object(
            [
                ("spool", .string(check.path)), ("good", .bool(check.isGood)),
                ("version", .number(Int64(check.version))), ("journal_mode", .string(check.journalMode)),
            ]
                + numbers.map { name, path in (name, check.counts.map { .number(Int64($0[keyPath: path])) } ?? .null) }
                + [
                    ("problems", .array(check.problems.map { .string($0) })),
                    ("warnings", .array(check.warnings.map { .string($0) })), ("files", .array(files)),
                ]
        ).text + "\n"
    }

    /// A fact a line.
    func page(on terminal: Terminal?) -> String {
        let isOld = check.version < check.currentVersion
        let age = isOld ? ", the next program that writes makes it \(check.currentVersion)" : ""
        let rows =
            [
                ["spool", check.path],
                ["version", "\(check.version)\(age)"],
                ["journal mode", check.journalMode],
            ]
            + check.files.map {
                ["file", "\($0.path): \(HumanUnits.bytes($0.bytes)), mode \(String($0.mode, radix: 8))"]
            }
            + counts
            + check.warnings.map { ["warning", $0] }
            + check.problems.map { ["problem", $0] }
            + [["result", check.isGood ? "good" : "damaged"]]
        return Table(facts: rows.map { ($0[0], .text($0[1])) }).text(on: terminal)
    }

    private var counts: [[String]] {
        guard let counts = check.counts else { return [["records", "not counted"]] }
        let deliveries = [(counts.deliveries, ""), (counts.inDoubt, " in doubt"), (counts.emptyDeliveries, " empty")]
        return [
            ["records", "\(counts.records.grouped), \(counts.strayRecords.grouped) stray"],
            ["rejected", counts.rejected.grouped],
            ["streams", counts.streams.grouped],
            ["gaps", counts.gaps.grouped],
            ["deliveries", deliveries.map { $0.grouped + $1 }.joined(separator: ", ")],
        ]
    }
}
