#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// An exclusive lock on a whole file that belongs to the opening of it: unlike a lock of the process, it holds against other
/// openings in the same process, is not lost when one of them closes, and ends with the process at the latest (fcntl(2),
/// "Open file description locks").
enum OpenFileLock {
    /// False if another has the lock; `nil` if the file can not be locked: see `errno`.
    static func lock(_ descriptor: Int32) -> Bool? {
        var lock = wholeFile(F_WRLCK)
        if fcntl(descriptor, setLock, &lock) == 0 { return true }
        return errno == EAGAIN || errno == EACCES ? false : nil
    }

    /// To be called before a locked file is closed: a process that is just being started still has the descriptor until its
    /// exec, and with it the lock.
    static func unlock(_ descriptor: Int32) {
        var lock = wholeFile(F_UNLCK)
        _ = fcntl(descriptor, setLock, &lock)
    }

    /// Whether anybody has the lock. Takes none.
    static func isLocked(_ descriptor: Int32) -> Bool {
        var lock = wholeFile(F_WRLCK)
        return fcntl(descriptor, getLock, &lock) == 0 && Int32(lock.l_type) != Int32(F_UNLCK)
    }

    private static func wholeFile(_ type: Int32) -> flock {
        var lock = flock()
        lock.l_type = Int16(type)
        lock.l_whence = Int16(SEEK_SET)
        return lock
    }

    #if os(Linux)
    // Glibc hides both behind _GNU_SOURCE; the numbers are Linux's (include/uapi/asm-generic/fcntl.h).
    private static let setLock: Int32 = 37
    private static let getLock: Int32 = 36
    #else
    private static let setLock = F_OFD_SETLK
    private static let getLock = F_OFD_GETLK
    #endif
}
