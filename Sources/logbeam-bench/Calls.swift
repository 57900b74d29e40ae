import Foundation
import LogbeamSpool
import LogbeamTestSupport
import Synchronization

/// What calls took that any number of threads made, each one after the other.
struct Calls {
    /// Of each thread, in nanoseconds; four seconds and more count as that. Half the memory of a clock's own type: the peak
    /// of a process that logs a million records is one of the figures.
    var latencies: [[UInt32]]
    /// Of the calling threads alone: what other programs on the machine disturb least. In nanoseconds.
    var cpuTime: UInt64
    /// From the first call to the end of the last.
    var seconds: Double

    var count: Int { latencies.reduce(0) { $0 + $1.count } }

    /// Makes the calls, each numbered.
    ///
    /// All threads are at work until the end. With a share each, some of 32 would have done theirs in a quarter of the time,
    /// and for the rest of it there would be fewer threads than is said.
    ///
    /// - Parameter interval: from one call of a thread to the next, in nanoseconds; zero for as fast as it goes. Calls that
    ///   are late are made at once, so that so many a second are made in the end.
    static func make(
        threads: Int,
        count: Int,
        interval: UInt64 = 0,
        _ call: @escaping @Sendable (Int) -> Void
    ) throws -> Calls {
        let start = Gate()
        let numbers = Numbers(count)
        let finished = Monitor((latencies: [[UInt32]](), cpuTime: UInt64(0)))
        for _ in 0..<threads {
            Thread.detachNewThread {
                var latencies: [UInt32] = []
                latencies.reserveCapacity(count / threads)
                start.pass()
                let cpuBegin = CPUClock.thread.nanoseconds
                let first = MonotonicClock.nanoseconds()
                while let some = numbers.take() {
                    for number in some {
                        if interval > 0 { sleep(until: first + UInt64(latencies.count) * interval) }
                        let begin = MonotonicClock.nanoseconds()
                        call(number)
                        latencies.append(UInt32(clamping: MonotonicClock.nanoseconds() - begin))
                    }
                }
                let cpuTime = CPUClock.thread.nanoseconds - cpuBegin
                finished.withLock {
                    $0.latencies.append(latencies)
                    $0.cpuTime += cpuTime
                }
            }
        }
        guard start.waitForArrivals(threads) else { throw BenchError("the threads do not start") }
        let begin = MonotonicClock.nanoseconds()
        start.open()
        let result: ([[UInt32]], UInt64)? = finished.wait(within: .seconds(600)) {
            $0.latencies.count == threads ? ($0.latencies, $0.cpuTime) : nil
        }
        guard let (latencies, cpuTime) = result else { throw BenchError("the calls take longer than 10 minutes") }
        return Calls(latencies: latencies, cpuTime: cpuTime, seconds: secondsSince(begin))
    }

    private static func sleep(until deadline: UInt64) {
        var time = timespec(tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        // At once where the time has come.
        while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }
}

/// Numbers from zero on, a few at a time. Thread-safe.
private final class Numbers: Sendable {
    private static let step = 16

    private let taken = Atomic<Int>(0)
    private let count: Int

    init(_ count: Int) { self.count = count }

    /// `nil` if there are no more.
    func take() -> Range<Int>? {
        let first = taken.add(Self.step, ordering: .relaxed).oldValue
        return first < count ? first..<min(first + Self.step, count) : nil
    }
}

/// Latencies in order.
struct Percentiles {
    /// Ascending, in nanoseconds.
    private let latencies: [UInt32]

    init(_ calls: Calls) { self.init(calls.latencies.flatMap { $0 }) }

    init(_ latencies: [UInt32]) { self.latencies = latencies.sorted() }

    /// The latency in microseconds that a fraction of the calls does not exceed; the worst for 1.
    func callAsFunction(_ fraction: Double) -> Double {
        guard !latencies.isEmpty else { return 0 }
        return Double(latencies[min(latencies.count - 1, Int(Double(latencies.count) * fraction))]) / 1000
    }
}

/// Time that was spent on a processor, in user mode and in the kernel together.
enum CPUClock {
    /// Of the calling thread.
    case thread
    /// Of all threads of this process.
    case process

    var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(self == .thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// - Parameter begin: in nanoseconds of ``MonotonicClock``.
func secondsSince(_ begin: UInt64) -> Double { Double(MonotonicClock.nanoseconds() - begin) / 1e9 }
