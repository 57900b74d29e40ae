#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import LogbeamCore

/// The room on a file system.
enum DiskSpace {
    /// How many bytes may be written beside a file, by statvfs(3); `.max` if that is not to be had. It knows of the quotas
    /// of directories on some file systems, and of those of users on none.
    @Sendable static func free(beside path: String) -> Int64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return .max }
        // Root may use what is reserved.
        let blocks = geteuid() == 0 ? status.f_bfree : status.f_bavail
        return Int64(clamping: blocks).multipliedSaturated(by: Int64(clamping: status.f_frsize))
    }

    /// The size of a file in bytes; 0 if it is not to be had.
    static func size(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
