#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// What the file system says of a spool.
package struct SpoolFiles: Sendable, Equatable {
    /// The permission bits of the file.
    package var mode: Int
    /// Whether this process may write to the file and make others beside it.
    package var isWritable: Bool
    /// What is free on its disk for this user, in bytes; `nil` if the system does not tell.
    package var freeBytes: Int?

    package init(mode: Int, isWritable: Bool, freeBytes: Int?) {
        self.mode = mode
        self.isWritable = isWritable
        self.freeBytes = freeBytes
    }

    /// `nil` if there is no file at the path.
    package static func look(at path: String) -> SpoolFiles? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let free = DiskSpace.free(beside: path)
        return SpoolFiles(
            mode: Int(status.st_mode & 0o777),
            isWritable: access(path, W_OK) == 0 && access(directory, W_OK | X_OK) == 0,
            freeBytes: free == .max ? nil : Int(free)
        )
    }
}

extension SpoolFiles {
    /// Whether a file is called like what lies beside a spool: its log, its lease, a draft, a journal, what was set aside.
    package static func isCompanion(_ path: String) -> Bool {
        let name = SpoolSafety.split(path).name
        return SpoolSafety.companions.contains { name.hasSuffix($0) || name.hasSuffix($0 + "-next") }
            || [SpoolSafety.draftSuffix, Quarantine.infix, JournalFile.infix].contains { part in
                name.indices.contains { name[$0...].hasPrefix(part) }
            }
    }
}
