internal import LogbeamCore
internal import LogbeamSpool

/// What a spool held at a time of the monotonic clock, in milliseconds.
struct Look {
    var status: SpoolStatus
    var time: Int64

    /// Every record that was ever logged is one of these, whatever became of it.
    fileprivate var logged: Double {
        [status.pending, status.delivered, status.rejected, status.dropped].reduce(0) { $0 + Double($1) }
    }
}

/// How fast records came and went between two looks. Pure.
struct Rates: Equatable {
    /// Records logged a second; also those that the spool could not take.
    var logged: Double
    /// Records acknowledged a second.
    var delivered: Double
    /// By how many records a second what is pending of each stream has grown.
    var growth: [Destination: Double]
}

extension Rates {
    /// `nil` if there is nothing to compare: the looks are at the same time, or at two spools.
    init?(from first: Look, to last: Look) {
        let span = last.time - first.time
        guard span > 0, first.status.identity == last.status.identity, first.status.delivered <= last.status.delivered
        else { return nil }
        let seconds = Double(span) / 1_000
        let before = Dictionary(first.status.streams.map { ($0.destination, $0.pending) }) { $1 }
        let growth = last.status.streams.map { stream in
            (stream.destination, Double(stream.pending - before[stream.destination, default: 0]) / seconds)
        }
        self.init(
            // What was pending may be gone by hand.
            logged: max(0, (last.logged - first.logged) / seconds),
            delivered: (Double(last.status.delivered) - Double(first.status.delivered)) / seconds,
            growth: Dictionary(growth) { $1 }
        )
    }

    /// When nothing would be pending any more if this went on, in milliseconds; `nil` if it would not come to that.
    func timeLeft(pending: Int) -> Int64? {
        guard pending > 0, delivered > logged else { return nil }
        return Int64(exactly: (Double(pending) / (delivered - logged) * 1_000).rounded())
    }
}

/// The looks from which rates are told: as a batch leaves only every few seconds, those of half a minute. Pure.
struct Looks {
    private var looks: [Look] = []

    /// In milliseconds: three times the default of `bufferDuration`.
    private static let window: Int64 = 30_000

    /// - Returns: the rates, and whether it is another spool than at the last look.
    mutating func add(_ look: Look) -> (rates: Rates?, isAnother: Bool) {
        let isAnother = looks.last.map { $0.status.identity != look.status.identity } ?? false
        if isAnother { looks = [] }
        looks.append(look)
        // One that is as old as the window stays, so that there is always something to compare with.
        while looks.count > 2, look.time - looks[1].time >= Self.window { looks.removeFirst() }
        return (looks.first.flatMap { Rates(from: $0, to: look) }, isAnother)
    }

    /// The last look.
    var last: Look? { looks.last }
}
