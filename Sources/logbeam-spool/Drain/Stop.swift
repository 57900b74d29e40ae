internal import Logbeam
internal import LogbeamSpool

/// When to give up: at a time, or at a signal, whichever comes first.
struct Stop: Sendable {
    let signals: TerminationSignals
    /// In milliseconds of the monotonic clock; `nil`: never.
    let deadline: Int64?

    enum Cause { case signal, deadline }

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

    /// Calls a closure, on a thread of its own, when it is time to give up.
    func whenDue(_ body: @escaping @Sendable () -> Void) throws(Failure) {
        do {
            try BackgroundThread.start(name: "logbeam-stop") {
                _ = signals.wait(until: deadline)
                body()
            }
        } catch {
            throw Failure(.failedIO, error.description)
        }
    }
}
