#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// A file that is open, and may be locked exclusively: the lock belongs to this opening. So unlike a lock of the process it
/// holds against other openings in the same process, is not lost when one of them closes, and ends with the process at the
/// latest (fcntl(2), "Open file description locks"). Thread-safe.
final class LockedFile: Sendable {
    let descriptor: Int32
    private let forkNumber = ForkGate.number

    /// - Parameter descriptor: belongs to this from now on.
    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        // Processes that are forked while it is open share its lock with this one, until they close it.
        ForkGate.add(descriptor: descriptor)
    }

    deinit {
        // The lock is the parent's, who needs it.
        guard forkNumber == ForkGate.number else { return }
        ForkGate.remove(descriptor: descriptor)
        // To close it would not do: a process that is just being started still has the descriptor until its exec, and with
        // it the lock.
        var lock = Self.wholeFile(F_UNLCK)
        _ = fcntl(descriptor, Self.setLock, &lock)
        close(descriptor)
    }

    /// False if another has the lock; `nil` if the file can not be locked: see `errno`.
    func lock() -> Bool? {
        var lock = Self.wholeFile(F_WRLCK)
        if fcntl(descriptor, Self.setLock, &lock) == 0 { return true }
        return errno == EAGAIN || errno == EACCES ? false : nil
    }

    /// Whether another has the lock. Takes none.
    var isLocked: Bool {
        var lock = Self.wholeFile(F_WRLCK)
        return fcntl(descriptor, Self.getLock, &lock) == 0 && Int32(lock.l_type) != Int32(F_UNLCK)
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
