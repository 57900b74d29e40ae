import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

@Suite("What a record survives")
struct DurabilityTests {
    @Test(
        "A record from the level on is on the disk when log() returns, with all before it; those below wait for no disk"
    )
    func byLevel() throws {
        let fixture = try SpoolFixture { $0.durability = .powerLoss(from: .error) }
        let disk = TestDisk(directory: fixture.directory.path)
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        logger.warning("one")
        let opened = disk.syncCount
        logger.info("two")
        logger.warning("three")
        #expect(disk.syncCount == opened)
        #expect(try afterPowerCut(disk) == [])
        logger.error("four")
        #expect(try afterPowerCut(disk) == ["one", "two", "three", "four"])
        logger.info("five")
        #expect(try afterPowerCut(disk) == ["one", "two", "three", "four"])
        logger.critical("six")
        #expect(try afterPowerCut(disk) == ["one", "two", "three", "four", "five", "six"])
        withExtendedLifetime(shipper) {}
    }

    @Test("All parts of a record that is split are on the disk")
    func parts() throws {
        let fixture = try SpoolFixture {
            $0.durability = .powerLoss(from: .error)
            $0.oversize = .split
            $0.maximumMessageSize = 256
        }
        let disk = TestDisk(directory: fixture.directory.path)
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        fixture.logger(shipper).error("\(String(repeating: "x", count: 600))")
        #expect(try afterPowerCut(disk).count == 3)
        withExtendedLifetime(shipper) {}
    }

    @Test("Each record, or none, is on the disk when log() returns", arguments: [true, false])
    func allOrNone(isPowerLossSafe: Bool) throws {
        let fixture = try SpoolFixture { $0.durability = isPowerLossSafe ? .powerLoss : .processCrash }
        let disk = TestDisk(directory: fixture.directory.path)
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        for text in ["one", "two"] { logger.critical("\(text)") }
        #expect(try afterPowerCut(disk) == (isPowerLossSafe ? ["one", "two"] : []))
        withExtendedLifetime(shipper) {}
    }

    @Test("A record that the disk fails to sync is in the spool, is not counted as lost, and the next one is synced")
    func failure() throws {
        let fixture = try SpoolFixture { $0.durability = .powerLoss(from: .error) }
        let disk = TestDisk(directory: fixture.directory.path)
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        logger.error("one")
        // SQLITE_IOERR_FSYNC.
        disk.setFault(.init([.sync], first: 1, lasts: true, code: 10 | 4 << 8))
        logger.error("two")
        #expect(disk.failedCalls > 0)
        #expect(try fixture.pending() == ["one", "two"])
        #expect(try afterPowerCut(disk) == ["one"])
        disk.setFault(nil)
        // For a moment that is not tried again.
        let isSynced = eventually {
            logger.error("three")
            return (try? afterPowerCut(disk).prefix(3)) == ["one", "two", "three"]
        }
        #expect(isSynced)
        #expect(try fixture.status().dropped == 0)
        withExtendedLifetime(shipper) {}
    }
}

/// The messages that are there if the power is cut now, and nothing is left that was not synced.
func afterPowerCut(_ disk: TestDisk) throws -> [String] {
    var state = DiskAfterPowerCut()
    for event in disk.events { state.apply(event) }
    var random = SeededGenerator(seed: 1)
    let fixture = try SpoolFixture()
    for (name, bytes) in state.files(.allLost, using: &random) {
        try Data(bytes).write(to: URL(fileURLWithPath: fixture.directory.file(name)))
    }
    // Reads what the log holds into the file.
    _ = try Spool(path: fixture.configuration.spool)
    return try fixture.pending()
}

extension TestDisk {
    fileprivate var syncCount: Int {
        events.count { if case .sync = $0 { true } else { false } }
    }
}
