internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool
internal import Synchronization

/// All spools that are shipped: those that the patterns stand for, also such as come later.
///
/// One thread looks after it; ``spools`` may be asked for from any.
final class Fleet: Sendable {
    private let patterns: [SpoolPattern]
    private let service: SharedService
    private let limits: BatchLimits
    /// By the bytes of their paths, for to Swift other bytes may be the same text.
    private let members = Mutex<[[UInt8]: ShippedSpool]>([:])
    private let hasToldOfTooMany = Atomic(false)
    /// Whether the last look for spools was one, as far as is told.
    private let canLook = Atomic(true)

    /// Each takes three threads and about 14 descriptors.
    static let maximumCount = 256

    init(patterns: [SpoolPattern], service: SharedService, limits: BatchLimits) {
        self.patterns = patterns
        self.service = service
        self.limits = limits
    }

    /// In the order of their paths.
    var spools: [ShippedSpool] { members.withLock { $0.values.sorted { $0.path < $1.path } } }

    /// Looks for spools that have come, and lets go of those that are gone.
    func look() {
        var known = members.withLock { $0 }
        for spool in known.values { spool.start() }
        var present: Set<[UInt8]> = []
        let paths = patterns.map(\.paths)
        let canLook = !paths.contains(nil)
        if self.canLook.exchange(canLook, ordering: .relaxed), !canLook { tellOfNoLook() }
        for path in paths.compactMap({ $0 }).joined() {
            // However many symbolic links lead to its directory.
            let place = SpoolSafety.resolved(path)
            let key = Array(place.utf8)
            guard present.insert(key).inserted, known[key] == nil else { continue }
            guard known.count < Self.maximumCount else {
                tellOfTooMany()
                continue
            }
            let spool = ShippedSpool(path: place, service: service, limits: limits)
            spool.start()
            known[key] = spool
        }
        for (path, spool) in known where canLook && !present.contains(path) && spool.isDone {
            spool.stop(waitingUntil: 0)
            known[path] = nil
        }
        members.withLock { $0 = known }
    }

    private func tellOfTooMany() {
        guard !hasToldOfTooMany.exchange(true, ordering: .relaxed) else { return }
        Ship.tell("more than \(Self.maximumCount) spools; the others wait until some of these are gone")
    }

    private func tellOfNoLook() {
        let pattern = patterns.first { $0.isPattern }?.text ?? ""
        Ship.tell(
            "\(SpoolError(.tooManyFiles, path: pattern, message: "nobody can say which there are: too many open files"))"
        )
    }

    /// The spool that has shown no sign of life for the longest time, and for how long, in milliseconds.
    func mostSilent(at now: Int64) -> (path: String, silence: Int64)? {
        spools.map { ($0.path, now - $0.lastTurn) }.max { $0.1 < $1.1 }
    }

    /// Has all go by what the environment's files say now, also streams that wait to try again.
    func reload() {
        service.renew()
        for spool in spools where spool.isOurs { spool.requestFlush() }
    }

    // MARK: The end

    /// Sends what is pending in the spools that are ours, and ends. Returns those in which something remains, or may.
    ///
    /// - Parameters:
    ///   - deadline: until when something is sent, in milliseconds of the monotonic clock.
    ///   - whileWaiting: called a few times a second.
    func stop(deadline: Int64, whileWaiting: () -> Void) -> [(path: String, what: ShippedSpool.Remainder)] {
        let all = spools
        var open = all.filter(\.isOurs).map { ($0, $0.requestFlush()) }
        // Whose program goes on logging, there something may remain though all was sent.
        var ours = all.filter { $0.isOurs || !$0.isOpen }
        while let (spool, isSent) = open.first, MonotonicClock.milliseconds() < deadline {
            whileWaiting()
            let turn = min(deadline, MonotonicClock.milliseconds() + Self.turn)
            guard isSent?.wait(until: turn) != nil else {
                // Another process has taken over, and ships the rest.
                if !spool.isOurs {
                    ours.removeAll { $0 === spool }
                    open.removeFirst()
                }
                continue
            }
            open.removeFirst()
        }
        service.end()
        for spool in all { spool.stop(waitingUntil: 0) }
        let end = MonotonicClock.milliseconds() + Self.stopGrace
        for spool in all { spool.stop(waitingUntil: end) }
        return ours.compactMap { spool in spool.remainder.map { (spool.path, $0) } }
    }

    private static let turn: Int64 = 200
    /// For how long threads may come to their end when what is on its way was broken off, in milliseconds.
    private static let stopGrace: Int64 = 2_000
}
