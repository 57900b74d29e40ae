import CSQLite
import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import Logbeam
@testable import LogbeamSpool

@Suite("Thousands of log streams in one spool, most of them in trouble")
struct ManyStreamsTests {
    /// `MANY_STREAMS` asks for more than the 1,000 of an ordinary run.
    private static let count = ProcessInfo.processInfo.environment["MANY_STREAMS"].flatMap { Int($0) } ?? 1_000
    private static let inFlight = 4
    private static let healthy = (1...5).map { "healthy \($0)" }

    /// Denies, throttles, or does not know all streams but the healthy ones, until they are mended.
    private static func answer(_ batch: EventBatch) -> DeliveryOutcome {
        switch (Int(batch.destination.logStream) ?? 0) % 3 {
        case _ where batch.destination.logStream.hasPrefix("healthy"): .accepted(.none)
        case 0: .denied
        case 1: .throttled()
        default: .destinationMissing(DeliveryFailure(code: "ResourceNotFoundException", message: ""))
        }
    }

    @Test("healthy ones get through at once, few batches are in memory, and when the trouble ends all is sent once")
    func trouble() throws {
        let isMended = Monitor(false)
        let service = ScriptedDeliveryService { _, batch in
            isMended.withLock { $0 } ? .accepted(.none) : Self.answer(batch)
        }
        let uploader = try SteppedUploader(
            service: service,
            pacing: UploadPlan.Pacing(inFlight: Self.inFlight),
            chance: 0.01
        )
        var mostInFlight = 0
        func run(while condition: () -> Bool) {
            uploader.run {
                mostInFlight = max(mostInFlight, uploader.loop.inFlight)
                return condition()
            }
        }
        for number in 1...Self.count { try uploader.append("one", to: "\(number)") }
        // Each has had its first try; a stream that is missing is made, and then tried once more.
        run { service.sent.count < Self.count * 4 / 3 }

        for _ in 1...20 {
            // By now all the others could try again.
            uploader.clock.advance(10_000)
            for name in Self.healthy { try uploader.append("one", to: name) }
            let sent = service.sent.count
            let delivered = uploader.loop.totals.records
            run { uploader.loop.totals.records < delivered + Self.healthy.count }
            // Their own, and beside them two each of what was on its way or had its turn.
            #expect(service.sent.count - sent <= Self.healthy.count + 2 * Self.inFlight)
        }

        isMended.withLock { $0 = true }
        let sent = service.sent.count
        run { uploader.loop.totals.records < Self.count + 20 * Self.healthy.count }
        uploader.settle()
        #expect(try uploader.pendingCount() == 0)
        #expect(service.sent.count - sent == Self.count)
        // All of them, unless the threads that send are slower than those that look at what is on its way.
        #expect((2...Self.inFlight).contains(mostInFlight))
        #expect(uploader.loop.troubles.isEmpty)
    }

    @Test("a failing stream is tried again though others always have something to send")
    func busyNeighbours() throws {
        let service = ScriptedDeliveryService { _, batch in
            batch.destination.logStream == "failing" ? .throttled() : .accepted(.none)
        }
        let uploader = try SteppedUploader(service: service)
        try uploader.append("one", to: "failing")
        uploader.settle()
        for _ in 1...600 {
            for name in Self.healthy { try uploader.append("one", to: name) }
            _ = uploader.step()
            // The clock moves when all that could be done at its time is done.
            if uploader.loop.inFlight > 0 { uploader.loop.waitForAnswer(until: .max) }
            uploader.clock.advance(10)
        }
        let tries = service.sent.count { $0.destination.logStream == "failing" }
        // At 0, 200, 600, 1,400 and 3,000 ms, or when a batch of the others has come home.
        #expect((2...5).contains(tries))
    }

    @Test("what a record costs to find, to read and to delete does not grow with the number of streams")
    func flatCost() throws {
        func instructions(_ streams: Int) throws -> Int {
            let uploader = try SteppedUploader(service: ScriptedDeliveryService())
            for _ in 1...10 {
                for stream in 1...streams { try uploader.append("one", to: "\(stream)") }
            }
            let writer = { try uploader.spool.write { writer throws(SpoolError) in writer.connection.instructions } }
            let before = try writer()
            uploader.settle()
            #expect(uploader.service.sent.count == streams)
            #expect(try uploader.pendingCount() == 0)
            let readers = [uploader.loop.reader, uploader.loop.batches.reader]
            return try readers.reduce(writer() - before) { $0 + $1.connection.instructions } / streams
        }
        let (some, many) = (try instructions(20), try instructions(200))
        #expect(many <= some + some / 10)
    }

    @Test("streams whose requests hang leave room for others, once they have failed", arguments: 2...4)
    func hangingStreams(inFlight: Int) {
        var plan = UploadPlan(limits: BatchLimits(age: 0), pacing: UploadPlan.Pacing(inFlight: inFlight))
        var now = UploadPlan.Moment(wall: 1_790_000_000_000, monotonic: 1_000_000)
        /// Sends what the plan wants to be sent, and answers nothing.
        func send() -> [BatchRange] {
            var sent: [BatchRange] = []
            for _ in 1...100 {
                if case .send(let range, _) = plan.next(at: now) { sent.append(range) }
                now.wall += 10
                now.monotonic += 10
            }
            return sent
        }
        for stream in 1...10 as ClosedRange<Int64> {
            plan.restore(BatchRange(stream: stream, first: stream, last: stream, latest: 0))
        }
        for _ in 1...10 {
            for range in send() { plan.failed(range, retryAt: now.monotonic) }
        }
        let hanging = send()
        #expect(hanging.count == inFlight - 1)
        plan.restore(BatchRange(stream: 11, first: 11, last: 11, latest: 0))
        #expect(send().map(\.stream) == [11])
    }
}

extension Connection {
    /// How many instructions its prepared statements have taken so far.
    fileprivate var instructions: Int {
        var (sum, statement) = (0, sqlite3_next_stmt(handle, nil))
        while let one = statement {
            sum += Int(sqlite3_stmt_status(one, SQLITE_STMTSTATUS_VM_STEP, 0))
            statement = sqlite3_next_stmt(handle, one)
        }
        return sum
    }
}
