internal import LogbeamCore
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Commits the records of JSON Lines, each once.
struct Importer {
    struct Tally: Equatable {
        var records = 0
        /// Lines that are no records.
        var bad = 0
        /// Bytes that the command had committed before.
        var passedOver: Int64 = 0
    }

    private let spool: Spool
    private let signals: TerminationSignals
    private(set) var tally = Tally()
    /// A signal has come.
    private(set) var hasStopped = false
    /// That it waits for room.
    private var isTold = false
    private var streams: [Destination: Int64] = [:]
    /// The files that were read to their ends, as the spool knows them.
    private var finished: [String] = []

    /// So many bad lines are told one by one.
    static let toldLimit = 20
    /// Of so many streams the ids are remembered.
    private static let streamLimit = 10_000

    init(spool: Spool, signals: TerminationSignals) {
        self.spool = spool
        self.signals = signals
    }

    /// Where in a file an import is.
    private struct Place {
        var input: Input
        /// `nil` for what can not be recognised.
        var file: FileVersion?
        /// How many bytes of it are committed, and how many lines those are.
        var bytes: Int64 = 0
        var lines = 0
        /// The line that was last told of.
        var toldLine = 0

        var progress: AppendProgress? { file.map { .imported($0.name, bytes: bytes) } }
    }

    /// Imports a file from where the last import of it was stopped, to its end or to a signal.
    mutating func read(_ input: Input) throws(Failure) {
        var place = Place(input: input, file: input.name == "-" ? nil : FileVersion(input.descriptor))
        // Two at once would both begin at the same place. Where files can not be locked, nobody knows of the other.
        if place.file != nil, flock(input.descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            throw Failure(.uploadedElsewhere, "another process imports \(input.name) already, or writes to it")
        }
        try passOver(&place)
        var lines = LineBuffer(maximum: JSONLines.longestLine, readSize: Input.readSize)
        var failure: Failure?
        let code = input.read(into: &lines, signals, patience: 0) { lines, _ in
            lines.take(atEnd: false) { failure = commit($0, &place) }
            hasStopped = hasStopped || signals.haveCome
            return failure != nil || hasStopped
        }
        if let failure { throw failure }
        // The last line may be cut off, and is there again when the file is read on.
        hasStopped = hasStopped || signals.haveCome
        if hasStopped { return }
        if code != 0 { throw input.failure(code) }
        lines.take(atEnd: true) { failure = commit($0, &place) }
        if let failure { throw failure }
        if let file = place.file, !hasStopped { finished.append(file.name) }
    }

    /// Forgets how far the files were imported. Not before all are at their ends: the same command begins with the first.
    func forget() throws(Failure) {
        try report { () throws(SpoolError) in try spool.forgetImports(of: finished) }
    }

    /// Goes to where the last import of the file was stopped.
    private mutating func passOver(_ place: inout Place) throws(Failure) {
        guard let file = place.file else { return }
        try report { () throws(SpoolError) in place.bytes = try spool.importedBytes(of: file.name) }
        tally.passedOver += place.bytes
        var left = Int(place.bytes)
        var bytes = [UInt8](repeating: 0, count: Input.readSize)
        while left > 0 {
            let count = readFile(place.input.descriptor, &bytes, min(left, bytes.count))
            guard count > 0 else { throw place.input.failure(count == 0 ? EIO : errno) }
            place.lines += bytes[..<count].count { $0 == UInt8(ascii: "\n") }
            left -= count
        }
    }

    private func report(_ body: () throws(SpoolError) -> Void) throws(Failure) {
        do throws(SpoolError) {
            try body()
        } catch {
            throw Failure(error)
        }
    }

    /// Commits the records of a chunk in one transaction, with the place up to which they go. Returns what went wrong.
    private mutating func commit(_ chunk: LineBuffer.Chunk, _ place: inout Place) -> Failure? {
        // Messages are decoded into memory of our own.
        var memory: [UInt8] = []
        var records: [(destination: Destination, time: Int64, range: Range<Int>)] = []
        var number = place.lines + 1
        for (index, line) in chunk.messages.enumerated() {
            let continues = chunk.continuations.contains(index)
            if index > 0, !continues { number += 1 }
            guard line.contains(where: { !$0.isSpace }) else { continue }
            do throws(JSONLines.Fault) {
                if continues { throw JSONLines.Fault(description: "it is longer than any record") }
                let record = try JSONLines.readRecord(line)
                let start = memory.count
                memory += record.message.utf8
                records.append((record.destination, record.time, start..<memory.count))
            } catch {
                if number > place.toldLine { tell(error, line: number, of: place.input) }
                place.toldLine = number
            }
        }
        var next = place
        next.bytes += Int64(chunk.bytes.count)
        next.lines += chunk.bytes.count { $0 == UInt8(ascii: "\n") }
        do throws(SpoolError) {
            let known = try records.map { (record) throws(SpoolError) in
                (stream: try stream(record.destination), time: record.time, range: record.range)
            }
            try memory.withUnsafeBufferPointer { memory throws(SpoolError) in
                let new = known.map {
                    NewRecord(
                        stream: $0.stream,
                        timestamp: $0.time,
                        message: UnsafeBufferPointer(rebasing: memory[$0.range])
                    )
                }
                try append(new, next.progress)
            }
        } catch {
            if error.kind == .atLimit, signals.haveCome {
                hasStopped = true
                return nil
            }
            return Failure(error)
        }
        tally.records += records.count
        place = next
        return nil
    }

    /// Where there is no room, that is waited for in short turns, for a signal to be noticed.
    private mutating func append(_ records: [NewRecord], _ progress: AppendProgress?) throws(SpoolError) {
        while true {
            do throws(SpoolError) {
                try spool.append(records, progress: progress)
                return
            } catch {
                guard error.kind == .atLimit, !signals.haveCome else { throw error }
                if !isTold { StandardStreams.complain("waiting for room: \(error)") }
                isTold = true
            }
        }
    }

    private mutating func stream(_ destination: Destination) throws(SpoolError) -> Int64 {
        if let known = streams[destination] { return known }
        if streams.count >= Self.streamLimit { streams = [:] }
        let id = try spool.streamID(for: destination)
        streams[destination] = id
        return id
    }

    private mutating func tell(_ fault: JSONLines.Fault, line: Int, of input: Input) {
        tally.bad += 1
        guard tally.bad <= Self.toldLimit else { return }
        let name = input.name == "-" ? "standard input" : input.name
        StandardStreams.complain("line \(line) of \(name) is no record: \(fault.description)")
    }
}

/// A regular file as it is now: another one, or one that was changed, has another name here.
private struct FileVersion {
    var name: String

    /// `nil` for a pipe, a terminal and the like.
    init?(_ descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        #if canImport(Glibc)
        let changed = status.st_mtim
        #else
        let changed = status.st_mtimespec
        #endif
        name = "\(status.st_dev):\(status.st_ino):\(status.st_size):\(changed.tv_sec).\(changed.tv_nsec)"
    }
}

/// `read(2)`, by a name that the method does not hide.
private func readFile(_ descriptor: Int32, _ bytes: inout [UInt8], _ count: Int) -> Int {
    bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, count) }
}
