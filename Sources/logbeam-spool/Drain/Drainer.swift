internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool

/// Runs an upload loop until what was pending is gone, or there is a reason to leave it.
final class Drainer {
    /// What ended it.
    enum End: Equatable {
        /// All that was pending has left the spool.
        case empty
        /// A person must mend something before any of the rest gets through.
        case refused(UploadLoop.Trouble)
        /// The service takes the rest only later, for its time lies ahead.
        case tooEarly
        /// A signal or the end of the time. Tells the last failure too, if there was one.
        case stopped(Stop.Cause, lastFailure: String?)
        /// Another process has taken over the uploads.
        case superseded
    }

    private let loop: UploadLoop
    private let stop: Stop
    private let progress: ProgressDisplay?
    private let tellGaps: () -> Bool
    private var lastFailure: String?
    /// What was told already: each kind of failure is told once.
    private var toldCodes: Set<String> = []

    /// The longest rest, in milliseconds: after it records of other processes are looked for.
    private static let pollInterval: Int64 = 1_000

    /// - Parameter tellGaps: called once, when what was pending is gone or must stay, for streams to be told of what they
    ///   miss. True if one was.
    init(loop: UploadLoop, stop: Stop, progress: ProgressDisplay?, tellGaps: @escaping () -> Bool) {
        self.tellGaps = tellGaps
        self.loop = loop
        self.stop = stop
        self.progress = progress
    }

    /// Throws what waiting would not heal; what the spool can not do for the moment is tried again.
    func run() throws(SpoolError) -> End {
        var target = try loop.flush()
        var isSecondRound = false
        while true {
            progress?.show(loop.totals)
            if try !loop.hasRecords(through: target) {
                // What came meanwhile is sent too, once: whoever appends without end does not keep us for ever.
                if isSecondRound { return .empty }
                _ = tellGaps()
                if try !loop.hasRecords() { return .empty }
                isSecondRound = true
                target = try loop.flush()
            }
            if let cause = stop.cause { return .stopped(cause, lastFailure: lastFailure) }
            guard case .waiting(let until) = loop.step() else { continue }
            if loop.isSuperseded { return .superseded }
            guard try loop.hasRecords(through: target) else { continue }
            if loop.inFlight == 0, let end = try consider() {
                if isSecondRound || !tellGaps() { return end }
                isSecondRound = true
                target = try loop.flush()
                continue
            }
            rest(until: until)
            loop.wake()
        }
    }

    /// Why nothing more can be done at the moment; an end, if waiting does not help.
    private func consider() throws(SpoolError) -> End? {
        if let error = loop.spoolError {
            if ExitStatus(error.kind) == .unusableSpool { throw error }
            note(error.description, code: "\(error.kind)")
            return nil
        }
        if loop.isDenied, let trouble = loop.troubles.min(by: { $0.key < $1.key })?.value { return .refused(trouble) }
        if loop.troubles.isEmpty { return .tooEarly }
        for trouble in loop.troubles.values where !stop.isDue {
            note(trouble.failure.description, code: trouble.failure.code)
        }
        return nil
    }

    private func note(_ failure: String, code: String) {
        lastFailure = failure
        if progress == nil, toldCodes.insert(code).inserted { StandardStreams.complain("trying again: \(failure)") }
    }

    private func rest(until time: Int64?) {
        let poll = MonotonicClock.milliseconds() + Self.pollInterval
        let end = min(time ?? poll, poll)
        // An answer is awaited in short turns, for a signal to be noticed; that breaks off the requests.
        if loop.inFlight > 0 {
            return loop.waitForAnswer(until: min(end, MonotonicClock.milliseconds() + ProgressDisplay.interval))
        }
        guard let progress else { return stop.wait(until: end) }
        while !stop.isDue, MonotonicClock.milliseconds() < end {
            progress.show(loop.totals, waitingUntil: time, because: lastFailure)
            stop.wait(until: min(end, MonotonicClock.milliseconds() + ProgressDisplay.interval))
        }
    }
}
