import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Synchronization
import Testing

@testable import Logbeam

@Suite("The status of a shipper")
struct StatusTests {
    @Test("counts what is pending and what was delivered, of all streams of the spool", arguments: [false, true])
    func counts(usesJournal: Bool) async throws {
        let fixture = try SpoolFixture { $0.usesJournal = usesJournal }
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        #expect(try await shipper.status().pending == 0)
        #expect(try await shipper.status().oldestPending == nil)
        fixture.logger(shipper).info("one")
        let other = try CloudWatchLogsHandler(
            label: "l",
            shipper: shipper,
            logStreamName: "other",
            metadataProvider: nil
        )
        Logger(label: "l") { _ in other }.info("three")

        let before = try await shipper.status()
        #expect(before.pending == 2 && before.pendingBytes == 8 && before.delivered == 0)
        #expect(before.oldestPending == (try fixture.status().oldest) && before.oldestPending != nil)
        #expect(before.lastDelivery == nil && before.failures == [])
        #expect(await shipper.flush(timeout: patience))
        let after = try await shipper.status()
        #expect(after.pending == 0 && after.pendingBytes == 0 && after.delivered == 2)
        #expect(after.oldestPending == nil && after.lastDelivery != nil && after.isUploading)
        await shipper.shutdown()
        #expect(try await shipper.status().isUploading == false)
    }

    @Test("names the streams that do not get through, until they do")
    func failures() async throws {
        let fixture = try SpoolFixture()
        let failure = DeliveryFailure(code: "AccessDenied", message: "not you", mayHaveArrived: false)
        let isOver = Atomic(false)
        let service = ScriptedDeliveryService { _, _ in
            isOver.load(ordering: .relaxed) ? .accepted(.none) : .denied(failure)
        }
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: patience) == false)
        let failing = try await shipper.status().failures
        #expect(failing.map(\.logGroupName) == ["group"] && failing.map(\.logStreamName) == ["stream"])
        #expect(failing.map(\.message) == ["\(failure)"])
        isOver.store(true, ordering: .relaxed)
        #expect(await shipper.flush(timeout: patience))
        #expect(try await shipper.status().failures == [])
    }

    @Test("is counted once for all who ask before it is begun, and by what was begun after they asked")
    func shared() async {
        let run = SharedRun<Int>(name: "test")
        let gate = Gate()
        let count = Atomic(0)
        let body: @Sendable () -> Int = {
            let number = count.add(1, ordering: .relaxed).newValue
            if number == 1 { gate.pass() }
            return number
        }
        // Each has asked when its line is done.
        let first = Task.immediate { await run.answer(body) }
        #expect(gate.waitForArrivals())
        let others = (0..<50).map { _ in Task.immediate { await run.answer(body) } }
        gate.open()
        #expect(await first.value == 1)
        for other in others { #expect(await other.value == 2) }
        #expect(await run.answer(body) == 3)
    }
}
