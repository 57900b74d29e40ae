internal import Logbeam

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Turns SIGWINCH, a change of the size of the terminal, and SIGCONT, the way back to the foreground, into a descriptor that
/// can be waited for together with others: after either it is not known what the terminal shows.
struct WindowChanges: Sendable {
    /// Is readable after a change until ``take()``.
    let descriptor: Int32

    /// To be called before any other thread is started, as ``TerminationSignals/watch()``.
    static func watch() throws(Failure) -> WindowChanges {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw Failure(.failedIO, "can not make a pipe: \(String(cString: strerror(errno)))")
        }
        // A change too many is dropped: the next look at the size sees them all.
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGWINCH, SIGCONT] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        do {
            try BackgroundThread.start(name: "logbeam-window") { [signals, writing = ends[1]] in
                var signals = signals
                var number: Int32 = 0
                while true {
                    if sigwait(&signals, &number) == 0 { _ = write(writing, [UInt8(1)], 1) }
                }
            }
        } catch {
            throw Failure(.failedIO, error.description)
        }
        return WindowChanges(descriptor: ends[0])
    }

    /// Whether there was a change since the last time.
    func take() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 64)
        var isChanged = false
        while read(descriptor, &bytes, bytes.count) > 0 { isChanged = true }
        return isChanged
    }
}
