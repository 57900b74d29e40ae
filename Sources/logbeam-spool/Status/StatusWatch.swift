internal import LogbeamCore
internal import LogbeamSpool

/// What watching a spool shows, look by look: also that it is gone, or another one. Pure.
struct StatusWatch {
    private let path: String
    private var looks = Looks()
    private var rates: Rates?
    /// Why the last look failed.
    private var error: SpoolError?
    /// The times of the wall clock: of the last look, of the last one that did not fail, and when another file was found.
    private var now: Int64 = 0
    private var lastGood: Int64?
    private var replaced: Int64?

    init(path: String) {
        self.path = path
    }

    /// - Parameters:
    ///   - now: of the wall clock, in milliseconds.
    ///   - time: of the monotonic clock, in milliseconds.
    mutating func add(_ result: Result<SpoolStatus, SpoolError>, now: Int64, time: Int64) {
        self.now = now
        switch result {
        case .success(let status):
            let isAnother: Bool
            (rates, isAnother) = looks.add(Look(status: status, time: time))
            if isAnother { replaced = now }
            error = nil
            lastGood = now
        case .failure(let error):
            self.error = error
            rates = nil
        }
    }

    // MARK: For people

    func lines(on terminal: Terminal) -> [String] {
        let limit = terminal.canMove ? terminal.rows - 1 : .max
        if let error {
            var facts: [(String, Cell)] = [("spool", .text(path)), ("trouble", .text(error.description).painted(.bad))]
            if let look = looks.last, let lastGood {
                let pending = "\(HumanUnits.count(look.status.pending, "record")) pending"
                facts.append(("last seen", .text("\(HumanUnits.age(of: lastGood, now: now)), with \(pending)")))
            }
            return Table(facts: facts).lines(on: terminal)
        }
        guard let look = looks.last else { return [] }
        let note = replaced.map {
            Table(facts: [("replaced", .text("\(HumanUnits.age(of: $0, now: now)): it is another file now"))])
                .lines(on: terminal).map { terminal.painted($0, .warning) }
        }
        let page = StatusPage(status: look.status, now: now, rates: rates, terminal: terminal)
        return (note ?? []) + page.lines(limit: limit - (note?.count ?? 0))
    }

    // MARK: For programs

    /// One JSON object on one line.
    var json: String {
        if let error {
            return JSON.object([
                ("time", .time(now)), ("spool", .string(path)), ("error", .string(error.description)),
            ]).text + "\n"
        }
        guard let look = looks.last else { return "" }
        return StatusReport(status: look.status, now: now).json(
            adding: [
                ("logged_per_second", .rate(rates?.logged)), ("delivered_per_second", .rate(rates?.delivered)),
                ("error", .null),
            ],
            toStream: { name in [("growth_per_second", .rate(rates.map { $0.growth[name] ?? 0 }))] }
        )
    }

    /// Fields with tabs between them, on one line.
    var line: String {
        let time = Cell.time(now)
        guard error == nil, let status = looks.last?.status else {
            let nothing = [Cell](repeating: .none, count: 10)
            return Self.line([time] + nothing + [.text(error?.description ?? "-")])
        }
        return Self.line([
            time, .count(status.pending), .bytes(status.pendingBytes),
            .duration(milliseconds: status.oldest.map { max(0, now.subtractingSaturated($0)) }),
            Self.rate(rates?.logged),
            Self.rate(rates?.delivered), .count(status.delivered), .count(status.rejected), .count(status.dropped),
            .count(status.inDoubt), status.uploader.map { .text("\($0.processID)") } ?? .none,
            .text(status.error?.message ?? "-"),
        ])
    }

    private static func line(_ cells: [Cell]) -> String {
        Table([], rows: [cells]).text(on: nil)
    }

    private static func rate(_ rate: Double?) -> Cell {
        rate.map { .text(JSON.rate($0).text) } ?? .none
    }
}
