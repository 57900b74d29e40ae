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
    static func watch() throws -> WindowChanges {
        let pipe = try SignalPipe()
        // A change too many is dropped: the next look at the size sees them all.
        for end in [pipe.reading, pipe.writing] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        try pipe.take([SIGWINCH, SIGCONT], threadName: "logbeam-window") { _ in _ = write(pipe.writing, [UInt8(1)], 1) }
        return WindowChanges(descriptor: pipe.reading)
    }

    /// Whether there was a change since the last time.
    func take() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 64)
        var isChanged = false
        while read(descriptor, &bytes, bytes.count) > 0 { isChanged = true }
        return isChanged
    }
}
