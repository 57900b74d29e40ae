internal import LogbeamCore
internal import LogbeamSpool

/// The status of a spool for people. Pure.
///
/// What is the case is said once: facts on top, then what went wrong, then the streams.
struct StatusPage {
    var status: SpoolStatus
    /// The time of the report, in milliseconds since 1970-01-01T00:00:00Z.
    var now: Int64
    /// Where the spool is being watched.
    var rates: Rates?
    var terminal: Terminal

    /// - Parameter limit: how many lines there is room for. Where that is little, errors lose their middle, for what to do
    ///   stands at their ends, and some streams are left out; what still is too much stands at the end.
    func lines(limit: Int = .max) -> [String] {
        let facts = facts
        guard limit < .max else { return facts + block(troubles(linesEach: .max)) + block(table(status.streams)) }
        let troubles = cut(
            troubles(linesEach: Self.linesEach),
            to: max(1, limit - facts.count - 1 - Self.leastTable)
        )
        let fixed = facts + block(troubles)
        // An empty line, the header, and a line that says how many more there are.
        let room = max(1, limit - fixed.count - 2)
        guard status.streams.count > room else { return fixed + block(table(status.streams)) }
        let shown = Array(busiest.prefix(max(1, room - 1)))
        let rest = HumanUnits.count(status.streams.count - shown.count, "more stream")
        return fixed + block(table(shown)) + [terminal.painted("and \(rest)", .faint)]
    }

    /// An empty line, the header, a stream, and how many more there are.
    private static let leastTable = 4
    /// How many lines an error has where there is little room.
    private static let linesEach = 4

    private func block(_ lines: [String]) -> [String] { lines.isEmpty ? [] : [""] + lines }

    private func cut(_ lines: [String], to count: Int) -> [String] {
        lines.count <= count ? lines : lines.prefix(count - 1) + [terminal.painted(Self.ellipsis, .faint)]
    }

    private static let ellipsis = "  …"

    /// Those with something to say come first.
    private var busiest: [SpoolStatus.Stream] {
        let isBusy = { (stream: SpoolStatus.Stream) in
            stream.pending > 0 || stream.inDoubt > 0 || stream.lastError != nil
        }
        return status.streams.filter(isBusy) + status.streams.filter { !isBusy($0) }
    }

    // MARK: Facts

    private var facts: [String] {
        let counts = [
            ("delivered", HumanUnits.count(status.delivered, "record"), nil),
            ("rejected", HumanUnits.count(status.rejected, "record"), status.rejected),
            ("dropped", HumanUnits.count(status.dropped, "record"), status.dropped),
            ("in doubt", HumanUnits.count(status.inDoubt, "batch", plural: "batches"), nil),
        ].map { name, text, lost in (name, Cell.text(text).painted(lost ?? 0 > 0 ? .warning : nil)) }
        var facts: [(String, Cell)] = [
            ("spool", .text(status.path)),
            ("uploader", uploader),
            ("pending", .text(pending)),
        ]
        if let oldest = status.oldest { facts.append(("oldest", self.oldest(oldest))) }
        if let rates { facts.append(("rate", .text(rate(rates)))) }
        facts += counts
        facts.append(("last delivery", .text(status.lastDelivery.map(moment) ?? "-")))
        if let error = status.error { facts.append(("last error", .text(moment(error.time)).painted(.bad))) }
        facts += status.setAside.map {
            ("set aside", .text("\($0); \(Self.use(ofSetAside: $0))").painted(.warning))
        }
        facts += status.journals.map {
            ("journal", .text("\($0.path); could not be moved into the spool: \($0.cause)").painted(.warning))
        }
        return Table(facts: facts).lines(on: terminal)
    }

    private static func use(ofSetAside file: String) -> String {
        file.hasSuffix(Quarantine.journalSuffix)
            ? "a damaged journal; what is whole of it is in the spool" : "see 'logbeam-spool salvage --help'"
    }

    private var pending: String {
        "\(HumanUnits.count(status.pending, "record")) (\(HumanUnits.bytes(status.pendingBytes)))"
    }

    private var uploader: Cell {
        guard let uploader = status.uploader else {
            return .text("none").painted(status.pending > 0 ? .warning : nil)
        }
        guard let silence = uploader.silence(at: now) else { return .text(uploader.name) }
        let text =
            "\(uploader.name), which seems to hang: no sign of life for \(HumanUnits.duration(milliseconds: silence))"
        return .text(text).painted(.bad)
    }

    private func oldest(_ time: Int64) -> Cell {
        let left = BatchLimits.expiry(of: time).subtractingSaturated(now)
        guard left > 0 else {
            return .text("\(moment(time)), expired: CloudWatch Logs takes nothing older than 14 days").painted(.bad)
        }
        // With a day left somebody should look.
        return .text("\(moment(time)), expires in \(HumanUnits.duration(milliseconds: left))")
            .painted(left < 86_400_000 ? .bad : nil)
    }

    private func rate(_ rates: Rates) -> String {
        func perSecond(_ rate: Double) -> String { "\(Self.number(rate))/s" }
        let left = rates.timeLeft(pending: status.pending).map {
            ", empty in \(HumanUnits.duration(milliseconds: $0))"
        }
        return "logged \(perSecond(rates.logged)), delivered \(perSecond(rates.delivered))\(left ?? "")"
    }

    /// With one decimal where it is small.
    private static func number(_ rate: Double) -> String {
        let tenths = Int(exactly: (rate * 10).rounded()) ?? .max
        return tenths.magnitude < 100 && tenths % 10 != 0
            ? "\(tenths < 0 ? "-" : "")\(tenths.magnitude / 10).\(tenths.magnitude % 10)"
            : (tenths / 10).grouped
    }

    private func moment(_ time: Int64) -> String {
        "\(terminal.zone.text(time)) (\(HumanUnits.age(of: time, now: now)))"
    }

    // MARK: What went wrong

    /// Each error once, with all the streams that have it; then what was rejected and dropped.
    private func troubles(linesEach limit: Int) -> [String] {
        var order: [String] = []
        var streams: [String: [SpoolStatus.Stream]] = [:]
        for stream in status.streams {
            guard let error = stream.lastError else { continue }
            if streams[error] == nil { order.append(error) }
            streams[error, default: []].append(stream)
        }
        let errors = order.flatMap { error in
            remark(names(streams[error] ?? []), error, .bad, limit)
        }
        let fates = status.streams.flatMap { stream in
            (stream.rejections.map { sentence($0, "rejected") } + stream.gaps.map { sentence($0, "dropped") })
                .flatMap { remark(names([stream]), $0, .warning, limit) }
        }
        return errors + fates
    }

    private static let namesLimit = 3

    private func names(_ streams: [SpoolStatus.Stream]) -> String {
        let names = streams.prefix(Self.namesLimit).map(\.destination.name)
        let more = streams.count - names.count
        return names.joined(separator: ", ") + (more > 0 ? " and \(HumanUnits.count(more, "more stream"))" : "")
    }

    /// A sentence about a stream, in so many lines at most.
    private func remark(_ name: String, _ text: String, _ paint: Terminal.Paint, _ limit: Int) -> [String] {
        let indent = "  "
        var lines = "\(name): \(text)".printable.wrapped(to: max(1, terminal.columns - indent.count))
        if lines.count > limit { lines = lines.prefix(limit / 2 - 1) + ["…"] + lines.suffix(limit / 2) }
        return lines.enumerated().map { number, line in terminal.painted((number > 0 ? indent : "") + line, paint) }
    }

    /// `1,204 records of … to … dropped: disk full`. The times are those of the records.
    private func sentence(_ tally: SpoolStatus.Tally, _ fate: String) -> String {
        let first = terminal.zone.text(tally.first)
        let times = tally.first == tally.last ? first : "\(first) to \(terminal.zone.text(tally.last))"
        return "\(HumanUnits.count(tally.records, "record")) of \(times) \(fate): \(tally.reason)"
    }

    // MARK: Streams

    private func table(_ streams: [SpoolStatus.Stream]) -> [String] {
        typealias Stream = SpoolStatus.Stream
        guard !streams.isEmpty else { return [] }
        var columns: [(column: Table.Column, cell: (Stream) -> Cell)] = [
            (.init("LOG GROUP", .shortened), { .text($0.destination.logGroup) }),
            (.init("LOG STREAM", .shortened), { .text($0.destination.logStream) }),
            (.init("PENDING", alignRight: true), { .count($0.pending) }),
        ]
        if let rates {
            let growth = Table.Column("GROWTH", alignRight: true)
            columns.append((growth, { .text("\(Self.number(rates.growth[$0.destination] ?? 0))/s") }))
        }
        columns += [
            (.init("BYTES", .optional, alignRight: true), { .bytes($0.pendingBytes) }),
            (.init("OLDEST", .optional), { .age(of: $0.oldest, now: now) }),
        ]
        // Columns that would hold nothing but 0 say nothing.
        let counts: [(String, KeyPath<Stream, Int>)] = [
            ("REJECTED", \.rejected), ("DROPPED", \.dropped), ("IN DOUBT", \.inDoubt),
        ]
        for (title, count) in counts where streams.contains(where: { $0[keyPath: count] > 0 }) {
            columns.append((.init(title, .optional, alignRight: true), { .count($0[keyPath: count]) }))
        }
        columns.append((.init("LAST DELIVERY", .optional), { .age(of: $0.lastDelivery, now: now) }))
        return Table(columns.map(\.column), rows: streams.map { stream in columns.map { $0.cell(stream) } })
            .lines(on: terminal)
    }
}
