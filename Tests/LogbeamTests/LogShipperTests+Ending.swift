import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

@testable import Logbeam

/// Shippers that are shut down, or never came to be.
extension LogShipperTests {
    @Test("After the shutdown records are still committed, and a flush is false")
    func afterShutdown() async throws {
        let fixture = try SpoolFixture()
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        logger.info("before")
        #expect(await shipper.shutdown(timeout: .seconds(60)))
        #expect(service.sent.map(\.texts) == [["before"]])
        logger.info("after")
        #expect(try fixture.pending() == ["after"])
        #expect(await shipper.flush(timeout: patience) == false)
        #expect(await shipper.shutdown(timeout: patience) == false)
        // The end of the process tries nothing, and so tells nobody that it was in vain.
        #expect(shipper.requestFlush() == nil)
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

    @Test("A shutdown in a task that was cancelled sends what is pending, as in any other")
    func cancelledShutdown() async throws {
        let fixture = try SpoolFixture()
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("the last words")
        let isCancelled = Promise<Bool>()
        let task = Task {
            _ = await isCancelled.value()
            await shipper.shutdown(timeout: patience)
        }
        task.cancel()
        isCancelled.fulfill(true)
        await task.value
        #expect(service.sent.map(\.texts) == [["the last words"]])
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

    /// Logs a record by a shipper of which nothing is left.
    private func logAndRelease(_ fixture: SpoolFixture, _ service: ScriptedDeliveryService) throws {
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("one")
    }

    @Test("A shipper that nobody has any more sends what is pending, and ends")
    func released() async throws {
        let fixture = try SpoolFixture { $0.exitFlushTimeout = .seconds(3_600) }
        var service: ScriptedDeliveryService? = ScriptedDeliveryService()
        weak let left = service
        try logAndRelease(fixture, service!)
        try await waitUntil("the record is sent") { left?.sent.map(\.texts) == [["one"]] }
        service = nil
        try await waitUntil("the threads have ended") { left == nil }
        #expect(try fixture.pending() == [])
    }

    @Test("Nobody waits for a shipper that nobody has any more, which gives up after its time", .onOwnThreads)
    func releasedInVain() async throws {
        let fixture = try SpoolFixture { $0.exitFlushTimeout = .milliseconds(50) }
        var service: ScriptedDeliveryService? = ScriptedDeliveryService(gate: Gate())
        weak let left = service
        try logAndRelease(fixture, service!)
        try await waitUntil("the request is broken off") { left?.isCancelled == true }
        service = nil
        try await waitUntil("the threads have ended") { left == nil }
        #expect(try fixture.pending() == ["one"])
    }

    @Test("A shipper that nobody has any more ends at once where its end may take no time")
    func releasedWithoutTime() async throws {
        let fixture = try SpoolFixture()
        var service: ScriptedDeliveryService? = ScriptedDeliveryService()
        weak let left = service
        try logAndRelease(fixture, service!)
        #expect(service?.isCancelled == true)
        service = nil
        try await waitUntil("the threads have ended") { left == nil }
        #expect(try fixture.pending() == ["one"])
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
            #expect(await shipper.shutdown(timeout: .milliseconds(10)) == false)
            #expect(await isSent == false)
            #expect(service.isCancelled)
            #expect(try fixture.pending() == ["one"])
            // That we broke it off ourselves is no trouble of the stream's.
            #expect(try fixture.status().streams.map(\.lastError) == [nil])
        }
    }

    @Test("Log streams whose names are written with other scalars are other streams")
    func normalization() async throws {
        let fixture = try SpoolFixture()
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        for name in ["caf\u{E9}", "cafe\u{301}"] {
            let handler = try CloudWatchLogsHandler(label: "l", shipper: shipper, logStreamName: name)
            Logger(label: "l") { _ in handler }.info("\(name.unicodeScalars.count)")
        }
        #expect(await shipper.flush(timeout: patience))
        let sent = service.sent.map { "\($0.destination.logStream.unicodeScalars.count): \($0.texts)" }.sorted()
        #expect(sent.count == 2 && zip(sent, ["4: [", "5: ["]).allSatisfy { $0.hasPrefix($1) })
    }

    @Test("Threads of one process lose no records to one another, though they wait for no other process")
    func noCommitTimeout() async throws {
        let fixture = try SpoolFixture {
            $0.commitTimeout = .zero
            $0.uploads = false
        }
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { try await onOwnThread { for _ in 0..<100 { logger.info("x") } } } }
            try await group.waitForAll()
        }
        #expect(try fixture.pending().count == 800)
    }
}
