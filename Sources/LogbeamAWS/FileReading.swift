#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Why a file that exists could not be read.
enum FileReadError: Error, Equatable, CustomStringConvertible {
    case tooLarge(limit: Int)
    /// A pipe, a device, a socket.
    case notRegular
    /// The number is an `errno`.
    case system(Int32)

    var description: String {
        switch self {
        case .tooLarge(let limit): "the file is larger than \(limit) bytes"
        case .notRegular: "not a regular file"
        case .system(let code): String(cString: strerror(code))
        }
    }
}

/// The bytes of a file of at most `limit` bytes; `nil` if there is none of that name.
///
/// - Parameter isCancelled: where it is given, the bytes may come from a pipe or a device as well. They are waited for, a
///   minute at most, until this is true; it is asked every tenth of a second.
func readFile(
    _ path: String,
    limit: Int,
    waitingUnless isCancelled: (() -> Bool)? = nil
) throws(FileReadError) -> [UInt8]? {
    // Without O_NONBLOCK a pipe is opened only when somebody writes into it.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
        if errno == ENOENT || errno == ENOTDIR { return nil }
        throw .system(errno)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(errno) }
    let isRegular = status.st_mode & S_IFMT == S_IFREG
    if status.st_mode & S_IFMT == S_IFDIR { throw .system(EISDIR) }
    let deadline = ContinuousClock.now + .seconds(60)
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
        if !isRegular {
            guard let isCancelled else { throw .notRegular }
            if isCancelled() { throw .system(ECANCELED) }
            if ContinuousClock.now >= deadline { throw .system(ETIMEDOUT) }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&waiting, 1, 100) == 0 { continue }
        }
        let count = read(descriptor, &chunk, chunk.count)
        if count == 0 { return content }
        if count < 0 {
            if errno == EINTR || errno == EAGAIN { continue }
            throw .system(errno)
        }
        guard content.count + count <= limit else { throw .tooLarge(limit: limit) }
        content += chunk[..<count]
    }
}

/// Puts a file of mode 0600 in the place of what is there, in one step: whoever reads sees the one or the other.
func replaceFile(_ path: String, with content: [UInt8]) throws(FileReadError) {
    var template = Array("\(path).XXXXXX".utf8CString)
    // mkstemp makes it for its owner alone.
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw .system(errno) }
    defer { close(descriptor) }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    var written = 0
    while written < content.count {
        let count = content[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else {
            let code = errno
            unlink(template)
            throw .system(code)
        }
        written += count
    }
    guard rename(template, path) == 0 else {
        let code = errno
        unlink(template)
        throw .system(code)
    }
}
