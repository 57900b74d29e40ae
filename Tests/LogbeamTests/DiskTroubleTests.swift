import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

#if canImport(Glibc)
import Glibc
#endif

/// From the fault to the event in the stream, for each trouble that a disk may have.
@Suite("When the disk takes nothing for a while")
struct DiskTroubleTests {
    struct Trouble: Sendable, CustomTestStringConvertible {
        var reason: String
        /// What SQLite is told (https://www.sqlite.org/rescode.html), and `errno`.
        var code: Int32
        var systemError: Int32
        var isShort = false
        var testDescription: String { "\(reason), short: \(isShort)" }

        /// SQLITE_FULL, and SQLITE_IOERR_WRITE, which is all that SQLite says of the others (os_unix.c, `unixWrite`).
        static let all = [
            Trouble(reason: "disk full", code: 13, systemError: 0),
            Trouble(reason: "disk full", code: 13, systemError: 0, isShort: true),
            Trouble(reason: "disk quota exceeded", code: 10 | 3 << 8, systemError: EDQUOT),
            Trouble(reason: "file system read-only", code: 10 | 3 << 8, systemError: EROFS),
            Trouble(reason: "disk error", code: 10 | 3 << 8, systemError: EIO),
        ]
    }

    @Test(
        "records are counted by reason, and when it is over the next one is committed, the stream is told, and status shows it",
        arguments: Trouble.all
    )
    func trouble(trouble: Trouble) async throws {
        let fixture = try SpoolFixture()
        let disk = TestDisk(directory: fixture.directory.path)
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        logger.info("before")
        let start = WallClock.milliseconds()
        disk.setFault(
            .init(
                [.write],
                first: 1,
                lasts: true,
                code: trouble.code,
                isShort: trouble.isShort,
                systemError: trouble.systemError
            )
        )
        for number in 0..<7 { logger.info("lost \(number)") }
        let end = WallClock.milliseconds()
        #expect(try fixture.pending() == ["before"])
        disk.setFault(nil)
        logger.info("after")
        #expect(try fixture.pending().filter { !$0.hasPrefix("logbeam: ") } == ["before", "after"])

        try await waitUntil("the stream is told") { try fixture.pending().contains { $0.hasPrefix("logbeam: ") } }
        let gaps = try fixture.status().streams.flatMap(\.gaps)
        let gap = try #require(gaps.first)
        #expect(gaps.count == 1)
        #expect((gap.reason, gap.records) == (trouble.reason, 7))
        #expect(start <= gap.first && gap.first <= gap.last && gap.last <= end)
        #expect(await shipper.flush(timeout: patience))
        let told = Gap(stream: 1, reason: gap.reason, records: 7, first: gap.first, last: gap.last)
        #expect(service.sent.flatMap(\.texts) == ["before", "after", told.description])
        #expect(try fixture.status().delivered == 3)
    }
}
