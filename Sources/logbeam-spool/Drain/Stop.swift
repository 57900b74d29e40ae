internal import Logbeam
internal import LogbeamSpool

/// When to give up: at a time, or at a signal, whichever comes first.
struct Stop: Sendable {
    let signals: TerminationSignals
    /// In milliseconds of the monotonic clock; `nil`: never.
    let deadline: Int64?

    enum Cause {
        case signal, deadline

        /// What has happened, in words.
        var event: String { self == .signal ? "stopped by a signal" : "the time is over" }
    }

    /// For how long a call waits for a lock before a signal is looked for, in milliseconds.
    private static let turn: Int64 = 1_000

    /// Why to give up now; `nil` if there is no reason.
    var cause: Cause? {
        if signals.haveCome { return .signal }
        return MonotonicClock.milliseconds() >= deadline ?? .max ? .deadline : nil
    }

    var isDue: Bool { cause != nil }

    /// Waits until a time in milliseconds of the monotonic clock, or until it is time to give up.
    func wait(until time: Int64) {
        _ = signals.wait(until: min(time, deadline ?? .max))
    }

    /// How a spool is opened whose calls are made by ``patiently(_:)``: they wait no longer than for a turn, nor for more
    /// than the time that is left.
    var options: Spool.Options {
        let left = max(1, deadline.map { $0 - MonotonicClock.milliseconds() } ?? .max)
        let turn = Duration.milliseconds(min(Self.turn, left))
        return Spool.Options(create: false, commitTimeout: turn).opening(within: turn)
    }

    /// Makes a call, and again as long as others keep the spool locked, until it is time to give up.
    func patiently<Result>(_ call: () throws(SpoolError) -> Result) throws(Failure) -> Result {
        var isTold = false
        while true {
            let start = MonotonicClock.milliseconds()
            do throws(SpoolError) {
                return try call()
            } catch {
                guard error.kind == .busy else { throw Failure(error) }
                if let cause { throw Failure(ExitStatus(error.kind), "\(cause.event); \(error)") }
                if !isTold { StandardStreams.complain("trying again: \(error)") }
                isTold = true
                wait(until: start + Self.turn)
            }
        }
    }

    /// Calls a closure, on a thread of its own, when it is time to give up.
    func whenDue(_ body: @escaping @Sendable () -> Void) throws(ThreadError) {
        try BackgroundThread.start(name: "logbeam-stop") {
            _ = signals.wait(until: deadline)
            body()
        }
    }
}
