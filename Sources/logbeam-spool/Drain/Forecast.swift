internal import LogbeamCore
internal import LogbeamSpool

/// What `drain --dry-run` shows.
enum Forecast {
    /// How many headers are read at once.
    private static let pageSize = 10_000

    /// Reads what is pending, and shows what would become of it.
    static func show(_ path: String, _ options: StreamOptions, _ limits: BatchLimits, json: Bool) throws {
        let reader = try SpoolReader(path: path)
        let names = try reader.streams().filter { options.match($0.value) }
        if names.isEmpty, !options.areAll { throw Failure.noStream(path) }
        let deliveries = try reader.deliveries()
        let delivered = deliveries.filter(\.acknowledged).map(\.range)
        var forecast = BatchForecast(
            limits: limits,
            inDoubt: deliveries.filter { !$0.acknowledged && names[$0.range.stream] != nil }.map(\.range),
            now: WallClock.milliseconds()
        )
        var last: Int64 = 0
        while true {
            let page = try reader.headers(after: last, limit: pageSize)
            for header in page.headers where names[header.stream] != nil {
                if !delivered.contains(where: { $0.contains(header) }) { forecast.add(header) }
            }
            last = page.headers.last?.id ?? last
            if page.isLast { break }
        }
        let rows = forecast.streams.compactMap { id, stream in names[id].map { ($0, stream) } }
            .sorted { ($0.0.logGroup, $0.0.logStream) < ($1.0.logGroup, $1.0.logStream) }
        try StandardStreams.print(json ? object(rows) : table(rows).text(on: .output))
        try StrandedJournals.refuse(StrandedJournal.beside(spool: path), besides: path)
    }

    private typealias Row = (destination: Destination, stream: BatchForecast.Stream)

    private static func table(_ rows: [Row]) -> Table {
        Table(
            [
                Table.Column("LOG GROUP", .shortened), Table.Column("LOG STREAM", .shortened),
                Table.Column("RECORDS", alignRight: true), Table.Column("BYTES", alignRight: true),
                Table.Column("BATCHES", alignRight: true), Table.Column("REFUSED", alignRight: true),
                Table.Column("TOO EARLY", alignRight: true),
            ],
            rows: rows.map { destination, stream in
                [
                    .text(destination.logGroup), .text(destination.logStream), .count(stream.records),
                    .bytes(stream.bytes), .count(stream.batches), .count(stream.refused), .count(stream.early),
                ]
            }
        )
    }

    /// One JSON object on one line.
    private static func object(_ rows: [Row]) -> String {
        let streams = rows.map { destination, stream in
            JSON.object([
                ("log_group", .string(destination.logGroup)), ("log_stream", .string(destination.logStream)),
                ("records", .number(Int64(stream.records))), ("bytes", .number(Int64(stream.bytes))),
                ("batches", .number(Int64(stream.batches))), ("refused", .number(Int64(stream.refused))),
                ("too_early", .number(Int64(stream.early))),
            ])
        }
        return JSON.object([("streams", .array(streams))]).text + "\n"
    }
}
