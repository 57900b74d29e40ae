import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

/// What a user sees of a spool that is full. The smallest limit that a configuration may ask for is used up by a few
/// hundred long records.
@Suite("When the spool is full", .onOwnThreads)
struct SpoolLimitShipperTests {
    private static let text = String(repeating: "x", count: 60_000)

    private func fixture(_ whenFull: LogShipper.Configuration.WhenFull) throws -> SpoolFixture {
        try SpoolFixture {
            $0.maxSpoolSize = 16 << 20
            $0.whenFull = whenFull
            // Several could arrive in another order.
            $0.maximumInFlight = 1
        }
    }

    /// CloudWatch Logs is down until the gate is opened.
    private func outage(_ gate: Gate) -> ScriptedDeliveryService {
        ScriptedDeliveryService(gate: gate) { _, _ in .accepted(.none) }
    }

    private func isRecord(_ text: String) -> Bool { !text.hasPrefix("logbeam: ") }

    @Test("the oldest records make room; what arrives and what is counted is everything, and the stream is told once")
    func dropOldest() async throws {
        let fixture = try fixture(.dropOldest)
        let gate = Gate()
        let service = outage(gate)
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        for number in 0..<400 { logger.info("\(number) \(Self.text)") }
        let dropped = try fixture.status().dropped
        #expect(dropped > 100)
        try await waitUntil("it is told") {
            try fixture.status().streams[0].gaps.map(\.records) == [dropped]
                && fixture.pending().contains { !isRecord($0) }
        }
        gate.open()
        try await waitUntil("all is sent") {
            try fixture.status().pending == 0
        } while: {
            _ = await shipper.flush(timeout: patience)
        }
        let sent = service.sent.flatMap(\.texts)
        let numbers = sent.filter(isRecord).compactMap { $0.split(separator: " ").first.flatMap { Int($0) } }
        #expect(numbers.count == 400 - dropped && Set(numbers).count == numbers.count)
        #expect(numbers.contains(399), "the newest stay")
        let told = sent.filter { !isRecord($0) }
        #expect(told.count == 1)
        #expect(told.first?.hasPrefix("logbeam: \(dropped) records dropped between 20") == true)
        #expect(told.first?.hasSuffix(": spool full") == true)
        #expect(try fixture.status().delivered == numbers.count + 1)
    }

    @Test("new records are refused and counted, until there is room again")
    func dropNewest() async throws {
        let fixture = try fixture(.dropNewest)
        let gate = Gate()
        let service = outage(gate)
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        for number in 0..<210 { logger.info("\(number) \(Self.text)") }
        let kept = try fixture.pending().filter(isRecord)
        #expect((150..<210).contains(kept.count))
        gate.open()
        try await waitUntil("all is sent, and told") {
            try fixture.status().dropped == 210 - kept.count && service.sent.flatMap(\.texts).contains { !isRecord($0) }
        } while: {
            _ = await shipper.flush(timeout: patience)
        }
        logger.info("after")
        await shipper.flush(timeout: patience)
        let sent = service.sent.flatMap(\.texts)
        #expect(sent.filter(isRecord) == kept + ["after"])
        #expect(sent.filter { !isRecord($0) }.count == 1)
    }

    @Test("log() waits for the uploader, and nothing is lost")
    func block() async throws {
        let fixture = try fixture(.block(timeout: .seconds(3_600)))
        let gate = Gate()
        let service = outage(gate)
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        async let logged: Void = onOwnThread {
            for number in 0..<400 { logger.info("\(number) \(Self.text)") }
        }
        #expect(try await onOwnThread { gate.waitForArrivals() })
        gate.open()
        try await logged
        try await waitUntil("all is sent") {
            try fixture.status().pending == 0
        } while: {
            _ = await shipper.flush(timeout: patience)
        }
        let sent = service.sent.flatMap(\.texts)
        #expect(sent.count == 400)
        #expect(Set(sent) == Set((0..<400).map { "\($0) \(Self.text)" }))
        #expect(try fixture.status().dropped == 0)
    }
}
