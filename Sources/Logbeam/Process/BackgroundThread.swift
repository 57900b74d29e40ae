#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The system has no thread left to give.
package struct ThreadError: Error, CustomStringConvertible {
    package var message: String
    package var description: String { message }
}

/// Runs blocking work on a thread of its own: SQLite and curl must not hold up Swift's cooperative pool.
package enum BackgroundThread {
    /// Starts a thread. It takes no signals: those belong to the application's threads.
    ///
    /// - Parameters:
    ///   - name: at most 15 bytes, for `top -H` and debuggers.
    ///   - niceness: by how much it is nicer than the calling thread (nice(2)); on Linux alone.
    /// - Throws: ``ThreadError`` if the system has no thread left to give.
    package static func start(
        name: String,
        niceness: Int32 = 0,
        _ body: @escaping @Sendable () -> Void
    ) throws(ThreadError) {
        let work = Unmanaged.passRetained(Work(name: name, niceness: niceness, body: body))
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
        #if os(Linux)
        var thread = pthread_t()
        #else
        var thread: pthread_t?
        #endif
        let code = pthread_create(&thread, nil, runWork, work.toOpaque())
        guard code == 0 else {
            work.release()
            throw ThreadError(message: "the system has no thread left: \(String(cString: strerror(code)))")
        }
        #if os(Linux)
        pthread_detach(thread)
        #else
        if let thread { pthread_detach(thread) }
        #endif
    }

    fileprivate final class Work: Sendable {
        let name: String
        let niceness: Int32
        let body: @Sendable () -> Void

        init(name: String, niceness: Int32, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.niceness = niceness
            self.body = body
        }
    }
}

#if os(Linux)
private func runWork(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let work = Unmanaged<BackgroundThread.Work>.fromOpaque(context).takeRetainedValue()
    setName(work.name)
    makeModest(niceness: work.niceness)
    work.body()
    return nil
}

/// When it wakes up, it does not take the core from a thread of the application, which may be in `log()` and have the lock
/// (sched(7), `SCHED_BATCH`). Where the application has a policy of its own, that is inherited.
private func makeModest(niceness: Int32) {
    // That of this thread alone, unlike what POSIX says (setpriority(2)).
    if niceness > 0 { _ = nice(niceness) }
    guard sched_getscheduler(0) == SCHED_OTHER else { return }
    // Hidden from Swift by Glibc, like the name.
    let batch: Int32 = 3
    var parameters = sched_param()
    _ = sched_setscheduler(0, batch, &parameters)
}

/// Glibc hides `pthread_setname_np` from Swift; this file is what it writes to (proc(5)).
private func setName(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = name.withCString { write(descriptor, $0, strlen($0)) }
    close(descriptor)
}
#else
private func runWork(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let work = Unmanaged<BackgroundThread.Work>.fromOpaque(context).takeRetainedValue()
    pthread_setname_np(work.name)
    work.body()
    return nil
}
#endif
