#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Why a file that exists could not be read.
enum FileReadError: Error, Equatable, CustomStringConvertible {
    case tooLarge(limit: Int)
    /// The number is an `errno`.
    case system(Int32)

    var description: String {
        switch self {
        case .tooLarge(let limit): "the file is larger than \(limit) bytes"
        case .system(let code): String(cString: strerror(code))
        }
    }
}

/// The bytes of a file of at most `limit` bytes; `nil` if there is none of that name.
func readFile(_ path: String, limit: Int) throws(FileReadError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        if errno == ENOENT || errno == ENOTDIR { return nil }
        throw .system(errno)
    }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count == 0 { return content }
        if count < 0 {
            if errno == EINTR { continue }
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
