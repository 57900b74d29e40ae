import Logbeam
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

/// Shippers that are shut down, or never came to be.
extension LogShipperTests {
    @Test("After the shutdown records are still committed, and a flush is false")
    func afterShutdown() async throws {
        let fixture = try SpoolFixture()
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        logger.info("before")
        await shipper.shutdown(timeout: .seconds(60))
        #expect(service.sent.map(\.texts) == [["before"]])
        logger.info("after")
        #expect(try fixture.pending() == ["after"])
        #expect(await shipper.flush(timeout: patience) == false)
    }

    @Test("What is lost after the shutdown is counted with the next record, and told", arguments: [4, 1_100_000])
    func lossesAfterShutdown(length: Int) async throws {
        let fixture = try SpoolFixture {
            $0.commitTimeout = .milliseconds(20)
            $0.oversize = .split
        }
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        await shipper.shutdown()
        try await onOwnThread {
            let blocker = try SQLiteShell.lock(fixture.configuration.spool)
            logger.info("lost")
            try blocker.write("ROLLBACK;\n.quit\n")
            _ = try blocker.wait()
        }
        logger.info("\(String(repeating: "k", count: length))")
        #expect(try fixture.status().dropped == 1)
        let pending = try fixture.pending()
        #expect(pending.first?.contains("kkkk") == true && pending.count == (length > 4 ? 3 : 2))
        #expect(pending.last?.contains("1 record dropped") == true)
    }

    @Test("However long a flush or a shutdown may take, it takes as long as it does")
    func longestTimeouts() async throws {
        let fixture = try SpoolFixture()
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: .seconds(Int64.max)))
        await shipper.shutdown(timeout: .seconds(Int64.max))
        #expect(try fixture.status().pending == 0)
    }

    @Test("A shipper that can not be made leaves nobody behind who ships")
    func failedInit() async throws {
        let fixture = try SpoolFixture { $0.commitTimeout = .milliseconds(20) }
        _ = try Spool(path: fixture.configuration.spool)
        var service: ScriptedDeliveryService? = ScriptedDeliveryService()
        weak let left = service
        try await onOwnThread { [service] in
            let blocker = try SQLiteShell.lock(fixture.configuration.spool)
            #expect(throws: SpoolError.self) { try LogShipper(fixture.configuration, service: service!) }
            try blocker.write("ROLLBACK;\n.quit\n")
            _ = try blocker.wait()
        }
        service = nil
        try await waitUntil("the threads have ended") { left == nil }
    }

    @Test("A shutdown breaks off a request that hangs")
    func shutdownCancels() async throws {
        try await onOwnThreads {
            let fixture = try SpoolFixture()
            let gate = Gate()
            let service = ScriptedDeliveryService(gate: gate)
            let shipper = try LogShipper(fixture.configuration, service: service)
            fixture.logger(shipper).info("one")
            async let isSent = shipper.flush(timeout: patience)
            #expect(try await onOwnThread { gate.waitForArrivals() })
            await shipper.shutdown(timeout: .milliseconds(10))
            #expect(await isSent == false)
            #expect(service.isCancelled)
            #expect(try fixture.pending() == ["one"])
            // That we broke it off ourselves is no trouble of the stream's.
            #expect(try fixture.status().streams.map(\.lastError) == [nil])
        }
    }
}
