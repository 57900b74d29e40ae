internal import ArgumentParser
internal import LogbeamCore
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The option of subcommands that write JSON Lines.
struct LinesTarget: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The file to make, which must not exist; it is readable for its owner alone. '-' is standard output.",
            valueName: "file"
        )
    )
    var to = "-"

    func validate() throws {
        if to.isEmpty { throw ValidationError("--to is \"\"; it must be the path of a file, or '-'") }
    }

    func open() throws(Failure) -> LinesOutput {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        return try LinesOutput(to)
    }
}

/// Where JSON Lines go: a new file, or standard output.
final class LinesOutput {
    private let name: String
    private let descriptor: Int32
    /// Nobody reads standard output any more.
    private(set) var hasEnded = false

    /// - Parameter name: the path of a file, which is made and must not exist, or `-`.
    init(_ name: String) throws(Failure) {
        self.name = name
        guard name != "-" else {
            descriptor = STDOUT_FILENO
            return
        }
        descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure(.failedIO, "can not make \(name): \(String(cString: strerror(errno)))")
        }
        // Whatever the umask.
        fchmod(descriptor, 0o600)
    }

    deinit {
        if name != "-", descriptor >= 0 { close(descriptor) }
    }

    func write(_ records: [StoredRecord]) throws(Failure) {
        var lines: [UInt8] = []
        for record in records { lines.append(record, isRead: name == "-" && isatty(STDOUT_FILENO) == 1) }
        let code = StandardStreams.writeAll(lines, to: descriptor)
        if name == "-", code == EPIPE {
            hasEnded = true
        } else if code != 0 {
            throw failure(code)
        }
    }

    /// What was written stays, whatever becomes of the machine.
    func finish() throws(Failure) {
        if name != "-", fsync(descriptor) != 0 { throw failure(errno) }
    }

    private func failure(_ code: Int32) -> Failure {
        guard name != "-" else { return .output(code) }
        return Failure(.failedIO, "can not write to \(name): \(String(cString: strerror(code)))")
    }
}

extension [UInt8] {
    /// Appends the line of a record; with its reason and when it was rejected, if it was.
    ///
    /// - Parameter isRead: by a person: what could control a terminal is escaped.
    mutating func append(_ record: StoredRecord, isRead: Bool = false) {
        var members: [(name: String, text: String)] = []
        if let rejection = record.rejection {
            members = [
                ("reason", rejection.reason),
                ("rejected_at", UTCTime(millisecondsSinceEpoch: rejection.time).iso8601), ("id", "\(record.id)"),
            ]
        }
        let start = count
        record.message.withUnsafeBufferPointer {
            JSONLines.append(
                time: record.timestamp,
                destination: record.destination,
                message: $0,
                members: members,
                to: &self
            )
        }
        guard isRead else { return }
        // In a line of JSON what is unprintable stands in strings alone, but for its end.
        let line = String(decoding: self[start...].dropLast(), as: UTF8.self).printable
        replaceSubrange(start..., with: Array(line.utf8) + [UInt8(ascii: "\n")])
    }
}
