#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// A file that is only ever read, at any place. The owner frees.
final class ReadOnlyFile {
    /// Absolute and without symbolic links.
    let path: String
    /// In bytes, when it was opened.
    let size: Int
    private let descriptor: Int32

    /// Throws ``SpoolError/Kind/missing`` if there is no file, `notASpool` if it is no regular one, else `unwritable`.
    init(path: String) throws(SpoolError) {
        // A device or a pipe must not be waited for.
        descriptor = path.utf8.contains(0) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            guard errno != ENOENT else { throw SpoolError(.missing, path: path, message: "no such file") }
            throw SpoolError(.unwritable, path: path, message: "can not be read: \(reason)")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let resolved = realpath(path, nil)
        else {
            close(descriptor)
            throw SpoolError(.notASpool, path: path, message: "not a regular file")
        }
        defer { free(resolved) }
        self.path = String(cString: resolved)
        size = Int(status.st_size)
    }

    deinit {
        close(descriptor)
    }

    /// As many bytes as there are, at most `count`; `nil` if the disk does not give them.
    func read(_ count: Int, at offset: Int) -> [UInt8]? {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
            while length < count {
                let part = pread(descriptor, buffer.baseAddress! + length, count - length, off_t(offset + length))
                if part == 0 { return }
                if part > 0 {
                    length += part
                } else if errno != EINTR {
                    failed = true
                    return
                }
            }
        }
        return failed ? nil : bytes
    }

    /// How much is read at once where a file is read as a whole, in bytes.
    static let partSize = 1 << 20

    /// Whether there is a file at a path, and what it holds is what this one holds.
    func hasSameBytes(as path: String) -> Bool {
        guard let other = try? ReadOnlyFile(path: path), other.size == size else { return false }
        return stride(from: 0, to: size, by: Self.partSize).allSatisfy { offset in
            let bytes = read(Self.partSize, at: offset)
            return bytes != nil && bytes == other.read(Self.partSize, at: offset)
        }
    }

    /// Whether a path leads to this file.
    func isSame(as other: String) -> Bool {
        var ours = stat()
        var theirs = stat()
        return fstat(descriptor, &ours) == 0 && stat(other, &theirs) == 0 && FileIdentity(ours) == FileIdentity(theirs)
    }
}
