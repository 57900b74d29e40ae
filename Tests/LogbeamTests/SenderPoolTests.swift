import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import Logbeam
@testable import LogbeamSpool

@Suite("A thread that carries a batch")
struct SenderPoolTests {
    private static let destination = Destination(logGroup: "group", logStream: "stream")
    private static let range = BatchRange(stream: 1, first: 1, last: 1, latest: .max)
    private static let busy = SpoolError(.busy, path: "spool.db", message: "locked")

    /// What the pool answers to a batch of one record, and how often it acknowledged.
    private func carry(
        by service: ScriptedDeliveryService,
        read: @escaping @Sendable () throws(SpoolError) -> Void = {},
        mayPost: Bool = true,
        acknowledge: @escaping @Sendable () throws(SpoolError) -> Void = {}
    ) throws -> (answer: SenderPool.Answer, acknowledged: Int) {
        let acknowledged = Monitor(0)
        let access = BatchCarrier.Access(
            read: { job, batch throws(SpoolError) in
                #expect(job.ids == [1])
                try read()
                batch.startOver(for: job.destination)
                batch.append(id: 1, timestamp: 1, message: "one".utf8)
            },
            mayPost: { mayPost },
            acknowledge: { job, _ throws(SpoolError) in
                #expect(job.ids == [1])
                acknowledged.withLock { $0 += 1 }
                try acknowledge()
            }
        )
        let pool = try SenderPool(threads: 1, carrier: BatchCarrier(service: service, access: access), onAnswer: {})
        defer { pool.stop() }
        pool.send(SenderPool.Job(range: Self.range, ids: [1], destination: Self.destination))
        pool.waitForAnswer(until: .max)
        return (try #require(pool.takeAnswers().first), acknowledged.withLock { $0 })
    }

    @Test("says that it could not read it, and sends and deletes nothing: it is not taken for an empty one")
    func unread() throws {
        let service = ScriptedDeliveryService()
        let (answer, acknowledged) = try carry(by: service, read: { () throws(SpoolError) in throw Self.busy })
        guard case .unread(let error) = answer.result else { return #expect(Bool(false), "\(answer)") }
        #expect(error.kind == .busy)
        #expect(service.sent.isEmpty && acknowledged == 0)
    }

    @Test("says that the spool does not know yet what the service has")
    func unwritten() throws {
        let service = ScriptedDeliveryService()
        let (answer, acknowledged) = try carry(by: service, acknowledge: { () throws(SpoolError) in throw Self.busy })
        guard case .delivered(let delivered, isWritten: false) = answer.result else {
            return #expect(Bool(false), "\(answer)")
        }
        #expect(delivered.records == 1 && acknowledged == 1 && service.sent.count == 1)
    }

    @Test("says of what it has not begun when it is stopped that it was not sent, so that nobody waits for it")
    func stopped() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate)
        let access = BatchCarrier.Access(
            read: { job, batch throws(SpoolError) in
                batch.startOver(for: job.destination)
                batch.append(id: 1, timestamp: 1, message: "one".utf8)
            },
            mayPost: { true },
            acknowledge: { _, _ throws(SpoolError) in }
        )
        let pool = try SenderPool(threads: 1, carrier: BatchCarrier(service: service, access: access), onAnswer: {})
        pool.send(SenderPool.Job(range: Self.range, destination: Self.destination))
        #expect(gate.waitForArrivals())
        let second = BatchRange(stream: 1, first: 2, last: 2, latest: .max)
        pool.send(SenderPool.Job(range: second, destination: Self.destination))
        pool.stop()
        let answers = pool.takeAnswers()
        #expect(answers.map(\.range) == [second])
        #expect(answers.allSatisfy { !$0.isInDoubt })
        for answer in answers {
            guard case .failed(.transient(let failure)) = answer.result else {
                return #expect(Bool(false), "\(answer)")
            }
            #expect(failure.code == DeliveryFailure.cancelled)
        }
        gate.open()
        // What was on its way still has its answer.
        pool.waitForAnswer(until: .max)
        #expect(pool.takeAnswers().map(\.range) == [Self.range])
        #expect(service.sent.count == 1)
    }

    @Test("does not keep the spool open once it is stopped, though it waits for its next batch")
    func released() throws {
        let closings = Monitor(0)
        let pool = try SenderPool(threads: 2, carrier: Self.carrier(with: OpenFile(closings)), onAnswer: {})
        pool.send(SenderPool.Job(range: Self.range, destination: Self.destination))
        pool.waitForAnswer(until: .max)
        #expect(pool.takeAnswers().count == 1)
        #expect(closings.withLock { $0 } == 0)
        pool.stop()
        #expect(closings.withLock { $0 } == 1)
    }

    private static func carrier(with file: OpenFile) -> BatchCarrier {
        let access = BatchCarrier.Access(
            read: { job, batch throws(SpoolError) in
                withExtendedLifetime(file) { batch.startOver(for: job.destination) }
            },
            mayPost: { true },
            acknowledge: { _, _ throws(SpoolError) in }
        )
        return BatchCarrier(service: ScriptedDeliveryService(), access: access)
    }

    /// Counts that it was closed.
    private final class OpenFile: Sendable {
        private let closings: Monitor<Int>

        init(_ closings: Monitor<Int>) { self.closings = closings }

        deinit { closings.withLock { $0 += 1 } }
    }

    @Test("deletes nothing that the service does not have, and sends nothing without the lease")
    func failed() throws {
        for outcome in [DeliveryOutcome.lost, .denied, .invalid, .throttled()] {
            let (answer, acknowledged) = try carry(by: ScriptedDeliveryService([outcome]))
            guard case .failed(outcome) = answer.result else { return #expect(Bool(false), "\(answer)") }
            #expect(acknowledged == 0)
            #expect(answer.isInDoubt == (outcome == .lost))
            #expect(answer.ids == (outcome == .invalid ? [1] : []))
        }
        let service = ScriptedDeliveryService()
        let (answer, acknowledged) = try carry(by: service, mayPost: false)
        guard case .failed(.transient) = answer.result else { return #expect(Bool(false), "\(answer)") }
        #expect(service.sent.isEmpty && acknowledged == 0)
    }
}
