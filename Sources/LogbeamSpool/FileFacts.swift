#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// What the file system says of the file of a spool.
package struct FileFacts: Sendable, Equatable {
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
    package static func look(at path: String) -> FileFacts? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let free = DiskSpace.free(beside: path)
        return FileFacts(
            mode: Int(status.st_mode & 0o777),
            isWritable: access(path, W_OK) == 0 && access(SpoolSafety.split(path).directory, W_OK | X_OK) == 0,
            freeBytes: free == .max ? nil : Int(free)
        )
    }
}
