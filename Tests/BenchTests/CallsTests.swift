import LogbeamTestSupport
import Testing

@testable import logbeam_bench

@Suite("Calls of many threads")
struct CallsTests {
    @Test("are made by those that have time, each once", arguments: [1, 2, 5])
    func share(threads: Int) throws {
        let made = Monitor([Int]())
        let calls = try Calls.make(threads: threads, count: 1_000) { number in
            // One thread is held up until the others have made all calls but those that it has taken.
            if number == 0, threads > 1 {
                #expect(made.wait(within: .seconds(60)) { $0.count >= 900 ? true : nil } == true)
            }
            made.withLock { $0.append(number) }
        }
        #expect(made.withLock { $0.sorted() } == Array(0..<1_000))
        #expect(calls.count == 1_000)
        #expect(calls.latencies.count == threads)
    }
}
