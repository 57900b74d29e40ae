import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("The small things that tests rely on")
struct SmallSupportTests {
    @Test("SeededGenerator gives the numbers of SplitMix64")
    func splitMix64() {
        // The first outputs for the seed 1234567, as published with the reference implementation.
        var generator = SeededGenerator(seed: 1_234_567)
        let numbers = (0..<5).map { _ in generator.next() }
        #expect(
            numbers == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ]
        )
    }

    @Test("TemporaryDirectory is private, empty, its own, and gone with its owner")
    func temporaryDirectory() throws {
        var directory: TemporaryDirectory? = try TemporaryDirectory()
        let path = try #require(directory?.path)
        let other = try TemporaryDirectory()
        #expect(other.path != path)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).isEmpty)
        let file = try #require(directory?.file("file"))
        #expect(FileManager.default.createFile(atPath: file, contents: Data("x".utf8)))
        directory = nil
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("Monitor wakes who waits, and gives up when the time is over")
    func monitor() {
        let monitor = Monitor(0)
        Thread.detachNewThread { for _ in 0..<10 { monitor.withLock { $0 += 1 } } }
        #expect(monitor.wait(within: patience) { $0 == 10 ? "ten" : nil } == "ten")
        #expect(monitor.wait(within: .milliseconds(1)) { $0 == 11 ? "eleven" : nil } == nil)
    }

    private static func batch(_ message: String) -> EventBatch {
        var batch = EventBatch(destination: Destination(logGroup: "g", logStream: "s"))
        batch.append(id: 1, timestamp: 1, message: message.utf8)
        return batch
    }

    @Test("ScriptedDeliveryService gives its outcomes in order, then accepts, and remembers all")
    func scriptedOutcomes() {
        let failure = DeliveryOutcome.transient(DeliveryFailure(code: "ThrottlingException", message: "slow down"))
        let service = ScriptedDeliveryService([failure])
        let batches = ["a", "b"].map(Self.batch)
        #expect(batches.map { service.send($0) } == [failure, .accepted(.none)])
        #expect(service.create(batches[0].destination) == .accepted(.none))
        #expect(service.sent == batches)
        #expect(service.created == [batches[0].destination])
    }

    @Test("ScriptedDeliveryService finds what it is told, by default nothing, and remembers what it looked for")
    func scriptedLookUp() {
        let batch = EventBatch(destination: Destination(logGroup: "g", logStream: "s"))
        #expect(ScriptedDeliveryService().lookUp(batch) == .found([]))
        let service = ScriptedDeliveryService(search: { _ in .found([1]) }, script: { _, _ in .accepted(.none) })
        #expect(service.lookUp(batch) == .found([1]))
        #expect(service.lookedUp == [batch])
        service.cancel()
        if case .failed(.transient) = service.lookUp(batch) {} else { Issue.record("it was cancelled") }
    }

    @Test("ScriptedDeliveryService holds batches at its gate until it is opened")
    func scriptedGate() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate)
        let outcome = Monitor<DeliveryOutcome?>(nil)
        Thread.detachNewThread {
            let result = service.send(Self.batch("a"))
            outcome.withLock { $0 = result }
        }
        #expect(gate.waitForArrivals())
        #expect(service.waitForBatches(1))
        #expect(outcome.withLock { $0 } == nil)
        gate.open()
        #expect(outcome.wait(within: patience) { $0 } == .accepted(.none))
    }

    @Test("ScriptedDeliveryService, cancelled, lets go of what it holds and fails all that comes")
    func scriptedCancel() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate)
        let outcome = Monitor<DeliveryOutcome?>(nil)
        Thread.detachNewThread {
            let result = service.send(Self.batch("a"))
            outcome.withLock { $0 = result }
        }
        #expect(gate.waitForArrivals())
        service.cancel()
        let held = try #require(outcome.wait(within: patience) { $0 })
        let outcomes = [held, service.send(Self.batch("b")), service.create(Self.batch("c").destination)]
        for outcome in outcomes {
            guard case .transient = outcome else {
                Issue.record("\(outcome) is not transient")
                continue
            }
        }
        #expect(service.sent.count == 1)
    }
}
