import Foundation
import LogbeamSpool
import LogbeamTestSupport

/// What calls took that any number of threads made, each one after the other.
struct Calls {
    /// Ascending, in nanoseconds.
    var latencies: [UInt64]
    /// Of the calling threads alone: what other programs on the machine disturb least. In nanoseconds.
    var cpuTime: UInt64
    /// From the first call to the end of the last.
    var seconds: Double

    /// Makes the calls, each numbered.
    static func make(threads: Int, perThread: Int, _ call: @escaping @Sendable (Int) -> Void) throws -> Calls {
        let start = Gate()
        let finished = Monitor((latencies: [UInt64](), cpuTime: UInt64(0), threads: 0))
        for thread in 0..<threads {
            Thread.detachNewThread {
                var latencies = [UInt64](repeating: 0, count: perThread)
                start.pass()
                let cpuBegin = threadCPUTime()
                for index in 0..<perThread {
                    let begin = MonotonicClock.nanoseconds()
                    call(thread * perThread + index)
                    latencies[index] = MonotonicClock.nanoseconds() - begin
                }
                let cpuTime = threadCPUTime() - cpuBegin
                finished.withLock {
                    $0.latencies += latencies
                    $0.cpuTime += cpuTime
                    $0.threads += 1
                }
            }
        }
        guard start.waitForArrivals(threads) else { throw BenchError("the threads do not start") }
        let begin = MonotonicClock.nanoseconds()
        start.open()
        let result: ([UInt64], UInt64)? = finished.wait(within: .seconds(600)) {
            $0.threads == threads ? ($0.latencies, $0.cpuTime) : nil
        }
        guard let (latencies, cpuTime) = result else { throw BenchError("the calls take longer than 10 minutes") }
        let seconds = Double(MonotonicClock.nanoseconds() - begin) / 1e9
        return Calls(latencies: latencies.sorted(), cpuTime: cpuTime, seconds: seconds)
    }

    /// The latency in microseconds that a fraction of the calls does not exceed.
    func percentile(_ fraction: Double) -> Double {
        guard !latencies.isEmpty else { return 0 }
        return Double(latencies[min(latencies.count - 1, Int(Double(latencies.count) * fraction))]) / 1000
    }
}

/// The time that the calling thread has spent on a processor, in nanoseconds.
private func threadCPUTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
