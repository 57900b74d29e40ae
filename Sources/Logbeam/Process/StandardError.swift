#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import LogbeamAWS
internal import LogbeamSpool

/// The last resort for a record that the spool could not take, and what a process tells that must not be held up.
package enum StandardError {
    /// Writes a line, or gives up: a reader that does not read must not hold up `log()`, and one that is gone must not
    /// end the process by `SIGPIPE`.
    ///
    /// - Returns: false if not all of it could be written within a tenth of a second.
    @discardableResult
    package static func write(line: String) -> Bool {
        let deadline = MonotonicClock.milliseconds() + 100
        var line = line + "\n"
        return BrokenPipeSignal.whileBlocked {
            line.withUTF8 { bytes in
                var rest = UnsafeRawBufferPointer(bytes)
                while !rest.isEmpty {
                    let left = Int32(clamping: deadline - MonotonicClock.milliseconds())
                    var target = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
                    guard left > 0, poll(&target, 1, left) == 1, Int32(target.revents) & POLLOUT != 0 else {
                        return false
                    }
                    // A pipe that is ready takes PIPE_BUF bytes without blocking (pipe(7)).
                    let written = writeBytes(STDERR_FILENO, rest.baseAddress, min(rest.count, 4096))
                    guard written > 0 else { return false }
                    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
                }
                return true
            }
        }
    }
}

/// `write(2)`, by a name that a method called `write` does not hide.
private func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
