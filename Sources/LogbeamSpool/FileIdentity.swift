#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Which file it is that a path leads to, whatever it holds.
package struct FileIdentity: Sendable, Hashable {
    private var device: UInt64
    private(set) var inode: UInt64

    /// What a look at a path finds.
    enum Finding: Equatable {
        case file(FileIdentity, size: Int)
        case nothing
        /// A directory, for example: nothing that was ever a spool.
        case other
        /// It can not be told: the process may have lost the right to look.
        case unknown
    }

    /// Opens nothing: to close a file that SQLite has open would free all locks of the process on it
    /// (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    static func look(at path: String) -> Finding {
        var status = stat()
        guard stat(path, &status) == 0 else { return errno == ENOENT || errno == ENOTDIR ? .nothing : .unknown }
        guard status.st_mode & S_IFMT == S_IFREG else { return .other }
        return .file(FileIdentity(status), size: Int(status.st_size))
    }

    /// `nil` if there is no regular file at the path, or none that can be looked at.
    init?(_ path: String) {
        guard case .file(let identity, _) = Self.look(at: path) else { return nil }
        self = identity
    }

    init(_ status: stat) {
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(truncatingIfNeeded: status.st_ino)
    }

    /// Whether the file, which this process has open, has no name any more, so that it ends with those who have it open.
    var isUnlinked: Bool {
        // SQLite does not tell its descriptors, and /proc may be out of reach. A file that is not found is taken for gone.
        let limit = sysconf(Int32(_SC_OPEN_MAX))
        // Less than zero where there is none.
        for descriptor in 0..<Int32(limit < 0 ? 65_536 : min(limit, 65_536)) {
            var status = stat()
            if fstat(descriptor, &status) == 0, FileIdentity(status) == self { return status.st_nlink == 0 }
        }
        return true
    }
}
