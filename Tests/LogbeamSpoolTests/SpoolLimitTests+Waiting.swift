import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

/// Where new records are refused, or wait.
extension SpoolLimitTests {
    @Test("refuses the newest until there is room again")
    func dropNewest() throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.dropNewest, in: directory)
        let message = [UInt8](repeating: 65, count: 1_000)
        var taken: [Int64] = []
        var error: SpoolError?
        while error == nil, taken.count < 10_000 {
            error = spoolError { taken.append(try spool.append(message, stream: stream)) }
        }
        #expect(error?.kind == .atLimit && error?.gapReason == "spool full")
        #expect(try ids(in: spool.path) == taken)
        #expect(try diskUse(spool) <= Self.limit)
        #expect(taken.count > 1_000)
        // What tells of it needs room too.
        try spool.noteGap(Gap(stream: stream, reason: "spool full", records: 1, first: 1, last: 1))
        while (try? spool.append([65], stream: stream)) != nil {}
        let untold = try spool.untoldGaps()
        #expect(spoolError { _ = try spool.tellGap(untold[0]) }?.kind == .atLimit)
        let range = BatchRange(stream: stream, first: taken[0], last: taken[499], latest: .max)
        try spool.begin(range)
        try spool.acknowledgeAndFinish(range, refused: [], delivered: 500)
        try spool.append(message, stream: stream)
        #expect(try spool.untoldGaps() == untold)
        #expect(try spool.tellGap(untold[0]))
    }

    @Test("has threads wait for room, which the next acknowledgement gives to all of them")
    func block() async throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.block(timeout: .seconds(120)), in: directory)
        let message = [UInt8](repeating: 65, count: 1_000)
        let blocked = Monitor(0)
        async let waiting: Void = onThreads(4) { _ in
            for _ in 0..<1_500 {
                blocked.withLock { $0 += 1 }
                try spool.append(message, stream: stream)
            }
        }.forEach { _ in }
        let reader = try SpoolReader(path: spool.path)
        var delivered = 0
        while delivered < 6_000 {
            let headers = try reader.headers(after: 0, limit: 400).headers
            guard let first = headers.first, let last = headers.last else { continue }
            // The uploader is not held up by those who wait.
            let range = BatchRange(stream: stream, first: first.id, last: last.id, latest: .max)
            try spool.begin(range)
            try spool.acknowledgeAndFinish(range, refused: [], delivered: headers.count)
            delivered += headers.count
            #expect(try diskUse(spool) < Self.limit + Self.mebibyte)
        }
        _ = try await waiting
        #expect(delivered == 6_000)
        #expect(try gaps(spool) == [])
    }

    @Test("lets a thread wait no longer than it was told to, and one that must not wait not at all")
    func blockTimeout() throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.block(timeout: .milliseconds(150)), in: directory)
        let message = [UInt8](repeating: 65, count: 1_000)
        let clock = ContinuousClock()
        var took = Duration.zero
        var error: SpoolError?
        while error == nil {
            took = clock.measure { error = spoolError { try spool.append(message, stream: stream) } }
        }
        #expect(error?.kind == .atLimit)
        #expect(took >= .milliseconds(150))
        let before = try ids(in: spool.path)
        let (patient, _) = try self.spool(.block(timeout: .seconds(3_600)), in: directory)
        #expect(
            spoolError {
                _ = try message.withUnsafeBufferPointer {
                    try patient.append(stream: stream, timestamp: 1, message: $0, mayBlock: false)
                }
            }?.kind == .atLimit
        )
        #expect(try ids(in: spool.path) == before)
    }

    @Test("is woken by the room that another process makes")
    func otherProcess() async throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.block(timeout: .seconds(120)), in: directory)
        let (other, _) = try self.spool(.dropNewest, in: directory)
        let message = [UInt8](repeating: 65, count: 1_000)
        var taken: [Int64] = []
        while spoolError({ taken.append(try other.append(message, stream: stream)) }) == nil {}
        async let appended = onOwnThread { try spool.append(message, stream: stream) }
        let range = BatchRange(stream: stream, first: taken[0], last: taken[499], latest: .max)
        try other.begin(range)
        try other.acknowledgeAndFinish(range, refused: [], delivered: 500)
        #expect(try await appended > taken[taken.count - 1])
    }

    @Test("Who has waited for room in vain is told of that, though the time is up for all else as well")
    func reason() throws {
        let directory = try TemporaryDirectory()
        let (spool, stream) = try spool(.block(timeout: .milliseconds(1)), in: directory)
        let message = [UInt8](repeating: 65, count: 100_000)
        while spoolError({ try spool.append(message, stream: stream) }) == nil {}
        // Another thread has the lock when the wait is over.
        let isWaiting = Atomic(false)
        let holder = Thread {
            while !isWaiting.load(ordering: .relaxed) { _ = try? spool.write { _ in usleep(2_000) } }
        }
        holder.start()
        let errors = (0..<200).compactMap { _ in spoolError { try spool.append(message, stream: stream) } }
        #expect(!errors.isEmpty && errors.allSatisfy { $0.kind == .atLimit })
        isWaiting.store(true, ordering: .relaxed)
    }
}
