internal import LogbeamAWS
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Where the lines go: a file of its own that nobody else writes to, or standard output.
final class LineFile: Sendable {
    let name: String
    let descriptor: Int32
    /// A regular file, which standard output may be as well; no pipe, terminal or the like.
    let isFile: Bool
    private let isOurs: Bool
    /// A person reads: what could control a terminal is escaped.
    var isTerminal: Bool { !isFile && isatty(descriptor) == 1 }

    /// Opens a file to append to, which is made for its owner alone if it is missing.
    ///
    /// - Parameters:
    ///   - name: a path; `-` for standard output.
    ///   - standardOutput: where that goes.
    init(_ name: String, standardOutput: Int32 = STDOUT_FILENO) throws(Failure) {
        isOurs = name != "-"
        guard isOurs else {
            self.name = "standard output"
            descriptor = standardOutput
            var status = stat()
            isFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
            if isFile { try endLine() }
            return
        }
        self.name = name
        isFile = true
        var isNew = true
        let flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK
        var descriptor = open(name, flags | O_CREAT | O_EXCL, 0o600)
        if descriptor < 0, errno == EEXIST {
            isNew = false
            descriptor = open(name, flags)
        }
        guard descriptor >= 0 else { throw Self.failure(name, String(cString: strerror(errno))) }
        self.descriptor = descriptor
        if isNew {
            // Whatever the umask has taken away.
            fchmod(descriptor, 0o600)
            SpoolFile.syncDirectory(of: name)
        }
        try Self.verify(descriptor, name)
        try Self.endLastLine(descriptor, name)
    }

    deinit {
        if isOurs { close(descriptor) }
    }

    /// Where in the file is written next.
    var position: off_t {
        lseek(descriptor, 0, fcntl(descriptor, F_GETFL) & O_APPEND == 0 ? SEEK_CUR : SEEK_END)
    }

    /// Takes away what was written last; unless others have written before or after it meanwhile, for to standard output
    /// they may.
    func cut(_ count: Int, from start: off_t) {
        var status = stat()
        let end = start + off_t(count)
        guard lseek(descriptor, 0, SEEK_CUR) == end, fstat(descriptor, &status) == 0, status.st_size == end,
            ftruncate(descriptor, start) == 0
        else { return }
        lseek(descriptor, start, SEEK_SET)
    }

    /// Whatever was killed may have left half a line where standard output goes on. Where that can not be read, nobody
    /// knows.
    private func endLine() throws(Failure) {
        let reading = open("/dev/fd/\(descriptor)", O_RDONLY | O_CLOEXEC)
        guard reading >= 0 else { return }
        defer { close(reading) }
        let newline = [UInt8(ascii: "\n")]
        var last = newline
        guard pread(reading, &last, 1, position - 1) == 1, last != newline else { return }
        let code = StandardStreams.writeAll(newline, to: descriptor)
        if code != 0 { throw .output(code) }
    }

    /// Throws if what is logged would come into the hands of others, or between the lines of another process.
    private static func verify(_ descriptor: Int32, _ name: String) throws(Failure) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw failure(name, "it is not a regular file")
        }
        guard status.st_uid == geteuid() else { throw failure(name, "it belongs to the user \(status.st_uid)") }
        guard status.st_mode & (S_IWGRP | S_IWOTH) == 0 else { throw failure(name, "others can write to it") }
        guard status.st_nlink == 1 else { throw failure(name, "it has \(status.st_nlink) names") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw failure(name, "another process writes to it") }
    }

    /// A drain that was killed may have left half a line at the end, which is cut off: its record is still in the spool. A
    /// whole one that only lacks its end gets it. What does not begin like a line of ours is left alone.
    private static func endLastLine(_ descriptor: Int32, _ name: String) throws(Failure) {
        let size = lseek(descriptor, 0, SEEK_END)
        var start = size
        var tail: [UInt8] = []
        while start > 0 {
            let count = min(start, off_t(partSize))
            var part = [UInt8](repeating: 0, count: Int(count))
            guard pread(descriptor, &part, part.count, start - count) == part.count else {
                throw failure(name, String(cString: strerror(errno)))
            }
            if let end = part.lastIndex(of: UInt8(ascii: "\n")) {
                tail = Array(part[(end + 1)...]) + tail.prefix(beginning.count)
                start -= off_t(part.count - end - 1)
                break
            }
            tail = part + tail.prefix(beginning.count)
            start -= count
        }
        guard start < size else { return }
        guard beginning.starts(with: tail.prefix(beginning.count)) else {
            throw failure(name, "its last line has no end, and is none of JSON Lines; choose another file")
        }
        var line = [UInt8](repeating: 0, count: Int(min(size - start, longestLine)))
        let isWhole = pread(descriptor, &line, line.count, start) == size - start && JSONValue(line)?.isObject == true
        let isEnded =
            isWhole
            ? StandardStreams.writeAll([UInt8(ascii: "\n")], to: descriptor) == 0 : ftruncate(descriptor, start) == 0
        guard isEnded else { throw failure(name, String(cString: strerror(errno))) }
    }

    private static let partSize = 65_536
    /// No line of ours is longer: each byte of the longest message may take six in JSON.
    private static let longestLine: off_t = 8 << 20
    /// How each line of ``JSONLines`` begins.
    private static let beginning = Array(#"{"time":""#.utf8)

    private static func failure(_ name: String, _ reason: String) -> Failure {
        Failure(.failedIO, "can not append to \(name): \(reason)")
    }
}
