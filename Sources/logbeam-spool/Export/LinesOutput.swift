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
            """
            The file to make, which must not exist; it is readable for its owner alone, and there once it is whole. '-' is \
            standard output.
            """,
            valueName: "file"
        ),
        completion: .file()
    )
    var to = "-"

    func validate() throws {
        if to.isEmpty { throw ValidationError("--to is \"\"; it must be the path of a file, or '-'") }
    }

    func open() throws -> LinesOutput {
        return try LinesOutput(to, to == "-" ? nil : .watch())
    }
}

/// Where JSON Lines go: a new file, or standard output.
///
/// The file is made beside its place, under its name with six random characters at the end, and appears there complete:
/// half of one can not be told from a whole one.
final class LinesOutput {
    private let name: String
    private let descriptor: Int32
    private let draft: String?
    private let signals: TerminationSignals?
    /// Nobody reads standard output any more.
    private(set) var hasEnded = false

    /// - Parameters:
    ///   - name: the path of a file, which is made and must not exist, or `-`.
    ///   - signals: what ends it before it is whole.
    init(_ name: String, _ signals: TerminationSignals?) throws(Failure) {
        self.name = name
        self.signals = signals
        guard name != "-" else {
            descriptor = STDOUT_FILENO
            draft = nil
            return
        }
        var status = stat()
        if lstat(name, &status) == 0 { throw Self.notMade(name, EEXIST) }
        var template = Array("\(name).draft-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Self.notMade(name, errno) }
        draft = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        // Whatever the umask.
        fchmod(descriptor, 0o600)
    }

    deinit {
        guard let draft else { return }
        unlink(draft)
        close(descriptor)
    }

    func write(_ records: [StoredRecord]) throws(Failure) {
        if signals?.haveCome == true { throw Failure(.recordsRemain, "stopped by a signal; \(name) was not made") }
        var lines: [UInt8] = []
        for record in records { lines.append(record, isRead: name == "-" && isatty(STDOUT_FILENO) == 1) }
        let code = StandardStreams.writeAll(lines, to: descriptor)
        if name == "-", code == EPIPE {
            hasEnded = true
        } else if code != 0 {
            throw failure(code)
        }
    }

    /// The file is there, and stays, whatever becomes of the machine.
    func finish() throws(Failure) {
        guard let draft else { return }
        if fsync(descriptor) != 0 { throw failure(errno) }
        guard link(draft, name) == 0 || (errno != EEXIST && renameWithoutLink(draft)) else {
            throw Self.notMade(name, errno)
        }
        SpoolFile.syncDirectory(of: name)
    }

    /// Where there are no hard links, as in FAT: rename(2) takes the place of nothing but an empty file of ours.
    private func renameWithoutLink(_ draft: String) -> Bool {
        let place = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard place >= 0 else { return false }
        close(place)
        if rename(draft, name) == 0 { return true }
        unlink(name)
        return false
    }

    private static func notMade(_ name: String, _ code: Int32) -> Failure {
        let reason =
            code == EEXIST ? "it exists already; choose another name, or delete it" : String(cString: strerror(code))
        return Failure(.failedIO, "can not make \(name): \(reason)")
    }

    private func failure(_ code: Int32) -> Failure {
        guard name != "-" else { return .output(code) }
        return Failure(.failedIO, "can not write to \(name): \(String(cString: strerror(code)))")
    }
}
