import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

@Suite("When the disk is full")
struct DiskFaultShipperTests {
    @Test(
        "each record is delivered, or counted and told of in the stream, wherever it began, and logging goes on by itself"
    )
    func everywhere() async throws {
        var first = 1
        var isHit = true
        while isHit {
            isHit = try await run(first)
            first += 9
        }
        #expect(first > 19)
    }

    /// False if everything was done before the disk was full.
    private func run(_ first: Int) async throws -> Bool {
        let comment: Comment = "full from the write \(first) on"
        let fixture = try SpoolFixture()
        let disk = TestDisk(directory: fixture.directory.path)
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        // SQLITE_FULL.
        disk.setFault(.init([.write], first: first, lasts: true, code: 13))
        var isHit = false
        for number in 0..<12 {
            logger.info("record \(number)")
            if number == 6 { await shipper.flush(timeout: .milliseconds(1)) }
            isHit = isHit || disk.failedCalls > 0
            // Room is made.
            if disk.failedCalls >= 3 { disk.setFault(nil) }
        }
        disk.setFault(nil)
        logger.info("last")

        var missing = -1
        let deadline = ContinuousClock.now + patience
        // The uploader notes what was lost when it next looks, and what it could not note before it tries again.
        var isTold = false
        while try fixture.status().dropped != missing || !fixture.pending().isEmpty || !isTold,
            ContinuousClock.now < deadline
        {
            await shipper.flush(timeout: .seconds(10))
            let sent = service.sent.flatMap(\.texts)
            missing = 13 - sent.count { !$0.hasPrefix("logbeam: ") }
            isTold = missing == 0 || sent.contains { $0.hasPrefix("logbeam: ") }
        }
        #expect(try fixture.status().dropped == missing, comment)
        let sent = service.sent.flatMap(\.texts)
        let records = sent.filter { !$0.hasPrefix("logbeam: ") }
        #expect(records == records.uniqued, comment)
        #expect(records.last == "last", comment)
        #expect(try fixture.status().rejected == 0)
        let told = sent.filter { $0.hasPrefix("logbeam: ") }
        #expect(told.allSatisfy { $0.hasSuffix(": disk full") }, comment)
        #expect(told.isEmpty == (missing == 0), comment)
        return isHit
    }
}

extension [String] {
    /// Each but for its repetitions, in order.
    fileprivate var uniqued: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
