internal import LogbeamCore
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Writes records to standard output as they come.
final class TailOutput {
    private let isJSON: Bool
    private let terminal: Terminal?
    private var output: StandardOutput
    /// Nobody reads any more.
    var hasEnded: Bool { output.isUnread }

    init(isJSON: Bool, terminal: Terminal?, signals: TerminationSignals) {
        self.isJSON = isJSON
        self.terminal = terminal
        output = StandardOutput(signals: signals)
    }

    func write(_ records: [StoredRecord]) throws(Failure) {
        var bytes: [UInt8] = []
        for record in records {
            if isJSON { bytes.append(record, isRead: terminal != nil) } else { bytes += line(record).utf8 }
        }
        bytes.withUnsafeBufferPointer { output.write($0) }
        if let code = output.error, !hasEnded { throw .output(code) }
    }

    func line(_ record: StoredRecord) -> String {
        let message = String(decoding: record.message, as: UTF8.self)
        let (group, stream) = (record.destination.logGroup, record.destination.logStream)
        guard let terminal else {
            let time = UTCTime(millisecondsSinceEpoch: record.timestamp).iso8601
            return [time, group, stream, message].map(\.printable).joined(separator: "\t") + "\n"
        }
        let time = terminal.painted(terminal.zone.text(record.timestamp, milliseconds: true), .faint)
        let lines = message.printableLines
        return "\(time)  \("\(group) \(stream)".printable)  \(lines.joined(separator: "\n    "))\n"
    }

    /// Waits for so many milliseconds. True if a signal comes, or nobody reads any more: then it is over.
    func wait(_ milliseconds: Int64, _ signals: TerminationSignals) -> Bool {
        // That the reading end of a pipe is closed is told without being asked for (poll(2), POLLERR).
        var sources = [
            pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: STDOUT_FILENO, events: 0, revents: 0),
        ]
        poll(&sources, 2, Int32(clamping: milliseconds))
        return sources[0].revents != 0 || sources[1].revents & Int16(POLLERR) != 0
    }
}
