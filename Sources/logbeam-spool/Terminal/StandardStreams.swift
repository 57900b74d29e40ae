#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The three descriptors that a process is started with.
enum StandardStreams {
    /// Takes the numbers of those that were closed. Otherwise a file of the spool could get one, and what is meant for
    /// people would be written into it. To use one is still an error, for nobody has what is written there.
    static func open() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
            _ = openFile("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// Writes one line for people to standard error.
    static func complain(_ message: String) {
        writeAll(Array("logbeam-spool: \(message.printable)\n".utf8), to: STDERR_FILENO)
    }

    /// Writes text to standard output; what can not be written is an error of the command. Returns false if nobody reads
    /// any more.
    @discardableResult
    static func print(_ text: String) throws(Failure) -> Bool {
        let code = writeAll(Array(text.utf8), to: STDOUT_FILENO)
        guard code == 0 || code == EPIPE else { throw .output(code) }
        return code == 0
    }

    /// Writes all bytes, however long it takes. Returns `errno`, or 0.
    @discardableResult
    static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var target = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&target, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }
}

extension Failure {
    static func output(_ code: Int32) -> Failure {
        Failure(.failedIO, "can not write to standard output: \(String(cString: strerror(code)))")
    }
}

/// `open(2)`, by a name that the method does not hide.
private func openFile(_ path: String, _ flags: Int32) -> Int32 {
    open(path, flags)
}
