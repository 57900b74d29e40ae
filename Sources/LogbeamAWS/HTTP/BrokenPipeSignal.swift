#if canImport(Glibc)
internal import Glibc
#endif

/// Keeps `SIGPIPE`, whose default is to end the process, away from whoever uses this library.
package enum BrokenPipeSignal {
    /// Runs a closure on whose thread writing to a closed connection is an error and no signal.
    ///
    /// libcurl would ignore the signal for the whole process during its calls, which other threads would notice; with
    /// CURLOPT_NOSIGNAL it leaves the matter to its caller. So the signal is blocked for this thread alone, and one that
    /// arose meanwhile is taken off before it is let through again.
    package static func whileBlocked<Result>(_ body: () -> Result) -> Result {
        #if canImport(Glibc)
        var brokenPipe = sigset_t()
        sigemptyset(&brokenPipe)
        sigaddset(&brokenPipe, SIGPIPE)
        var pending = sigset_t()
        sigpending(&pending)
        // One that is waiting already isn't ours to take.
        if sigismember(&pending, SIGPIPE) == 1 { return body() }
        var previous = sigset_t()
        pthread_sigmask(SIG_BLOCK, &brokenPipe, &previous)
        defer {
            var now = timespec()
            while sigtimedwait(&brokenPipe, nil, &now) == -1, errno == EINTR {}
            pthread_sigmask(SIG_SETMASK, &previous, nil)
        }
        return body()
        #else
        // On Darwin libcurl sets SO_NOSIGPIPE on each of its sockets.
        return body()
        #endif
    }
}
