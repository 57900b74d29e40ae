internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Turns SIGINT, SIGTERM and SIGHUP into a descriptor that can be waited for together with others.
///
/// None can come between a check and the wait that follows it. A signal that was ignored when the process started (nohup)
/// stays ignored.
struct TerminationSignals: Sendable {
    /// Becomes readable with the first signal and stays so: nobody reads from it. Any number of threads may poll it.
    let descriptor: Int32

    /// From here on the signals no longer end the process. To be called before any other thread is started.
    ///
    /// - Parameters:
    ///   - status: with this the second signal ends the process at once; if `nil`, it changes nothing.
    ///   - onHangup: what SIGHUP does instead, also where it was ignored; called on a thread of its own.
    static func watch(
        secondExitsWith status: ExitStatus? = nil,
        onHangup: (@Sendable () -> Void)? = nil
    ) throws -> TerminationSignals {
        let pipe = try SignalPipe()
        var numbers: [Int32] = []
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // SIG_IGN is the address 1 (signal.h), which Swift can not compare.
            let wasIgnored = unsafeBitCast(signal(number, SIG_DFL), to: Int.self) == 1
            if wasIgnored, number != SIGHUP || onHangup == nil {
                signal(number, SIG_IGN)
            } else {
                numbers.append(number)
            }
        }
        let signals = TerminationSignals(descriptor: pipe.reading)
        try pipe.take(numbers, threadName: "logbeam-signals") { number in
            if number == SIGHUP, let onHangup {
                onHangup()
            } else if !signals.haveCome {
                StandardStreams.writeAll([UInt8(clamping: number)], to: pipe.writing)
            } else if let status {
                _exit(status.rawValue)
            }
        }
        return signals
    }

    /// Waits for a signal, at most until a time in milliseconds of the monotonic clock; `nil` waits for ever. True if
    /// one has come.
    func wait(until deadline: Int64?) -> Bool {
        while true {
            let left = deadline.map { Int32(clamping: max(0, $0 - MonotonicClock.milliseconds())) } ?? -1
            var target = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&target, 1, left) > 0 { return true }
            if let deadline, deadline <= MonotonicClock.milliseconds() { return false }
        }
    }

    var haveCome: Bool { wait(until: 0) }
}
