import Foundation
import Logbeam
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// A disk on which a file can be overwritten, but no longer be made longer.
@Suite("A disk that is full and stays so")
final class FullDiskTests: Sendable {
    private let directory: TemporaryDirectory
    private let disk: TestDisk
    private let spool: Spool
    private let stream: Int64
    private let message = [UInt8](repeating: 65, count: 400)

    init() throws {
        // In memory, where there is such a place.
        let memory = "/dev/shm"
        directory = try TemporaryDirectory(in: FileManager.default.fileExists(atPath: memory) ? memory : nil)
        disk = TestDisk(directory: directory.path, records: false)
        spool = try Self.open(directory, disk)
        stream = try spool.streamID(for: SpoolFixture.destination)
    }

    private static func open(_ directory: TemporaryDirectory, _ disk: TestDisk) throws -> Spool {
        var options = Spool.Options(commitTimeout: .seconds(60))
        options.freeSpace = { [disk] _ in Int64(disk.free) }
        return try Spool(path: directory.file("spool.db"), options: options)
    }

    private func append() throws(SpoolError) {
        _ = try message.withUnsafeBufferPointer { message throws(SpoolError) in
            try spool.append(stream: stream, timestamp: WallClock.milliseconds(), message: message)
        }
    }

    /// Appends until nothing is taken any more. Returns how many records were.
    private func fill() -> Int {
        var count = 0
        while count < 1_000_000 {
            do throws(SpoolError) {
                try append()
                count += 1
            } catch {
                #expect(error.kind == .full)
                return count
            }
        }
        Issue.record("it never is full")
        return count
    }

    private func ship(_ loop: UploadLoop) throws {
        _ = try loop.flush()
        var errors: [SpoolError] = []
        while try loop.hasRecords(), errors.count < 30 {
            guard case .waiting = loop.step() else { continue }
            loop.wake()
            if let error = loop.spoolError {
                errors.append(error)
            } else if loop.inFlight == 0 {
                usleep(10_000)
            } else {
                loop.waitForAnswer(until: .max)
            }
        }
        #expect(
            try !loop.hasRecords(),
            "\(errors.suffix(3)), \(disk.free) free, the log has \(spool.walFileSize) bytes"
        )
    }

    @Test(
        "lets everything that is pending be shipped and deleted, and then takes records again",
        arguments: [6, 20, 60]
    )
    func full(mebibytes: Int) async throws { try await onOwnThread { try self.fullDisk(mebibytes) } }

    private func fullDisk(_ mebibytes: Int) throws {
        disk.setCapacity(mebibytes << 20)
        let service = ScriptedDeliveryService()
        let acquired = try UploadLease.acquire(spool)
        let loop = try UploadLoop(lease: try #require(acquired), service: service, limits: BatchLimits(age: 0))
        let count = fill()
        #expect(count * 400 > mebibytes << 18, "a quarter of the disk at least holds records")
        try ship(loop)
        #expect(service.sent.reduce(0) { $0 + $1.count } == count)
        try append()
        #expect(try SpoolStatus.read(path: spool.path).delivered == count)
        #expect(try SpoolStatus.read(path: spool.path).inDoubt == 0)
        // Again, with what there is now.
        let more = fill()
        #expect(more > count / 2)
        try ship(loop)
        #expect(try SpoolStatus.read(path: spool.path).delivered == count + 1 + more)
    }

    @Test("that becomes scarce while the log is short is noticed in time, and what is pending can be shipped")
    func filledWhileLogIsShort() async throws { try await onOwnThread { try self.fillWhileLogIsShort() } }

    private func fillWhileLogIsShort() throws {
        let loop = try loop(spool)
        disk.setCapacity(100 << 20)
        loop.tidyWhileLogging { true }
        for _ in 0..<1_000 { try append() }
        #expect(spool.walPages > 1_000, "all that is pending is in the log alone")
        disk.setCapacity(disk.used + (20 << 20))
        loop.tidyWhileLogging { true }
        #expect(spool.walPages < 16)
        disk.setCapacity(disk.used)
        try ship(loop)
        #expect(try SpoolStatus.read(path: spool.path).delivered == 1_000)
    }

    @Test("that somebody else has filled does not keep what is pending from being shipped")
    func filledByOthers() async throws {
        try await onOwnThread {
            let loop = try self.loop(self.spool)
            try self.fillByOthers(loop)
            try self.ship(loop)
            try self.append()
        }
    }

    /// Where nobody has logged for a while, so much is deleted at once that the log has no room for it.
    @Test("nor does it keep a process from it that never logged")
    func drained() async throws {
        try await onOwnThread {
            try self.fillByOthers(try self.loop(self.spool))
            try self.ship(try self.loop(try Self.open(self.directory, self.disk)))
            try self.append()
        }
    }

    /// Nobody has the lease whose loop would see that the log begins anew.
    @Test("nor does it keep a process from it that is to begin with the uploads, though the log is full to its end")
    func logFull() async throws {
        try await onOwnThread {
            for _ in 0..<30_000 { try self.append() }
            // There are free pages in the database then.
            try self.ship(try self.loop(self.spool))
            for _ in 0..<2_000 { try self.append() }
            let frame = 4_120
            while self.spool.walFileSize / frame > self.spool.walPages { try self.append() }
            self.disk.setCapacity(self.disk.used)
            try self.ship(try self.loop(try Self.open(self.directory, self.disk)))
            try self.append()
        }
    }

    private func loop(_ spool: Spool) throws -> UploadLoop {
        let lease = try UploadLease.acquire(spool)
        return try UploadLoop(
            lease: try #require(lease),
            service: ScriptedDeliveryService(),
            limits: BatchLimits(age: 0)
        )
    }

    private func fillByOthers(_ loop: UploadLoop) throws {
        disk.setCapacity(100 << 20)
        for _ in 0..<20_000 { try append() }
        // The disk has become scarce, which the uploader notices within a second; and then nothing is left.
        for _ in 1...2 {
            loop.tidyWhileLogging { true }
            disk.setCapacity(disk.used + (20 << 20))
        }
        loop.tidyWhileLogging { true }
        disk.setCapacity(disk.used)
        #expect(fill() == 0)
    }
}
