import Foundation
import Logbeam
import LogbeamCore
import LogbeamTestSupport
import Logging
import Testing

@testable import LogbeamSpool

@Suite("A shipper with a journal", .onOwnThreads)
struct JournalShipperTests {
    private func fixture(_ adjust: (inout LogShipper.Configuration) -> Void = { _ in }) throws -> SpoolFixture {
        try SpoolFixture {
            $0.usesJournal = true
            adjust(&$0)
        }
    }

    private func journals(_ fixture: SpoolFixture) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: fixture.directory.path).filter { $0.contains(".journal-") }
    }

    @Test("What is logged is in the spool within moments, in its order, without anybody asking")
    func moves() async throws {
        let fixture = try fixture()
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        for number in 0..<1_000 { logger.info("\(number)") }
        try await waitUntil("they are in the spool") { try fixture.pending().count == 1_000 }
        #expect(try fixture.pending() == (0..<1_000).map { "\($0)" })
        withExtendedLifetime(shipper) {}
    }

    @Test("A full batch is sent without a flush")
    func fullBatch() async throws {
        let fixture = try fixture { $0.batchCount = 10 }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        for number in 0..<10 { logger.info("\(number)") }
        try await waitUntil("the batch is sent") { service.sent.flatMap(\.texts).count == 10 }
        withExtendedLifetime(shipper) {}
    }

    @Test("A flush sends what was logged before it; a shutdown too, and what is logged later is in the spool at once")
    func flush() async throws {
        let fixture = try fixture()
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        for number in 0..<100 {
            logger.info("\(number)")
            if number % 10 == 9 {
                #expect(await shipper.flush(timeout: patience))
                #expect(service.sent.flatMap(\.texts).count == number + 1)
            }
        }
        #expect(try journals(fixture).count == 1)
        logger.info("last")
        await shipper.shutdown(timeout: patience)
        #expect(service.sent.flatMap(\.texts) == (0..<100).map { "\($0)" } + ["last"])
        #expect(try journals(fixture) == [])
        logger.info("later")
        #expect(try fixture.pending() == ["later"])
    }

    /// Swift's pool, as small as it can be.
    private final class OneThread: TaskExecutor {
        private let queue = DispatchQueue(label: "one thread")

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
        }
    }

    @Test("A flush, or a shutdown, that waits for the spool has no thread of Swift's pool", arguments: [false, true])
    func pool(isShutdown: Bool) async throws {
        // Far more than any machine takes to run a task.
        let timeout = Duration.seconds(30)
        let fixture = try fixture { $0.commitTimeout = timeout }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let blocker = try SQLiteShell.lock(fixture.configuration.spool)
        fixture.logger(shipper).info("a")
        let pool = OneThread()
        let start = ContinuousClock.now
        let call = Task(executorPreference: pool) {
            if isShutdown {
                _ = await shipper.shutdown(timeout: patience)
            } else {
                await shipper.flush(timeout: patience)
            }
        }
        await Task(executorPreference: pool) {}.value
        #expect(ContinuousClock.now - start < timeout)
        try blocker.write("ROLLBACK;\n.quit\n")
        await call.value
        #expect(service.sent.flatMap(\.texts) == ["a"])
    }

    @Test("Ends with its owner, and leaves no record and no file behind")
    func ends() throws {
        let fixture = try fixture { $0.uploads = false }
        var shipper: LogShipper? = try LogShipper(fixture.configuration)
        fixture.logger(try #require(shipper)).info("a")
        shipper = nil
        #expect(try fixture.pending() == ["a"])
        #expect(try journals(fixture) == [])
    }

    @Test("What waits for the disk, or is too long, comes after what was logged before, and is on the disk with it")
    func order() throws {
        let fixture = try fixture { $0.durability = .powerLoss(from: .error) }
        let disk = TestDisk(directory: fixture.directory.path)
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        logger.info("one")
        logger.error("two")
        #expect(try afterPowerCut(disk) == ["one", "two"])
        logger.info("three")
        let long = String(repeating: "x", count: 65_537)
        logger.info("\(long)")
        #expect(try fixture.pending() == ["one", "two", "three", long])
        withExtendedLifetime(shipper) {}
    }

    @Test("With a sync at every commit there is no journal")
    func powerLoss() throws {
        let fixture = try fixture { $0.durability = .powerLoss }
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        fixture.logger(shipper).info("a")
        #expect(try journals(fixture) == [])
        #expect(try fixture.pending() == ["a"])
        withExtendedLifetime(shipper) {}
    }

    @Test("What is too long is cut or split as ever")
    func oversize() async throws {
        let fixture = try fixture { $0.maximumMessageSize = 256 }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("\(String(repeating: "x", count: 300))")
        #expect(await shipper.flush(timeout: patience))
        let sizes = service.sent.flatMap(\.texts).map(\.utf8.count)
        #expect(sizes.count == 1 && sizes.allSatisfy { $0 <= 256 })

        let splitting = try self.fixture {
            $0.maximumMessageSize = 256
            $0.oversize = .split
        }
        let other = try LogShipper(splitting.configuration, service: ScriptedDeliveryService())
        let logger = splitting.logger(other)
        logger.info("before")
        logger.info("\(String(repeating: "x", count: 600))")
        #expect(try splitting.pending().map(\.utf8.count).dropLast() == [6, 256, 256])
        withExtendedLifetime(other) {}
    }

    private static let text = String(repeating: "x", count: 60_000)

    @Test(
        "When the spool is full, all that was logged arrives or is counted as dropped, and nothing twice",
        arguments: [LogShipper.Configuration.WhenFull.dropOldest, .dropNewest, .block(timeout: .milliseconds(20))]
    )
    func full(_ whenFull: LogShipper.Configuration.WhenFull) async throws {
        let fixture = try fixture {
            $0.maxSpoolSize = 16 << 20
            $0.whenFull = whenFull
            $0.maximumInFlight = 1
        }
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate) { _, _ in .accepted(.none) }
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        for number in 0..<400 { logger.info("\(number) \(Self.text)") }
        gate.open()
        func numbers() -> [Int] {
            service.sent.flatMap(\.texts).compactMap { $0.split(separator: " ").first.flatMap { Int($0) } }
        }
        try await waitUntil("all is sent, or counted") {
            try numbers().count + fixture.status().dropped == 400 && fixture.status().pending == 0
        } while: {
            _ = await shipper.flush(timeout: patience)
        }
        #expect(Set(numbers()).count == numbers().count)
        #expect(numbers().count < 400, "the spool was not full")
        #expect(numbers().contains(whenFull == .dropOldest ? 399 : 0))
        await shipper.shutdown(timeout: patience)
        #expect(try journals(fixture) == [])
    }

    @Test("A flush has not sent everything while the spool does not take what stands in the journal")
    func flushOfJournal() async throws {
        let fixture = try SpoolFixture {
            $0.usesJournal = true
            $0.commitTimeout = .seconds(2)
        }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        logger.info("one")
        #expect(await shipper.flush(timeout: patience))
        let blocker = try await onOwnThread { try SQLiteShell.lock(fixture.configuration.spool) }
        logger.info("two")
        #expect(await shipper.flush(timeout: .milliseconds(500)) == false)
        try await onOwnThread {
            try blocker.write("ROLLBACK;\n.quit\n")
            _ = try blocker.wait()
        }
        #expect(await shipper.flush(timeout: patience))
        #expect(service.sent.map(\.texts) == [["one"], ["two"]])
    }

    /// In a process of its own: the threads of all other tests have the same names.
    @Test("However many flush at once, one thread moves what the journal holds")
    func flushThreads() async {
        await #expect(processExitsWith: .success) {
            let fixture = try SpoolFixture {
                $0.usesJournal = true
                $0.commitTimeout = .milliseconds(50)
            }
            let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
            let logger = fixture.logger(shipper)
            let blocker = try await onOwnThread { try SQLiteShell.lock(fixture.configuration.spool) }
            logger.info("one")
            func settlers() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count {
                    (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "logbeam-move\n"
                }
            }
            let most = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<100 { group.addTask { await shipper.flush(timeout: .milliseconds(1)) } }
                var most = 0
                while try await group.next() != nil { most = max(most, try settlers()) }
                return most
            }
            // One that ends may still be there when the next has begun.
            #expect(most < 10)
            try await onOwnThread {
                try blocker.write("ROLLBACK;\n.quit\n")
                _ = try blocker.wait()
            }
        }
    }

    @Test("What waits for the disk has all before it there, though the spool did not take that a moment ago")
    func overtaking() async throws {
        let fixture = try SpoolFixture {
            $0.usesJournal = true
            $0.uploads = false
            $0.durability = .powerLoss(from: .error)
            $0.commitTimeout = .seconds(2)
        }
        let disk = TestDisk(directory: fixture.directory.path)
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        let other = try Connection(path: fixture.configuration.spool, mode: .readWrite)
        other.setBusyDeadline(.max)
        try other.execute("BEGIN IMMEDIATE")
        logger.info("before")
        // Fails, and is not tried again for a moment.
        #expect(await shipper.flush(timeout: .zero) == false)
        try other.execute("ROLLBACK")
        logger.error("synced")
        #expect(try afterPowerCut(disk) == ["before", "synced"])
        withExtendedLifetime(shipper) {}
    }
}
