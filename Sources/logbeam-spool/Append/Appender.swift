internal import Logbeam
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Commits lines, and says what became of those that could not be committed.
struct Appender {
    private let spool: LiveSpool
    private let stream: LiveStream
    private(set) var echo: Echo?
    /// How many records the spool has not taken.
    private(set) var unspooled = 0
    private let losses = Losses()
    private let signals: TerminationSignals
    private var isTold = false

    init(spool: LiveSpool, stream: LiveStream, signals: TerminationSignals, echo: Echo?) {
        self.spool = spool
        self.stream = stream
        self.signals = signals
        self.echo = echo
    }

    /// Commits the messages of a chunk in one transaction, and then echoes its bytes.
    mutating func append(_ chunk: LineBuffer.Chunk) {
        let now = WallClock.milliseconds()
        do throws(SpoolError) {
            try commit(chunk.messages, at: now)
        } catch {
            return lose(chunk.messages, at: now, because: error)
        }
        losses.note(in: spool)
        spool.settle(holdsLease: false)
        echo?.write(chunk.bytes)
    }

    /// Writes into the spool how many records it has not taken, or has dropped, and tells the stream.
    func finish() {
        losses.note(in: spool, isLast: true)
    }

    /// Where lines are to wait for room, that goes in short turns, for a signal to be noticed: then there is no waiting.
    private mutating func commit(_ messages: [UnsafeBufferPointer<UInt8>], at time: Int64) throws(SpoolError) {
        while true {
            do throws(SpoolError) {
                try spool.append(to: stream, timestamp: time, messages: messages)
                return
            } catch {
                guard error.kind == .atLimit, spool.waitsForRoom, !signals.haveCome else { throw error }
                if !isTold { StandardStreams.complain("waiting for room: \(error)") }
                isTold = true
            }
        }
    }

    private mutating func lose(_ messages: [UnsafeBufferPointer<UInt8>], at time: Int64, because error: SpoolError) {
        if losses.count(messages.count, stream: stream, because: error, at: time) {
            StandardStreams.complain(error.description)
        }
        for message in messages {
            StandardStreams.writeAll(
                Array("logbeam-spool: not spooled: ".utf8) + message + [UInt8(ascii: "\n")],
                to: STDERR_FILENO
            )
        }
        unspooled += messages.count
    }
}

/// Standard output as `--tee` writes it: a reader that is gone, or does not read after a signal, ends it.
struct Echo {
    private let signals: TerminationSignals
    /// Nobody takes what is written any more.
    private var hasEnded = false
    /// Why write(2) refused, as `errno`.
    private(set) var error: Int32?

    /// A pipe that is ready takes so many bytes without blocking (PIPE_BUF, pipe(7)).
    private static let atomicSize = 4_096
    /// How long a reader may take for what was committed before a signal, in milliseconds.
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
            let count = writeBytes(STDOUT_FILENO, rest.baseAddress, min(rest.count, Self.atomicSize))
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
private func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
