internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// One of the files that a subcommand reads, or standard input. It is open as long as the object lives.
final class Input {
    /// As it was given.
    let name: String
    let descriptor: Int32

    /// The most that is read, and so committed, at once. Even empty lines keep the spool locked for less than a second.
    static let readSize = 262_144
    /// How much is still read after a signal: the most that a pipe holds (/proc/sys/fs/pipe-max-size).
    private static let readAfterSignal = 1_048_576

    /// - Parameter name: a path, or `-` for standard input.
    init(_ name: String) throws(Failure) {
        self.name = name
        guard name != "-" else {
            descriptor = STDIN_FILENO
            return
        }
        // Opening a named pipe must not wait for whoever writes, and take no notice of a signal: poll(2) waits for that.
        descriptor = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure(errno) }
    }

    deinit {
        if name != "-", descriptor >= 0 { close(descriptor) }
    }

    func failure(_ code: Int32) -> Failure {
        Failure(.failedIO, "can not read \(name == "-" ? "standard input" : name): \(String(cString: strerror(code)))")
    }

    /// Reads until the end of the input, a signal, or the closure says that it is enough. Returns `errno`, or 0.
    ///
    /// - Parameters:
    ///   - patience: for how long whole lines may stay back, in milliseconds.
    ///   - take: takes out of the lines what is complete, or has waited. True if it is enough.
    func read(
        into lines: inout LineBuffer,
        _ signals: TerminationSignals,
        patience: Int64,
        _ take: (inout LineBuffer, _ hasWaited: Bool) -> Bool
    ) -> Int32 {
        var left = Int.max
        var deadline: Int64?
        while left > 0 {
            var sources = [descriptor, signals.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            let isEnding = left <= Self.readAfterSignal
            let rest = deadline.map { Int32(clamping: max(0, $0 - MonotonicClock.milliseconds())) }
            poll(&sources, isEnding ? 1 : 2, isEnding ? 0 : rest ?? -1)
            if sources[1].revents != 0 { left = min(left, Self.readAfterSignal) }
            guard sources[0].revents != 0 else {
                if isEnding { return 0 }
                // Only where nothing more is there: so what has come is not torn because this process was slow.
                guard let due = deadline, due <= MonotonicClock.milliseconds() else { continue }
                deadline = nil
                if take(&lines, true) { return 0 }
                continue
            }
            let count = lines.fill { readBytes(descriptor, $0.baseAddress, min($0.count, Self.readSize)) }
            if count == 0 { return 0 }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                return errno
            }
            if left != .max { left -= count }
            let chunks = lines.chunks
            if take(&lines, false) { return 0 }
            // Another record is waiting from when the one before it was complete.
            if lines.chunks != chunks || !lines.holdsLines { deadline = nil }
            if lines.holdsLines { deadline = deadline ?? MonotonicClock.milliseconds() + patience }
        }
        return 0
    }
}

/// `read(2)`, by a name that the method does not hide.
private func readBytes(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}
