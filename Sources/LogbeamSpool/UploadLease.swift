#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The right to upload from a spool: one process has it at a time.
///
/// An advisory lock on a file beside the spool. The kernel frees it when its process ends, however it ends; no stale lease
/// is possible. The file says who holds it, for people and for `status`.
package final class UploadLease: Sendable {
    /// Who holds a lease.
    package struct Holder: Sendable, Equatable {
        package var processID: Int32
        package var host: String
    }

    private let descriptor: Int32

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// The lease of the spool at `path`; `nil` if another holder has it.
    package static func acquire(spool path: String) throws(SpoolError) -> UploadLease? {
        let file = leasePath(path)
        let descriptor = open(file, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw SpoolError(
                .unwritable,
                path: path,
                message: "can not open \(file): \(String(cString: strerror(errno)))"
            )
        }
        var lock = wholeFile
        guard fcntl(descriptor, setLock, &lock) == 0 else {
            let isHeld = errno == EAGAIN || errno == EACCES
            let reason = String(cString: strerror(errno))
            close(descriptor)
            if isHeld { return nil }
            throw SpoolError(.unwritable, path: path, message: "can not lock \(file): \(reason)")
        }
        // Whatever the umask has taken away.
        fchmod(descriptor, 0o600)
        SpoolSafety.giveToOwner(descriptor, ofSpool: path)
        let holder = "\(getpid()) \(hostName())\n"
        ftruncate(descriptor, 0)
        _ = holder.withCString { pwrite(descriptor, $0, strlen($0), 0) }
        return UploadLease(descriptor: descriptor)
    }

    /// Who uploads from the spool at `path` now; `nil` if nobody does. Takes no lock itself.
    package static func holder(spool path: String) -> Holder? {
        let descriptor = open(leasePath(path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var lock = wholeFile
        guard fcntl(descriptor, getLock, &lock) == 0, Int32(lock.l_type) != Int32(F_UNLCK) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(whereSeparator: \.isWhitespace)
        return Holder(
            processID: words.first.flatMap { Int32($0) } ?? 0,
            host: words.dropFirst().first.map(String.init) ?? "unknown"
        )
    }

    /// Beside the file itself, so that there is one lease however many symbolic links lead to the spool.
    private static func leasePath(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path + "-uploader" }
        defer { free(resolved) }
        return String(cString: resolved) + "-uploader"
    }

    #if os(Linux)
    // Glibc hides both behind _GNU_SOURCE; the numbers are Linux's (include/uapi/asm-generic/fcntl.h).
    private static let setLock: Int32 = 37
    private static let getLock: Int32 = 36
    #else
    private static let setLock = F_OFD_SETLK
    private static let getLock = F_OFD_GETLK
    #endif

    /// An exclusive lock of the open file description: unlike a lock of the process, it holds against other openings in
    /// the same process, and it is not lost when one of them closes (fcntl(2), "Open file description locks").
    private static var wholeFile: flock {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        return lock
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
