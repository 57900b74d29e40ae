internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Commits records, and says what became of those that could not be committed.
struct Appender {
    private let path: String
    private var options: Spool.Options
    /// `nil` as long as it could not be opened.
    private var spool: LiveSpool?
    private(set) var reading: LineReading
    private(set) var echo: StandardOutput?
    /// How many records the spool has not taken.
    private(set) var unspooled = 0
    private let losses = Losses()
    private let signals: TerminationSignals
    private var isTold = false
    private var streams: [Destination: LiveStream] = [:]

    /// Of so many streams is remembered under which id the spool knows them.
    private static let streamLimit = 1_000
    /// For how long a commit waits, for room or for a lock, before a signal is looked for, in milliseconds.
    static let turn: Int64 = 1_000
    /// For how long lines wait for a lock, in milliseconds.
    private static let patience: Int64 = 30_000
    /// For how long lines wait for a lock when a signal has come, and lines before them have waited in vain: whoever commits
    /// is done within that.
    private static let haste = Duration.milliseconds(50)

    init(path: String, limit: SpoolLimit, reading: LineReading, signals: TerminationSignals, echo: StandardOutput?) {
        self.path = path
        let turn = Duration.milliseconds(Self.turn)
        options = Spool.Options(commitTimeout: turn, limit: limit).opening(within: turn)
        self.reading = reading
        self.signals = signals
        self.echo = echo
    }

    /// Opens the spool and makes a stream known to it, or throws why it can not. What may pass is tried again for each
    /// line: those that are there to be read must not be lost with this process.
    mutating func begin(with destination: Destination) throws(SpoolError) {
        do throws(SpoolError) {
            try open().prepare(stream(destination))
        } catch {
            guard error.mayPass else { throw error }
        }
    }

    private mutating func open() throws(SpoolError) -> LiveSpool {
        if let spool { return spool }
        let opened = try LiveSpool(path: path, options: options, report: { StandardStreams.complain($0) })
        spool = opened
        return opened
    }

    /// Commits the records of a chunk, in one transaction if there is room, and then echoes its bytes.
    mutating func append(_ chunk: LineBuffer.Chunk) {
        let now = WallClock.milliseconds()
        // By itself: the streams are looked up meanwhile.
        var reading = reading
        let isCommitted = reading.read(chunk.messages, at: now) { entries in
            var records = entries.map {
                LiveRecord(stream: stream($0.destination), timestamp: $0.timestamp, message: $0.message)
            }[...]
            do throws(SpoolError) {
                try commit(&records)
                return true
            } catch {
                lose(records, at: now, because: error)
                return false
            }
        }
        self.reading = reading
        guard isCommitted, let spool else { return }
        losses.note(in: spool)
        spool.moveRetired(holdsLease: false)
        guard echo?.error == nil else { return }
        echo?.write(chunk.bytes)
        if let echo, let code = echo.error, !echo.isUnread {
            StandardStreams.complain("\(Failure.output(code).message); going on without it")
        }
    }

    /// Writes into the spool how many records it has not taken, or has dropped, and tells the stream. What nobody could find
    /// in it later goes to standard error; throws if it can not be read.
    mutating func finish() throws(Failure) {
        guard let spool else { return }
        spool.look(isLast: true)
        let deadline = MonotonicClock.milliseconds() + Self.patience
        var start: Int64
        repeat {
            start = MonotonicClock.milliseconds()
            losses.note(in: spool, isLast: true)
            // Where it was not a lock that was waited for, there is nothing to wait for.
        } while losses.areUnwritten && !signals.haveCome && start + Self.turn <= MonotonicClock.milliseconds()
            && start < deadline
        spool.moveRetired(holdsLease: false, waitsForUploader: false)
        do throws(SpoolError) {
            try spool.forEachNameless { message in
                Self.tell(message)
                unspooled += 1
            }
        } catch {
            throw Failure(.failedIO, "what is pending in a file that has no name any more can not be read: \(error)")
        }
    }

    private mutating func stream(_ destination: Destination) -> LiveStream {
        if let known = streams[destination] { return known }
        if streams.count >= Self.streamLimit { streams = [:] }
        let stream = LiveStream(destination)
        streams[destination] = stream
        return stream
    }

    /// Takes away those that are committed. Where lines wait, for a lock or for room, that goes in short turns, for a signal
    /// to be noticed: then there is no waiting. For a part there may be room though for all at once there never is.
    private mutating func commit(_ records: inout ArraySlice<LiveRecord>) throws(SpoolError) {
        var count = records.count
        var deadline = MonotonicClock.milliseconds() + Self.patience
        while !records.isEmpty {
            let start = MonotonicClock.milliseconds()
            do throws(SpoolError) {
                try open().append(Array(records.prefix(count)))
                records = records.dropFirst(count)
                count = min(2 * count, records.count)
                deadline = MonotonicClock.milliseconds() + Self.patience
            } catch {
                if signals.haveCome {
                    hasten()
                    throw error
                }
                if error.kind == .busy, MonotonicClock.milliseconds() < deadline {
                    _ = signals.wait(until: start + Self.turn)
                    continue
                }
                guard error.kind == .atLimit, spool?.waitsForRoom == true else { throw error }
                deadline = MonotonicClock.milliseconds() + Self.patience
                let hasWaited = MonotonicClock.milliseconds() - start >= Self.turn
                if !isTold, hasWaited || count == 1 {
                    StandardStreams.complain("waiting for room: \(error)")
                    isTold = true
                }
                if count == 1 { _ = signals.wait(until: start + Self.turn) }
                count = (count + 1) / 2
            }
        }
    }

    /// Lets those that come have what there is of room and time, but wait no more: they are many, and whoever has sent the
    /// signal ends this process soon.
    private mutating func hasten() {
        options.commitTimeout = Self.haste
        options = options.opening(within: Self.haste)
        spool?.hasten(waitingFor: Self.haste)
    }

    private mutating func lose(_ records: ArraySlice<LiveRecord>, at time: Int64, because error: SpoolError) {
        for record in records {
            if losses.count(stream: record.stream, because: error, at: time) {
                StandardStreams.complain(error.description)
            }
            Self.tell(UnsafeRawBufferPointer(record.message))
        }
        unspooled += records.count
    }

    private static func tell(_ message: UnsafeRawBufferPointer) {
        let shown =
            isatty(STDERR_FILENO) == 1
            ? Array(String(decoding: message, as: UTF8.self).printable.utf8) : Array(message)
        StandardStreams.writeAll(
            Array("logbeam-spool: not spooled: ".utf8) + shown + [UInt8(ascii: "\n")],
            to: STDERR_FILENO
        )
    }
}
