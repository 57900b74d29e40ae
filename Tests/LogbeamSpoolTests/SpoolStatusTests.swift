import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("The status of a spool")
struct SpoolStatusTests {
    @Test("of a new spool is empty")
    func empty() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("spool.db")
        _ = try Spool(path: path)
        var empty = SpoolStatus(path: path, streams: [], delivered: 0, uploader: nil)
        empty.identity = FileIdentity(path)
        #expect(try SpoolStatus.read(path: path) == empty)
    }

    @Test("tells each stream's figures, and their sums")
    func figures() throws {
        let test = try TestSpool()
        let start = WallClock.milliseconds()
        // Seven bytes of UTF-8, in two and three characters.
        for (text, time) in [("é€", 300), ("", 200), ("ab", 250)] as [(String, Int64)] {
            try test.spool.append(text, stream: test.stream, timestamp: time)
        }
        let others = try test.append(4, to: test.otherStream, timestamp: 100)
        try test.spool.reject([RefusedRecord(id: others[0], reason: .tooOld)])
        let range = BatchRange(stream: test.otherStream, first: others[1], last: others[2], latest: 100)
        try test.spool.begin(range)
        var status = try SpoolStatus.read(path: test.path)
        #expect(status.streams.map(\.inDoubt) == [1, 0])
        #expect(status.streams.map(\.lastDelivery) == [nil, nil])
        try test.spool.acknowledgeAndFinish(range, refused: [], delivered: 2)
        try test.spool.begin(test.range(1, 2))
        try test.spool.noteFailure(stream: test.stream, message: "AccessDeniedException: no", failures: 1)
        let gaps = [
            Gap(stream: test.stream, reason: "busy", records: 2, first: 10, last: 20),
            Gap(stream: test.stream, reason: "busy", records: 3, first: 5, last: 15),
            Gap(stream: test.stream, reason: "full", records: 4, first: 30, last: 30),
        ]
        for gap in gaps { try test.spool.noteGap(gap) }
        #expect(try SpoolStatus.read(path: test.path).streams[1].dropped == 9)
        // One record tells of each that has a reason of its own, once.
        let untold = try test.spool.untoldGaps().filter { $0.stream == test.stream }
        #expect(untold.map(\.records) == [5, 4])
        #expect(try untold.map { try test.spool.tellGap($0) } == [true, true])
        #expect(try untold.map { try test.spool.tellGap($0) } == [false, false])
        // Of what was refused the other stream is told, and it is no gap.
        #expect(try test.spool.untoldGaps().map(\.stream) == [test.otherStream])
        let toldBytes = untold.map(\.description.utf8.count).reduce(0, +)
        let lease = try UploadLease.acquire(test.spool)

        status = try SpoolStatus.read(path: test.path)
        #expect(status.streams.map(\.destination.logStream) == ["other", "stream"])
        let (other, stream) = (status.streams[0], status.streams[1])
        #expect((other.pending, other.pendingBytes, other.oldest) == (1, 9, 100))
        #expect((other.rejected, other.dropped, other.inDoubt) == (1, 0, 0))
        #expect(try #require(other.lastDelivery) >= start)
        #expect((other.lastError, other.lastErrorTime) == (nil, nil))
        #expect((stream.pending, stream.pendingBytes, stream.oldest) == (3 + 2, 7 + toldBytes, 200))
        #expect((stream.rejected, stream.dropped, stream.inDoubt) == (0, 9, 1))
        #expect(other.rejections == [.init(reason: "too old", records: 1, first: 100, last: 100)])
        #expect(
            stream.gaps == [
                .init(reason: "busy", records: 5, first: 5, last: 20),
                .init(reason: "full", records: 4, first: 30, last: 30),
            ]
        )
        #expect(stream.lastDelivery == nil)
        #expect(stream.lastError == "AccessDeniedException: no")
        #expect(try #require(stream.lastErrorTime) >= start)

        #expect((status.pending, status.pendingBytes, status.oldest) == (4 + 2, 16 + toldBytes, 100))
        #expect((status.rejected, status.dropped, status.inDoubt, status.delivered) == (1, 9, 1, 2))
        #expect(status.uploader?.processID == UploadLease.holder(spool: test.path)?.processID)
        #expect(status.uploader != nil)
        withExtendedLifetime(lease) {}
        #expect(stream.gaps.map(\.reason) == untold.map(\.reason))
        #expect(stream.gaps.map(\.records) == untold.map(\.records))
        #expect(stream.gaps.map(\.first) == untold.map(\.first))
        #expect(stream.gaps.map(\.last) == untold.map(\.last))
        let counted = try sqlite3(
            test.path,
            "SELECT reason, records, first_at, last_at FROM gaps WHERE reason NOT LIKE 'refused by%' ORDER BY reason"
        )
        #expect(counted == "busy|5|5|20\nfull|4|30|30\n")
    }

    @Test("forgets an error with the next acknowledgement")
    func errorIsForgotten() throws {
        let test = try TestSpool()
        try test.append()
        try test.spool.noteFailure(stream: test.stream, message: "Timeout", failures: 1)
        #expect(try SpoolStatus.read(path: test.path).streams.compactMap(\.lastError) == ["Timeout"])
        try test.deliverAll()
        #expect(try SpoolStatus.read(path: test.path).streams.compactMap(\.lastError) == [])
    }

    @Test("can be read while another process holds the write lock")
    func locked() throws {
        let test = try TestSpool()
        try test.append(2)
        let other = try Connection(path: test.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE; DELETE FROM records")
        #expect(try SpoolStatus.read(path: test.path).pending == 2)
        try other.execute("ROLLBACK")
    }

    @Test(
        "tells of a gap in words that are the same for all records with that fate",
        arguments: [
            (1, "logbeam: 1 record dropped between 1970-01-01T00:00:00.005Z and 1970-01-01T00:00:01.000Z: disk full"),
            (
                999,
                "logbeam: 999 records dropped between 1970-01-01T00:00:00.005Z and 1970-01-01T00:00:01.000Z: disk full"
            ),
            (
                1_234_567,
                "logbeam: 1,234,567 records dropped between 1970-01-01T00:00:00.005Z and 1970-01-01T00:00:01.000Z: disk full"
            ),
        ]
    )
    func gapText(records: Int, expected: String) throws {
        let gap = Gap(stream: 1, reason: "disk full", records: records, first: 5, last: 1_000)
        #expect(gap.description == expected)
    }
}
