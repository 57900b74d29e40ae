#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import LogbeamAWS
internal import LogbeamSpool

/// The last resort for a record that the spool could not take, and what a process tells that must not be held up.
package enum StandardError {
    /// Of several threads that find the last room in a pipe one would wait for its reader: so they take turns.
    private static let turn = TimedLock()

    /// Writes a line, or gives up: a reader that does not read must not hold up `log()`, and one that is gone must not
    /// end the process by `SIGPIPE`. Thread-safe.
    ///
    /// - Parameters:
    ///   - descriptor: a file, a pipe, a socket or a terminal.
    ///   - patience: how long to wait, in milliseconds, for a reader and for other threads. What takes no waiting is
    ///     written even where this thread did not run for longer than that.
    /// - Returns: false if not all of it could be written.
    @discardableResult
    package static func write(line: String, to descriptor: Int32 = STDERR_FILENO, patience: Int64 = 100) -> Bool {
        let deadline = MonotonicClock.milliseconds() + patience
        var line = line + "\n"
        // Without its turn where a thread that has it does not run, or was left behind by a fork.
        let hasTurn = turn.lock(until: MonotonicClock.nanoseconds() + UInt64(patience) * 1_000_000)
        defer { if hasTurn { turn.unlock() } }
        // Other processes may fill a pipe after it was ready, and a terminal that is ready may take a byte and wait with the
        // rest: an opening of our own does not block.
        var status = stat()
        let mayBlock = fstat(descriptor, &status) == 0 && [S_IFIFO, S_IFCHR].contains(status.st_mode & S_IFMT)
        let own = mayBlock ? open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1
        defer { if own >= 0 { close(own) } }
        let descriptor = own >= 0 ? own : descriptor
        return BrokenPipeSignal.whileBlocked {
            line.withUTF8 { bytes in
                var rest = UnsafeRawBufferPointer(bytes)
                while !rest.isEmpty {
                    guard isReady(descriptor, until: deadline) else { return false }
                    // A pipe that is ready takes so many bytes without blocking (pipe(7)).
                    let written = writeBytes(descriptor, rest.baseAddress, min(rest.count, Int(PIPE_BUF)))
                    guard written > 0 || errno == EINTR || errno == EAGAIN else { return false }
                    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(max(0, written)))
                }
                return true
            }
        }
    }

    private static func isReady(_ descriptor: Int32, until deadline: Int64) -> Bool {
        while true {
            let left = Int32(clamping: max(0, deadline - MonotonicClock.milliseconds()))
            var target = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let count = poll(&target, 1, left)
            if count < 0, errno == EINTR { continue }
            return count == 1 && Int32(target.revents) & POLLOUT != 0
        }
    }
}

/// `write(2)`, by a name that a method called `write` does not hide.
private func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
