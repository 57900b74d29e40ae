/// Decides when the holder of a lease has lapsed: when it has shown no sign of life for too long, by the clock of whoever
/// watches. Pure.
///
/// Time counts only as it is watched: of the time between two looks, at most a quarter of the lapse. So whoever was stopped
/// itself, with its machine perhaps, does not take its own sleep for the holder's; and on a machine so busy that every look
/// is late, a holder that is gone is superseded all the same, after four looks or more.
struct LeaseWatch: Sendable {
    /// How long the holder may show no sign of life, in milliseconds.
    let lapse: Int64
    private var seen: LeaseSighting?
    private var lastLook: Int64 = 0
    /// For how long the same was seen, in milliseconds.
    private var unchanged: Int64 = 0

    init(lapse: Int64) {
        self.lapse = lapse
    }

    /// Takes note of a look at the lease while another has it; true if that one has lapsed.
    ///
    /// - Parameter now: in milliseconds of the watcher's monotonic clock.
    mutating func look(_ sighting: LeaseSighting, at now: Int64) -> Bool {
        // Whoever writes no beats would not know that it was superseded either.
        guard let beat = sighting.note.beat, sighting == seen else {
            seen = sighting
            lastLook = now
            unchanged = 0
            return false
        }
        let patience = max(lapse, 4 * beat.interval)
        unchanged += min(max(0, now - lastLook), patience / 4)
        lastLook = now
        return unchanged >= patience
    }

    /// Begins anew.
    mutating func forget() {
        seen = nil
    }

    /// How long to rest between two looks, in milliseconds: a second at most, so that who is killed has a successor within
    /// it, and at most a quarter of the lapse. Those who stand by spread over half of that, each look anew, so that however
    /// many there are they neither come all at once nor learn of a lapse all at once.
    ///
    /// - Parameter chance: a random number from 0 up to 1.
    static func pause(lapse: Int64, chance: Double) -> Int64 {
        let longest = min(1_000, lapse / 4)
        return longest - Int64(Double(longest / 2) * chance)
    }
}

/// What a look at a lease has shown.
struct LeaseSighting: Sendable, Equatable {
    var file: FileIdentity
    var note: LeaseNote
}
