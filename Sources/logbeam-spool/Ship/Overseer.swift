internal import Logbeam
internal import LogbeamSpool

/// What the main thread of `ship` does: looks after the spools, and tells people and the service manager how they stand.
struct Overseer {
    private let fleet: Fleet
    private let manager: ServiceManager
    private var news = FleetNews()
    private var journalNews = JournalNews()
    private var isReady = false
    private var nextSearch: Int64 = .min
    private var toldOfSilence: String?

    /// How often it is looked for spools that have come or gone, in milliseconds.
    private static let searchInterval: Int64 = 1_000

    init(fleet: Fleet, manager: ServiceManager) {
        self.fleet = fleet
        self.manager = manager
    }

    /// How long to rest between two looks, in milliseconds.
    var pause: Int64 { min(500, (manager.watchdog ?? .max) / 4) }

    mutating func look() {
        let now = MonotonicClock.milliseconds()
        if now >= nextSearch {
            nextSearch = now + Self.searchInterval
            fleet.look()
            let journals = fleet.spools.flatMap { StrandedJournal.beside(spool: $0.path) }
            for line in journalNews.lines(journals) { Ship.tell(line) }
        }
        let phases = tellNews()
        // By what was told: who hears that it is ready has heard how each of them stands.
        if !isReady, phases.allSatisfy(\.wasTried) {
            isReady = true
            manager.tellReady()
        }
        showSignOfLife()
    }

    @discardableResult
    private mutating func tellNews() -> [ShippedSpool.Phase] {
        let phases = fleet.spools.map { ($0.path, $0.phase) }
        for line in news.lines(phases) { Ship.tell(line) }
        manager.tellStatus(FleetSummary.text(phases.map(\.1)))
        return phases.map(\.1)
    }

    /// The watchdog hears of all loops or of none: whoever ships for many must not seem well because most of them are.
    private mutating func showSignOfLife() {
        guard let watchdog = manager.watchdog else { return }
        let now = MonotonicClock.milliseconds()
        guard let (path, silence) = fleet.mostSilent(at: now), silence > watchdog / 2 else {
            toldOfSilence = nil
            return manager.tellAlive()
        }
        if toldOfSilence != path {
            let time = HumanUnits.duration(milliseconds: silence)
            Ship.tell("\(path): the upload loop has not come by for \(time); the watchdog is not told")
        }
        toldOfSilence = path
    }

    mutating func reload() {
        manager.tellReloading()
        fleet.reload()
        Ship.tell("reading credentials and profiles anew")
        manager.tellReady()
    }

    /// - Parameter timeout: how long what is pending may be sent, in milliseconds.
    mutating func stop(within timeout: Int64) throws(Failure) {
        manager.tellStopping()
        tellNews()
        let remaining = fleet.stop(deadline: MonotonicClock.milliseconds() + timeout) { showSignOfLife() }
        guard !remaining.isEmpty else { return }
        let kinds: [(String, ShippedSpool.Remainder)] = [
            ("records remain in ", .records), ("nobody knows what remains in ", .unknown), ("not opened: ", .refused),
        ]
        let parts = kinds.compactMap { text, kind in
            let paths = remaining.filter { $0.what == kind }.map(\.path)
            return paths.isEmpty ? nil : text + paths.joined(separator: ", ")
        }
        // Another try ships nothing of what must not be opened.
        let isHopeless = remaining.allSatisfy { $0.what == .refused }
        throw Failure(
            isHopeless ? .unwritableSpool : .recordsRemain,
            "stopped by a signal; \(parts.joined(separator: "; "))"
        )
    }
}
