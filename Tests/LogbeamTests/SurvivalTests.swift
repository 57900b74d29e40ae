import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

@Suite("A shipper whose spool gets another file", .onOwnThreads)
struct SurvivalTests {
    private let fixture: SpoolFixture

    init() throws {
        fixture = try SpoolFixture()
    }

    private var path: String { fixture.configuration.spool }

    /// Logs until there is a file again where one was deleted.
    private func logUntilReplaced(_ logger: Logger) async throws -> [String] {
        var logged: [String] = []
        try await waitUntil("a new file") {
            logged.append("after \(logged.count)")
            logger.info("\(logged.last ?? "")")
            return FileManager.default.fileExists(atPath: path)
        }
        return logged
    }

    @Test("settles in the old file what is on its way, and ships the rest from the new one; each record arrives once")
    func inFlight() async throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate)
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        logger.info("before")
        async let first = shipper.flush(timeout: patience)
        #expect(try await onOwnThread { gate.waitForArrivals() })
        logger.info("waiting")
        try FileManager.default.removeItem(atPath: path)
        let logged = try await logUntilReplaced(logger)
        gate.open()
        #expect(await first)
        #expect(await shipper.flush(timeout: patience))
        #expect(service.sent.first?.texts == ["before"])
        #expect(service.sent.flatMap(\.texts).sorted() == (["before", "waiting"] + logged).sorted())
        #expect(try fixture.pending() == [])
        #expect(try fixture.status().inDoubt == 0)
    }

    @Test("sends what is in doubt again as the same batch")
    func inDoubt() async throws {
        let timeout = DeliveryOutcome.transient(DeliveryFailure(code: "Timeout", message: ""))
        let service = ScriptedDeliveryService([timeout, timeout])
        let shipper = try LogShipper(fixture.configuration, service: service)
        let other = try CloudWatchLogsHandler(label: "", shipper: shipper, logStreamName: "other")
        let logger = fixture.logger(shipper)
        for number in 0..<3 { logger.info("doubtful \(number)") }
        async let first = shipper.flush(timeout: patience)
        #expect(try await onOwnThread { service.waitForBatches(1) })
        try FileManager.default.removeItem(atPath: path)
        let logged = try await logUntilReplaced(Logger(label: "") { _ in other })
        logger.info("later")
        #expect(await first)
        #expect(await shipper.flush(timeout: patience))
        let batches = service.sent.map(\.texts).filter { $0.contains("doubtful 0") }
        #expect(batches.count >= 2)
        #expect(batches.allSatisfy { $0 == ["doubtful 0", "doubtful 1", "doubtful 2"] }, "\(batches)")
        let sent = service.sent.flatMap(\.texts)
        #expect(Set(sent) == Set(logged + ["later"] + (0..<3).map { "doubtful \($0)" }))
        #expect(sent.count { $0 == "later" } == 1)
    }

    @Test("moves what is pending though it ships no more")
    func afterShutdown() async throws {
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        await shipper.shutdown()
        logger.info("before")
        try FileManager.default.removeItem(atPath: path)
        let logged = try await logUntilReplaced(logger)
        try await waitUntil("all that was logged in the new file") {
            try Set(fixture.pending()) == Set(logged + ["before"]) && fixture.pending().count == logged.count + 1
        }
    }

    @Test("opens though its spool is damaged, and goes on in a new one")
    func atStart() async throws {
        do {
            let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
            fixture.logger(shipper).info("before")
            await shipper.shutdown()
        }
        let damage = try ChildProcess("/bin/sh", ["-c", "printf 'no header' | dd of=$0 conv=notrunc", path])
        #expect(try damage.wait().exitCode == 0)
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        fixture.logger(shipper).info("after")
        #expect(try fixture.pending() == ["after"])
        #expect(Quarantine.files(of: path).count == 1)
    }

    @Test("is not one whose disk fails for a while: nothing is set aside")
    func failingDisk() async throws {
        let disk = TestDisk(directory: fixture.directory.path)
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        logger.info("before")
        // SQLITE_IOERR_WRITE, as for EIO.
        disk.setFault(.init([.write], first: 1, lasts: true, code: 10 | 3 << 8))
        for number in 0..<5 { logger.info("lost \(number)") }
        disk.setFault(nil)
        logger.info("after")
        #expect(await shipper.flush(timeout: patience))
        #expect(service.sent.flatMap(\.texts).filter { !$0.hasPrefix("logbeam: ") } == ["before", "after"])
        #expect(Quarantine.files(of: path) == [])
    }
}
