internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Standard output for what goes on and on: a reader that is gone, or does not read after a signal, ends it.
struct StandardOutput {
    private let signals: TerminationSignals
    /// Nothing is written any more.
    private var hasEnded = false
    /// Why write(2) refused, as `errno`.
    private(set) var error: Int32?
    /// Nobody reads any more.
    var isUnread: Bool { error == EPIPE }

    /// How long a reader may take for what came before a signal, in milliseconds.
    private static let patience: Int64 = 1_000

    init(signals: TerminationSignals) {
        self.signals = signals
    }

    mutating func write(_ bytes: UnsafeBufferPointer<UInt8>) {
        var rest = UnsafeRawBufferPointer(bytes)
        while !rest.isEmpty, !hasEnded {
            guard waitForReader() else {
                hasEnded = true
                return
            }
            // A pipe that is ready takes so many bytes without blocking (pipe(7)).
            let count = writeBytes(STDOUT_FILENO, rest.baseAddress, min(rest.count, Int(PIPE_BUF)))
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            } else if errno != EINTR, errno != EAGAIN {
                error = errno
                hasEnded = true
            }
        }
    }

    /// False if a signal has come and the reader does not read.
    private func waitForReader() -> Bool {
        var deadline: Int64?
        while true {
            var targets = [
                pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let left = deadline.map { Int32(clamping: max(0, $0 - MonotonicClock.milliseconds())) }
            let count = poll(&targets, left == nil ? 2 : 1, left ?? -1)
            if targets[0].revents != 0 { return true }
            if count == 0 { return false }
            if targets[1].revents != 0 { deadline = MonotonicClock.milliseconds() + Self.patience }
        }
    }
}

/// `write(2)`, by a name that the method does not hide.
func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
