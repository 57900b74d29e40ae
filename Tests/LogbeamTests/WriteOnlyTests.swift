import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

@Suite("A shipper that does not upload", .onOwnThreads)
struct WriteOnlyTests {
    @Test("It commits, leaves the lease to others, and ends without a flush")
    func leavesLease() async throws {
        let fixture = try SpoolFixture { $0.uploads = false }
        let shipper = try LogShipper(fixture.configuration)
        fixture.logger(shipper).info("a")
        #expect(try fixture.pending() == ["a"])
        let lease = try UploadLease.acquire(Spool(path: fixture.configuration.spool))
        #expect(lease != nil)
        // With a flush it would take an hour: nobody sends.
        await shipper.shutdown(timeout: .seconds(3600))
        fixture.logger(shipper).info("b")
        #expect(try fixture.pending() == ["a", "b"])
    }

    @Test("A flush asks whoever uploads, and is true when what was pending is gone")
    func flush() async throws {
        let fixture = try SpoolFixture { $0.uploads = false }
        let shipper = try LogShipper(fixture.configuration)
        fixture.logger(shipper).info("a")
        let reader = try SpoolReader(path: fixture.configuration.spool)
        let id = try #require(try reader.lastID())
        #expect(await shipper.flush(timeout: .milliseconds(10)) == false)
        async let isFlushed = shipper.flush(timeout: patience)
        try await waitUntil("the flush is asked for") { try reader.requestedFlush() == id }
        let lease = try #require(try UploadLease.acquire(Spool(path: fixture.configuration.spool)))
        let range = BatchRange(stream: 1, first: id, last: id, latest: .max)
        try lease.begin(range)
        try lease.acknowledge(range, refused: [], delivered: 1)
        try lease.finish(range)
        #expect(await isFlushed)
    }

    @Test("What its own records could not be written of is told in the stream as ever")
    func tellsGaps() async throws {
        let fixture = try SpoolFixture { $0.uploads = false }
        let spool = try Spool(path: fixture.configuration.spool)
        let stream = try spool.streamID(for: SpoolFixture.destination)
        try spool.noteGap(Gap(stream: stream, reason: "disk full", records: 3, first: 0, last: 1))
        let shipper = try LogShipper(fixture.configuration)
        try await waitUntil("the stream is told") { try fixture.pending().first?.contains("3 records dropped") == true }
        withExtendedLifetime(shipper) {}
    }
}
