internal import LogbeamCore

/// Tells of each message what its record is: when it was, which stream it is for, and its text. Pure: the present comes
/// in as a value.
struct LineReading {
    enum Format {
        /// A line is the message. Its time is in it, if there is a format for that.
        case lines(TimestampFormat?, TimestampFormat.Reading.Zone)
        /// A line is an object: see ``JSONLines/read(_:)``. Without `message` it is the message, as is one that is no such
        /// object.
        case json
    }

    struct Entry {
        var destination: Destination
        /// Milliseconds since 1970-01-01T00:00:00Z.
        var timestamp: Int64
        /// Valid UTF-8.
        var message: UnsafeBufferPointer<UInt8>
    }

    /// What is told in the end.
    struct Tally: Equatable {
        /// Lines that were to be objects and are not.
        var odd = 0
        /// Records that had a time of their own, and that could have had one.
        var withTime = 0
        var withoutTime = 0
        /// Older, or further ahead, than the service takes.
        var tooOld = 0
        var tooFarAhead = 0
        /// Messages that became several records because they were too long.
        var cut = 0
    }

    private let format: Format
    private let destination: Destination
    private let maximum: Int
    /// The time of the last record that had one.
    private var lastTime: Int64?
    private(set) var tally = Tally()

    /// - Parameters:
    ///   - destination: the stream of records that name none.
    ///   - maximum: the most bytes of a message.
    init(_ format: Format, destination: Destination, maximum: Int) {
        self.format = format
        self.destination = destination
        self.maximum = maximum
    }

    /// A text that is not in the input lies in memory of our own.
    private enum Text {
        case line(UnsafeBufferPointer<UInt8>)
        case decoded(Range<Int>)
    }

    /// - Parameters:
    ///   - messages: valid UTF-8, in the order of the input.
    ///   - now: in milliseconds since 1970-01-01T00:00:00Z.
    ///   - body: gets the records, valid for as long as it runs.
    mutating func read<Result>(
        _ messages: [UnsafeBufferPointer<UInt8>],
        at now: Int64,
        _ body: ([Entry]) -> Result
    ) -> Result {
        switch format {
        case .lines(nil, _):
            return body(messages.map { Entry(destination: destination, timestamp: now, message: $0) })
        case .lines(let timestamp?, let zone):
            return body(
                messages.map { message in
                    let own = timestamp.find(in: message)?.milliseconds(in: zone, now: now)
                    return Entry(destination: destination, timestamp: time(own, at: now), message: message)
                }
            )
        case .json:
            var memory: [UInt8] = []
            var records: [(destination: Destination, time: Int64, text: Text)] = []
            for message in messages { readObject(message, at: now, &memory, &records) }
            return memory.withUnsafeBufferPointer { memory in
                var entries: [Entry] = []
                for record in records {
                    let message =
                        switch record.text {
                        case .line(let line): line
                        case .decoded(let range): UnsafeBufferPointer(rebasing: memory[range])
                        }
                    appendPieces(
                        Entry(destination: record.destination, timestamp: record.time, message: message),
                        to: &entries
                    )
                }
                return body(entries)
            }
        }
    }

    private mutating func readObject(
        _ line: UnsafeBufferPointer<UInt8>,
        at now: Int64,
        _ memory: inout [UInt8],
        _ records: inout [(destination: Destination, time: Int64, text: Text)]
    ) {
        guard let object = try? JSONLines.read(line) else {
            tally.odd += 1
            return records.append((destination, now, .line(line)))
        }
        let time = object.time ?? now
        if object.time != nil { note(time, at: now) }
        var text = Text.line(line)
        if let message = object.message {
            let start = memory.count
            memory += message.utf8
            text = .decoded(start..<memory.count)
        }
        let named = Destination(
            logGroup: object.logGroup ?? destination.logGroup,
            logStream: object.logStream ?? destination.logStream
        )
        records.append((named, time, text))
    }

    /// A message of an object may be longer than one record may be.
    private mutating func appendPieces(_ entry: Entry, to entries: inout [Entry]) {
        var entry = entry
        if entry.message.count > maximum { tally.cut += 1 }
        while entry.message.count > maximum {
            let end = LineBuffer.cut(entry.message, from: 0, maximum: maximum)
            var piece = entry
            piece.message = UnsafeBufferPointer(rebasing: entry.message[..<end])
            entries.append(piece)
            entry.message = UnsafeBufferPointer(rebasing: entry.message[end...])
        }
        entries.append(entry)
    }

    /// A line without a time is of the time of the line before it.
    private mutating func time(_ own: Int64?, at now: Int64) -> Int64 {
        guard let own else {
            tally.withoutTime += 1
            return lastTime ?? now
        }
        tally.withTime += 1
        lastTime = own
        note(own, at: now)
        return own
    }

    private mutating func note(_ time: Int64, at now: Int64) {
        if time < now - BatchLimits.maximumAge { tally.tooOld += 1 }
        if time > now + BatchLimits.maximumAhead { tally.tooFarAhead += 1 }
    }
}
