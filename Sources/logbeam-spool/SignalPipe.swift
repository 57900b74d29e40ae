internal import Logbeam

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// A pipe in which a thread tells of signals. It takes them by sigwait(3): none of our code runs in a signal handler.
struct SignalPipe: Sendable {
    let reading: Int32
    let writing: Int32

    init() throws(Failure) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw Failure(.failedIO, "can not make a pipe: \(String(cString: strerror(errno)))")
        }
        (reading, writing) = (ends[0], ends[1])
    }

    /// From here on the signals do what the closure does, and no more. To be called before any other thread is started.
    func take(_ numbers: [Int32], threadName: String, _ body: @escaping @Sendable (Int32) -> Void) throws(ThreadError) {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in numbers { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        try BackgroundThread.start(name: threadName) { [signals] in
            var signals = signals
            var number: Int32 = 0
            while true { if sigwait(&signals, &number) == 0 { body(number) } }
        }
    }
}
