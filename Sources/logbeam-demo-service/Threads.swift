#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Runs `body` with the numbers from 1 to `count`, each on a thread of its own, and waits for the last to end.
///
/// Threads and not tasks: there may be more of them than processors, and that is what a spool has to stand.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (1...count).compactMap { number in
        let work = Unmanaged.passRetained(Work(number: number, body: body))
        #if os(Linux)
        var thread = pthread_t()
        #else
        var thread: pthread_t?
        #endif
        let code = pthread_create(&thread, nil, { run($0) }, work.toOpaque())
        guard code == 0 else {
            perror("pthread_create")
            exit(71)
        }
        return thread
    }
    for thread in threads { pthread_join(thread, nil) }
}

private final class Work: Sendable {
    let number: Int
    let body: @Sendable (Int) -> Void

    init(number: Int, body: @escaping @Sendable (Int) -> Void) {
        self.number = number
        self.body = body
    }
}

private func run(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
    work.body(work.number)
    return nil
}
