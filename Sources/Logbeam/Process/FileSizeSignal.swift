#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// `SIGXFSZ`, by which the system ends a process that writes beyond its limit for the size of files (setrlimit(2),
/// RLIMIT_FSIZE; `ulimit -f`, or `LimitFSIZE` of systemd), unless it is ignored: then the write fails.
enum FileSizeSignal {
    /// Has it ignored from now on, if nobody has said what is to become of it: to log must not end a process.
    static func ignoreByDefault() { _ = once }

    private static let once: Void = {
        var action = sigaction()
        guard sigaction(SIGXFSZ, nil, &action) == 0 else { return }
        // SIG_DFL is the address 0 (signal.h), which Swift has as no handler at all.
        #if canImport(Glibc)
        let isDefault = action.__sigaction_handler.sa_handler == nil
        #else
        let isDefault = action.__sigaction_u.__sa_handler == nil
        #endif
        if isDefault { signal(SIGXFSZ, SIG_IGN) }
    }()
}
