import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool
@testable import logbeam_spool

@Suite("status", .onOwnThreads)
struct StatusTests {
    private let command: Command

    init() throws {
        command = try Command()
    }

    /// 2026-11-22T19:42:09.123Z
    private static let time: Int64 = 1_795_376_529_123

    private static var report: StatusReport { report(lastBeat: time + 190_000) }

    private static func report(lastBeat: Int64?) -> StatusReport {
        let troubled = SpoolStatus.Stream(
            destination: Destination(logGroup: "g", logStream: "evil\u{1B}[2J"),
            pending: 12_000,
            pendingBytes: 1_200_000,
            oldest: time,
            rejections: [.init(reason: "too old", records: 1, first: 0, last: 0)],
            gaps: [
                .init(reason: "disk full", records: 1_203, first: time - 2_000, last: time - 1_000),
                .init(reason: "spool locked", records: 1, first: time, last: time),
            ],
            inDoubt: 3,
            lastErrorTime: time + 1_000,
            lastError: "AccessDenied:\tno"
        )
        let quiet = SpoolStatus.Stream(
            destination: Destination(logGroup: "group/two", logStream: "s"),
            pending: 0,
            pendingBytes: 0,
            inDoubt: 0,
            lastDelivery: time - 1_000
        )
        let holder = UploadLease.Holder(processID: 42, host: "host", lastBeat: lastBeat, beatInterval: 3_000)
        var status = SpoolStatus(path: "/s.db", streams: [troubled, quiet], delivered: 7, uploader: holder)
        status.setAside = ["/s.db.damaged-x"]
        status.journals = [StrandedJournal(path: "/s.db.journal-x", kind: .unwritable, cause: "no")]
        return StatusReport(status: status, now: time + 200_000)
    }

    private static func page(
        _ report: StatusReport = report,
        rates: Rates? = nil,
        limit: Int = .max,
        on terminal: Terminal = .plain
    ) -> String {
        let page = StatusPage(status: report.status, now: report.now, rates: rates, terminal: terminal)
        return page.lines(limit: limit).map { $0 + "\n" }.joined()
    }

    @Test("A journal that was set aside is no file for salvage")
    func damagedJournal() {
        var status = SpoolStatus(path: "/s.db", streams: [], delivered: 0)
        status.setAside = ["/s.db.damaged-x.journal"]
        let page = Self.page(StatusReport(status: status, now: Self.time))
        #expect(page.contains("/s.db.damaged-x.journal; a damaged journal; what is whole of it is in the spool\n"))
    }

    @Test("What a damaged spool says may be anything, and ends nothing", arguments: [Int64.min, .max])
    func extremes(time: Int64) {
        var stream = SpoolStatus.Stream(
            destination: Command.destination,
            pending: 1,
            pendingBytes: 1,
            oldest: time,
            inDoubt: 0,
            lastDelivery: time
        )
        stream.gaps = ["a", "b"].map { .init(reason: $0, records: .max, first: time, last: time) }
        let status = SpoolStatus(path: "/s.db", streams: [stream], delivered: .max)
        let report = StatusReport(status: status, now: Self.time)
        #expect(report.table.contains("\ndropped\t\(Int.max)\n"))
        #expect(report.json().contains("\"expires_in_seconds\":\(time < 0 ? 0 : (.max - Self.time) / 1_000),"))
        #expect(Self.page(report).contains(time < 0 ? ", expired: " : ", expires in "))
        var watch = StatusWatch(path: "/s.db")
        for second in Int64(0)...1 { watch.add(.success(status), now: Self.time, time: second * 1_000) }
        #expect(
            watch.line.contains("\t\(time < 0 ? Int64.max / 1_000 : 0)\t0.000\t0.000\t\(Int.max)\t"),
            "\(watch.line)"
        )
        #expect(watch.lines(on: .plain).contains("rate           logged 0/s, delivered 0/s"))
        let page = MetricsText.page([.init(path: "/s.db", status: status)], at: Self.time)
        #expect(page.contains("logbeam_oldest_pending_age_seconds{spool=\"/s.db\"} \(time < 0 ? "9.2" : "0")"))
    }

    @Test("The page has facts, what went wrong, and columns, and no raw control character")
    func page() {
        #expect(
            Self.page() == #"""
                spool          /s.db
                uploader       process 42 on host
                pending        12,000 records (1.2 MB)
                oldest         2026-11-22 19:42:09 +0000 (3 min 20 s ago), expires in 13 d 23 h
                delivered      7 records
                rejected       1 record
                dropped        1,204 records
                in doubt       3 batches
                last delivery  2026-11-22 19:42:08 +0000 (3 min 21 s ago)
                last error     2026-11-22 19:42:10 +0000 (3 min 19 s ago)
                set aside      /s.db.damaged-x; see 'logbeam-spool salvage --help'
                journal        /s.db.journal-x; could not be moved into the spool: no

                g evil\u001b[2J: AccessDenied:\tno
                g evil\u001b[2J: 1 record of 1970-01-01 00:00:00 +0000 rejected: too old
                g evil\u001b[2J: 1,203 records of 2026-11-22 19:42:07 +0000 to 2026-11-22 19:42:08 +0000 dropped: disk full
                g evil\u001b[2J: 1 record of 2026-11-22 19:42:09 +0000 dropped: spool locked

                LOG GROUP  LOG STREAM     PENDING   BYTES  OLDEST          REJECTED  DROPPED  IN DOUBT  LAST DELIVERY
                g          evil\u001b[2J   12,000  1.2 MB  3 min 20 s ago         1    1,204         3  -
                group/two  s                    0     0 B  -                      0        0         0  3 min 21 s ago

                """#
        )
    }

    @Test("The page says each error once, with the streams that have it, and leaves out what says nothing")
    func sameError() {
        let error = "NoCredentials: " + String(repeating: "looked here, then there; ", count: 12) + "do this"
        var streams = (1...5).map { number in
            var stream = SpoolStatus.Stream(
                destination: Destination(logGroup: "g", logStream: "s\(number)"),
                pending: 1,
                pendingBytes: 1,
                oldest: Self.time,
                inDoubt: 0
            )
            (stream.lastError, stream.lastErrorTime) = (error, Self.time)
            return stream
        }
        let report = StatusReport(status: SpoolStatus(path: "/s", streams: streams, delivered: 0), now: Self.time)
        for columns in [40, 80, 200] {
            let page = Self.page(report, on: .plain(columns: columns))
            let words = page.split { $0 == "\n" || $0 == " " }.joined(separator: " ")
            #expect(words.contains("g s1, g s2, g s3 and 2 more streams: NoCredentials: "))
            #expect(words.components(separatedBy: "NoCredentials").count == 2)
            #expect(page.split(separator: "\n").allSatisfy { $0.count <= columns })
            #expect(!page.contains("REJECTED") && !page.contains("DROPPED") && !page.contains("IN DOUBT"))
        }
        // Where there is no room for all streams, those come first that have something to say.
        streams.insert(
            .init(destination: Destination(logGroup: "a", logStream: "quiet"), pending: 0, pendingBytes: 0, inDoubt: 0),
            at: 0
        )
        let many = StatusReport(status: SpoolStatus(path: "/s", streams: streams, delivered: 0), now: Self.time)
        for limit in 16...40 {
            let page = Self.page(many, limit: limit, on: .plain(columns: 80))
            #expect(page.filter { $0 == "\n" }.count <= limit, "\(page)")
            #expect(
                page.contains("\ng          s1 ") && page.contains("quiet") == !page.contains("more streams\n"),
                "\(page)"
            )
            // What to do stands at the end of an error.
            #expect(limit < 19 || page.contains(" do this\n\nLOG GROUP"), "\(page)")
        }
        #expect(
            Self.page(many, limit: 20, on: .plain(columns: 80)).hasSuffix(
                """
                last error     2026-11-22 19:42:09 +0000 (0.0 s ago)

                g s1, g s2, g s3 and 2 more streams: NoCredentials: looked here, then there;
                  …
                  looked here, then there; looked here, then there; looked here, then there;
                  looked here, then there; looked here, then there; do this

                LOG GROUP  LOG STREAM  PENDING  BYTES  OLDEST     LAST DELIVERY
                g          s1                1    1 B  0.0 s ago  -
                g          s2                1    1 B  0.0 s ago  -
                and 4 more streams

                """
            )
        )
    }

    @Test("The page warns of records that expire, and says when they are lost")
    func expiry() {
        func page(age: Int64) -> String {
            Self.page(StatusReport(status: Self.report.status, now: Self.time + age))
        }
        #expect(page(age: 14 * 86_400_000 - 3_600_000).contains("ago), expires in 1 h 0 min\n"))
        #expect(
            page(age: 14 * 86_400_000).contains("ago), expired: CloudWatch Logs takes nothing older than 14 days\n")
        )
        let report = StatusReport(status: Self.report.status, now: Self.time + 15 * 86_400_000)
        #expect(report.table.contains("\nexpires\t2026-12-06T19:42:09.123Z\t0\n"))
    }

    @Test("The table has a fact a line")
    func table() {
        let rows = Self.report.table.split(separator: "\n").map {
            $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
        #expect(
            rows == [
                ["spool", "/s.db"], ["uploader", "42", "host"], ["delivered", "7"], ["pending", "12000"],
                ["pending_bytes", "1200000"], ["oldest", "2026-11-22T19:42:09.123Z", "200"],
                ["expires", "2026-12-06T19:42:09.123Z", "1209400"], ["rejected", "1"],
                ["dropped", "1204"], ["in_doubt", "3"], ["last_delivery", "2026-11-22T19:42:08.123Z"],
                ["last_error", "2026-11-22T19:42:10.123Z", #"AccessDenied:\tno"#], ["set_aside", "/s.db.damaged-x"],
                ["journal", "/s.db.journal-x"],
                [
                    "stream", "g", #"evil\u001b[2J"#, "12000", "1200000", "2026-11-22T19:42:09.123Z", "1", "1204", "3",
                    "-",
                    "2026-11-22T19:42:10.123Z", #"AccessDenied:\tno"#,
                ],
                ["stream", "group/two", "s", "0", "0", "-", "0", "0", "0", "2026-11-22T19:42:08.123Z", "-", "-"],
                [
                    "rejection", "g", #"evil\u001b[2J"#, "too old", "1", "1970-01-01T00:00:00.000Z",
                    "1970-01-01T00:00:00.000Z",
                ],
                [
                    "gap", "g", #"evil\u001b[2J"#, "disk full", "1203", "2026-11-22T19:42:07.123Z",
                    "2026-11-22T19:42:08.123Z",
                ],
                [
                    "gap", "g", #"evil\u001b[2J"#, "spool locked", "1", "2026-11-22T19:42:09.123Z",
                    "2026-11-22T19:42:09.123Z",
                ],
            ]
        )
    }

    @Test("The JSON has the documented keys")
    func json() throws {
        let expected = #"""
            {"time": "2026-11-22T19:45:29.123Z", "spool": "/s.db", "uploader": {"process_id": 42, "host": "host",
             "last_beat": "2026-11-22T19:45:19.123Z", "seems_to_hang": false}, "delivered": 7, "pending": 12000,
             "pending_bytes": 1200000, "oldest": "2026-11-22T19:42:09.123Z", "oldest_age_seconds": 200,
             "expires": "2026-12-06T19:42:09.123Z", "expires_in_seconds": 1209400, "rejected": 1,
             "dropped": 1204, "in_doubt": 3, "last_delivery": "2026-11-22T19:42:08.123Z",
             "last_error": {"time": "2026-11-22T19:42:10.123Z", "message": "AccessDenied:\tno"}, "set_aside": ["/s.db.damaged-x"],
             "journals": ["/s.db.journal-x"],
             "streams": [
                {"log_group": "g", "log_stream": "evil\u001b[2J", "pending": 12000, "pending_bytes": 1200000,
                 "oldest": "2026-11-22T19:42:09.123Z", "expires": "2026-12-06T19:42:09.123Z", "rejected": 1, "dropped": 1204, "in_doubt": 3, "last_delivery": null,
                 "last_error": {"time": "2026-11-22T19:42:10.123Z", "message": "AccessDenied:\tno"},
                 "rejections": [{"reason": "too old", "records": 1, "first": "1970-01-01T00:00:00.000Z",
                    "last": "1970-01-01T00:00:00.000Z"}],
                 "gaps": [{"reason": "disk full", "records": 1203, "first": "2026-11-22T19:42:07.123Z",
                    "last": "2026-11-22T19:42:08.123Z"}, {"reason": "spool locked", "records": 1,
                    "first": "2026-11-22T19:42:09.123Z", "last": "2026-11-22T19:42:09.123Z"}]},
                {"log_group": "group/two", "log_stream": "s", "pending": 0, "pending_bytes": 0, "oldest": null, "expires": null,
                 "rejected": 0, "dropped": 0, "in_doubt": 0, "last_delivery": "2026-11-22T19:42:08.123Z",
                 "last_error": null, "rejections": [], "gaps": []}]}
            """#
        #expect(try Self.object(Self.report.json()) == Self.object(expected))
        #expect(Self.report.json().hasSuffix("}\n"))
    }

    @Test("An uploader that shows no sign of life is told to hang, and for how long, in all forms")
    func hanging() throws {
        let report = Self.report(lastBeat: Self.time + 153_000)
        #expect(
            Self.page(report).contains(
                "\nuploader       process 42 on host, which seems to hang: no sign of life for 47 s\n"
            ),
            "\(Self.page(report))"
        )
        #expect(report.table.contains("\nuploader\t42\thost\thangs\t47\n"))
        #expect(report.json().contains(#""last_beat":"2026-11-22T19:44:42.123Z","seems_to_hang":true"#))
        // One of an earlier version shows none at all.
        let earlier = Self.report(lastBeat: nil)
        #expect(Self.page(earlier).contains("\nuploader       process 42 on host\n"))
        #expect(earlier.json().contains(#""last_beat":null,"seems_to_hang":false"#))
    }

    private static func object(_ json: String) throws -> NSDictionary {
        try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? NSDictionary)
    }

    // MARK: The command

    @Test("Off a terminal it prints the table; with --json the object; both say what is in the spool")
    func forPrograms() throws {
        try command.fill(["one", "zwölf"])
        let table = try command.run(["status"])
        #expect(table.code == 0 && table.error.isEmpty)
        #expect(table.output.hasPrefix("spool\t\(command.spoolPath)\nuploader\t-\ndelivered\t0\npending\t2\n"))
        #expect(table.output.contains("\nstream\tgroup\tstream\t2\t9\t"))

        let json = try command.run(["status", "--json"])
        #expect(json.code == 0 && json.error.isEmpty)
        let object = try Self.object(json.output)
        #expect(object["pending"] as? Int == 2)
        #expect(object["pending_bytes"] as? Int == 9)
        #expect(object["uploader"] is NSNull)
        let oldest = try #require(try command.status().oldest)
        #expect(object["oldest"] as? String == UTCTime(millisecondsSinceEpoch: oldest).iso8601)
    }

    @Test("On a terminal it prints the page, and names can not control the terminal")
    func onTerminal() throws {
        try command.fill(["a"], destination: Destination(logGroup: "g", logStream: "evil\u{1B}[2J\u{9B}"))
        var command = command
        command.environment["NO_COLOR"] = "1"
        let ended = try command.runOnTerminal(["status"], WindowSize(columns: 120))
        #expect(ended.code == 0)
        #expect(ended.output.contains("LOG GROUP  LOG STREAM"))
        #expect(ended.output.contains(#"evil\u001b[2J\u009b"#))
        #expect(!ended.output.unicodeScalars.contains { $0 == "\u{1B}" || $0 == "\u{9B}" })
    }

    @Test("It says who uploads")
    func uploader() throws {
        try command.fill([])
        let lease = try UploadLease.acquire(Spool(path: command.spoolPath))
        #expect(try command.run(["status"]).output.contains("\nuploader\t\(getpid())\t"))
        let now = try Self.object(command.run(["status", "--json"]).output)["uploader"] as? NSDictionary
        #expect(now?["seems_to_hang"] as? Bool == false)
        // As if it had shown no sign of life for a minute.
        let note = command.spoolPath + "-uploader"
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -60)], ofItemAtPath: note)
        #expect(try command.run(["status"]).output.contains(/\thangs\t\d+\n/))
        let later = try Self.object(command.run(["status", "--json"]).output)["uploader"] as? NSDictionary
        #expect(later?["seems_to_hang"] as? Bool == true)
        withExtendedLifetime(lease) {}
    }

    @Test("It changes nothing")
    func readOnly() throws {
        try command.fill(["a"])
        let before = try Data(contentsOf: URL(fileURLWithPath: command.spoolPath))
        #expect(try command.run(["status"]).code == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: command.spoolPath)) == before)
    }
}
