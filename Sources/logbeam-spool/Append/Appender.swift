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
    private let spool: LiveSpool
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

    init(spool: LiveSpool, reading: LineReading, signals: TerminationSignals, echo: StandardOutput?) {
        self.spool = spool
        self.reading = reading
        self.signals = signals
        self.echo = echo
    }

    /// Commits the records of a chunk in one transaction, and then echoes its bytes.
    mutating func append(_ chunk: LineBuffer.Chunk) {
        let now = WallClock.milliseconds()
        // By itself: the streams are looked up meanwhile.
        var reading = reading
        let isCommitted = reading.read(chunk.messages, at: now) { entries in
            let records = entries.map {
                LiveRecord(stream: stream($0.destination), timestamp: $0.timestamp, message: $0.message)
            }
            do throws(SpoolError) {
                try commit(records)
                return true
            } catch {
                lose(records, at: now, because: error)
                return false
            }
        }
        self.reading = reading
        guard isCommitted else { return }
        losses.note(in: spool)
        spool.settle(holdsLease: false)
        guard echo?.error == nil else { return }
        echo?.write(chunk.bytes)
        if let echo, let code = echo.error, !echo.isUnread {
            StandardStreams.complain("\(Failure.output(code).message); going on without it")
        }
    }

    /// Writes into the spool how many records it has not taken, or has dropped, and tells the stream.
    func finish() {
        losses.note(in: spool, isLast: true)
    }

    private mutating func stream(_ destination: Destination) -> LiveStream {
        if let known = streams[destination] { return known }
        if streams.count >= Self.streamLimit { streams = [:] }
        let stream = LiveStream(destination)
        streams[destination] = stream
        return stream
    }

    /// Where lines are to wait for room, that goes in short turns, for a signal to be noticed: then there is no waiting.
    private mutating func commit(_ records: [LiveRecord]) throws(SpoolError) {
        while true {
            do throws(SpoolError) {
                try spool.append(records)
                return
            } catch {
                guard error.kind == .atLimit, spool.waitsForRoom, !signals.haveCome else { throw error }
                if !isTold { StandardStreams.complain("waiting for room: \(error)") }
                isTold = true
            }
        }
    }

    private mutating func lose(_ records: [LiveRecord], at time: Int64, because error: SpoolError) {
        for record in records {
            if losses.count(stream: record.stream, because: error, at: time) {
                StandardStreams.complain(error.description)
            }
            StandardStreams.writeAll(
                Array("logbeam-spool: not spooled: ".utf8) + record.message + [UInt8(ascii: "\n")],
                to: STDERR_FILENO
            )
        }
        unspooled += records.count
    }
}
