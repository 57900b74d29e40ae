import LogbeamTestSupport
import Testing

@testable import Logbeam

#if canImport(Glibc)
import Glibc

@Suite("A thread of its own")
struct BackgroundThreadTests {
    @Test("takes no core from a thread that runs when it wakes up, and no signals")
    func modest() throws {
        let seen = Monitor<(policy: Int32, takesSignals: Bool)?>(nil)
        try BackgroundThread.start(name: "modest") {
            var mask = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &mask)
            let signals = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPROF]
            let takesSignals = signals.contains { sigismember(&mask, $0) == 0 }
            seen.withLock { $0 = (sched_getscheduler(0), takesSignals) }
        }
        let thread: (policy: Int32, takesSignals: Bool)? = seen.wait(within: patience) { $0 }
        // SCHED_BATCH is 3 (sched(7)), which Glibc hides from Swift.
        #expect(thread?.policy == 3)
        #expect(thread?.takesSignals == false)
        // The caller keeps its own.
        #expect(sched_getscheduler(0) == SCHED_OTHER)
    }

    @Test("is as much nicer as it is told than the thread that starts it, which stays as it is")
    func nicer() throws {
        let seen = Monitor<[Int32]>([])
        let own = niceness()
        try BackgroundThread.start(name: "outer", niceness: 3) {
            seen.withLock { $0.append(niceness()) }
            try? BackgroundThread.start(name: "inner", niceness: 4) {
                seen.withLock { $0.append(niceness()) }
            }
        }
        let nicenesses: [Int32]? = seen.wait(within: patience) { $0.count == 2 ? $0 : nil }
        #expect(nicenesses == [min(own + 3, 19), min(own + 7, 19)])
        #expect(niceness() == own)
    }
}

/// Of the calling thread: what POSIX says of a process, Linux does with a thread (setpriority(2)).
func niceness() -> Int32 { getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) }
#endif
