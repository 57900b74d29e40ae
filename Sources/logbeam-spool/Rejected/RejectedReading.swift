internal import ArgumentParser
internal import LogbeamCore
internal import LogbeamSpool

/// `logbeam-spool rejected list`.
struct RejectedList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists what CloudWatch Logs would not take, oldest first.",
        discussion: """
            On a terminal: a table. Otherwise a record a line: id, time, log group, log stream, reason, when it was \
            rejected, and the bytes of its message, with tabs between them; times are ISO 8601, UTC. With --json: an \
            object a line, with id (a number), time, log_group, log_stream, reason, rejected_at and bytes.

            Examples:
              logbeam-spool rejected list --log-group shop
              logbeam-spool rejected list --json | jq -r .reason | sort | uniq -c
            """
    )

    @OptionGroup var spool: SpoolOption
    @OptionGroup var selection: RejectedSelection

    @Flag(help: "Print JSON objects, one a line.")
    var json = false

    func run() throws {
        try selection.check(path: spool.path)
        var table = Table(
            [
                .init("ID"), .init("TIME"), .init("LOG GROUP", .shortened), .init("LOG STREAM", .shortened),
                .init("REASON"), .init("REJECTED", .optional), .init("BYTES", .optional, alignRight: true),
            ],
            rows: []
        )
        try selection.forEachPage(path: spool.path) { page in
            guard json else {
                table.rows += page.map(Self.row)
                return false
            }
            let lines = page.map { Self.object($0, tail: [("bytes", .number(Int64($0.message.count)))]) }
            return try !StandardStreams.print(lines.joined())
        }
        if !json { try StandardStreams.print(table.text(on: .output)) }
    }

    private static func row(_ record: StoredRecord) -> [Cell] {
        [
            .text("\(record.id)"), .time(record.timestamp),
            .text(record.destination.logGroup), .text(record.destination.logStream),
            .text(record.rejection?.reason ?? ""), .time(record.rejection?.time), .bytes(record.message.count),
        ]
    }

    fileprivate static func object(_ record: StoredRecord, tail: [(String, JSON)]) -> String {
        let members: [(String, JSON)] = [
            ("id", .number(record.id)), ("time", .time(record.timestamp)),
            ("log_group", .string(record.destination.logGroup)), ("log_stream", .string(record.destination.logStream)),
            ("reason", .string(record.rejection?.reason ?? "")), ("rejected_at", .time(record.rejection?.time)),
        ]
        return JSON.object(members + tail).text + "\n"
    }
}

/// `logbeam-spool rejected show`.
struct RejectedShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows one rejected record whole.",
        discussion: """
            On a terminal: a page. Otherwise, one fact a line: its name, a tab, its value; the names are id, time, \
            log_group, log_stream, reason, rejected_at, message; control characters are escaped as in JSON. With --json: \
            one object with the same names.

            Examples:
              logbeam-spool rejected show 1795708133281053
              logbeam-spool rejected show 1795708133281053 --json | jq -r .message
            """
    )

    @OptionGroup var spool: SpoolOption

    @Argument(help: ArgumentHelp("Its id, as 'rejected list' shows it.", valueName: "id"))
    var id: Int64

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let before = id == .min ? id : id - 1
        let page = try StoredRecords(path: spool.path).page(of: .rejected, after: before, through: id)
        guard let record = page.records.first else { throw Failure.noRecord(id) }
        let message = String(decoding: record.message, as: UTF8.self)
        if json {
            try StandardStreams.print(RejectedList.object(record, tail: [("message", .string(message))]))
            return
        }
        let terminal = Terminal.output
        var facts: [(String, Cell)] = [
            ("id", .text("\(record.id)")), ("time", .time(record.timestamp, milliseconds: true)),
            ("log_group", .text(record.destination.logGroup)), ("log_stream", .text(record.destination.logStream)),
            ("reason", .text(record.rejection?.reason ?? "")), ("rejected_at", .time(record.rejection?.time)),
        ]
        if terminal == nil { facts.append(("message", .text(message))) }
        try StandardStreams.print(Table(facts: facts).text(on: terminal))
        guard terminal != nil else { return }
        let lines = message.printableLines
        try StandardStreams.print("\n" + lines.joined(separator: "\n") + "\n")
    }
}

/// `logbeam-spool rejected export`.
struct RejectedExport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes rejected records as JSON Lines, and deletes nothing.",
        discussion: """
            Each record is an object on a line of its own, as 'logbeam-spool export' writes them, and besides with reason, \
            rejected_at (ISO 8601, UTC) and id (a number). 'logbeam-spool import' makes pending records of them.

            Examples:
              logbeam-spool rejected export --to rejected.jsonl
              logbeam-spool rejected export --reason invalid | jq -r .message
            """
    )

    @OptionGroup var spool: SpoolOption
    @OptionGroup var selection: RejectedSelection

    @OptionGroup var target: LinesTarget

    func validate() throws { try spool.refuse(output: target.to) }

    func run() throws {
        try selection.check(path: spool.path)
        let output = try target.open()
        try selection.forEachPage(path: spool.path) { page in
            try output.write(page)
            return output.hasEnded
        }
        try output.finish()
    }
}
