import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool
@testable import logbeam_spool

@Suite("salvage")
struct SalvageTests {
    private let command: Command
    private var salvaged: String { command.spoolPath + ".salvaged.db" }

    init() throws {
        command = try Command()
    }

    private static var report: SalvageReport {
        var report = SalvageReport(file: "/d.db", pageSize: 4_096, pages: 1_234)
        report.into = "/d.db.salvaged.db"
        (report.records, report.rejected, report.streams, report.namelessStreams) = (12_000, 11, 2, 1)
        (report.gaps, report.deliveries, report.altered, report.orphanRecords) = (3, 4, 5, 6)
        (report.scannedPages, report.freePages, report.orphanPages, report.damagedPages) = (1_200, 30, 7, 22)
        (report.unreadableRows, report.unknownPages, report.damagedWALFrames, report.uncommittedWALFrames) = (
            8, 9, 10, 1
        )
        (report.journals, report.journalRecords, report.journalsInUse) = (2, 1_000, 1)
        report.damagedJournals = [.init(path: "/d.db.journal-a", problem: "5 records are missing in it")]
        report.damage = [
            .init(page: 17, problem: "is overwritten"), .init(page: 18, problem: "2 of 3 rows can not be read"),
        ]
        return report
    }

    @Test("The page has a fact a line, and leaves out what is not the case")
    func page() {
        #expect(
            SalvageText(report: Self.report).page(on: .plain) == """
                file        /d.db
                into        /d.db.salvaged.db
                records     12,000
                rejected    11
                streams     2
                pages       1,234 of 4,096 bytes, 30 of them free
                gaps        3 gaps
                journals    2 journals, with 1,000 records that the file does not have
                in use      1 journal of programs that run, left out
                lost names  1 stream; see log group logbeam-salvaged
                in doubt    4 batches (records pending again)
                orphans     6 records among them, perhaps acknowledged before
                altered     5 rows with text that was not UTF-8, an impossible time or a wrong id
                lost        8 rows at least, on pages that are readable otherwise
                unknown     9 pages that held nobody knows what
                log         10 damaged pages in the write-ahead log
                log         1 page of an unfinished commit, left out
                damage      page 17, at byte 65536: is overwritten
                damage      page 18, at byte 69632: 2 of 3 rows can not be read
                damage      20 more damaged pages
                damage      /d.db.journal-a: 5 records are missing in it

                """
        )
        let sound = SalvageText(report: SalvageReport(file: "f", pageSize: 4_096, pages: 1)).page(on: nil)
        #expect(sound.split(separator: "\n").count == 6)
    }

    @Test("The JSON has the documented keys")
    func json() throws {
        let expected = """
            {"file": "/d.db", "into": "/d.db.salvaged.db", "complete": false, "records": 12000, "rejected": 11,
             "streams": 2, "lost_names": 1, "gaps": 3, "deliveries": 4, "altered": 5, "orphan_records": 6, "pages": 1234,
             "free_pages": 30, "orphan_pages": 7, "unknown_pages": 9, "damaged_pages": 22, "unreadable_rows": 8,
             "damaged_log_frames": 10, "uncommitted_log_frames": 1, "journals": 2, "journal_records": 1000,
             "journals_in_use": 1,
             "damaged_journals": [{"path": "/d.db.journal-a", "problem": "5 records are missing in it"}], "damage": [
                {"page": 17, "offset": 65536, "problem": "is overwritten"},
                {"page": 18, "offset": 69632, "problem": "2 of 3 rows can not be read"}]}
            """
        #expect(try object(SalvageText(report: Self.report).json) == object(expected))
        let help = try command.run(["salvage", "--help"]).output
        for key in try object(expected).allKeys { #expect(help.contains("\(key)")) }
    }

    @Test("Takes everything of a sound spool: 0, beside it, and drain can ship it")
    func sound() throws {
        try command.fill(["one", "two"])
        let ended = try command.run(["salvage", command.spoolPath])
        #expect(ended.code == 0 && ended.error.isEmpty)
        #expect(ended.output.contains("\ninto\t\(salvaged)\nrecords\t2\n"))
        #expect(try SpoolStatus.read(path: salvaged).pending == 2)
        // Once more would make it double.
        let again = try command.run(["salvage", command.spoolPath])
        #expect(again.code == 73 && again.error.contains("the file exists already; choose another path"))
        let appended = try command.run(["salvage", command.spoolPath, "--into", salvaged, "--json"])
        #expect(appended.code == 0)
        #expect(try object(appended.output)["complete"] as? Bool == true)
        #expect(try SpoolStatus.read(path: salvaged).pending == 4)
    }

    @Test("Takes what is readable of a damaged one: 65, and the damaged file is as it was")
    func damaged() throws {
        try command.fill((0..<5_000).map { "a line of text, number \($0)" })
        // The header, and with it the schema; a table's page.
        for page in [0, 40] {
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: command.spoolPath))
            try file.seek(toOffset: UInt64(page * 4_096))
            try file.write(contentsOf: Data(repeating: 0xA5, count: 4_096))
            try file.close()
        }
        let before = try Data(contentsOf: URL(fileURLWithPath: command.spoolPath))
        #expect(try command.run(["status"]).code == 65)
        let ended = try command.run(["salvage", command.spoolPath])
        #expect(ended.code == 65)
        #expect(
            ended.error == "logbeam-spool: not all of \(command.spoolPath) can be read; what can is in \(salvaged)\n"
        )
        #expect(ended.output.contains("\ndamage\tpage 1, at byte 0: "))
        let pending = try SpoolStatus.read(path: salvaged).pending
        #expect((4_800..<5_000).contains(pending))
        #expect(try command.run(["check", "--spool", salvaged]).code == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: command.spoolPath)) == before)
    }

    @Test("No file: 66. No spool, but something else: 65. No place to write, or the file itself: 73. No arguments: 64")
    func failures() throws {
        #expect(try command.run(["salvage", command.spoolPath]).code == 66)
        #expect(try command.run(["salvage", "/etc/passwd", "--into", salvaged]).code == 65)
        try command.fill(["a"])
        #expect(try command.run(["salvage", command.spoolPath, "--into", "/dev/null/x"]).code == 73)
        let itself = try command.run(["salvage", command.spoolPath, "--into", command.spoolPath])
        #expect(itself.code == 73 && itself.error.contains("that is the damaged spool itself"))
        #expect(try command.run(["salvage"]).code == 64)
        #expect(try command.run(["salvage", ""]).code == 64)
        #expect(try command.run(["salvage", "a", "--into", ""]).code == 64)
        #expect(!FileManager.default.fileExists(atPath: salvaged))
    }

    @Test(
        "A full disk ends with 74, and leaves nothing half done",
        .disabled(if: Sanitizer.isThread, "a program with ThreadSanitizer does not run where files may not grow")
    )
    func full() throws {
        try command.fill((0..<2_000).map { "a line of text, number \($0)" })
        let ended = try command.runShell("ulimit -f 60; exec \"$command\" salvage \"$LOGBEAM_SPOOL\"")
        #expect(ended.code == 74)
        #expect(try FileManager.default.contentsOfDirectory(atPath: command.directory.path).sorted() == ["spool.db"])
    }

    @Test("On a terminal it shows how far it is, and takes that away at the end")
    func progress() throws {
        #expect(SalvageText.progress(Self.report) == "1,200 of 1,234 pages, 12,000 records")
        try command.fill(["a"])
        let ended = try command.runOnTerminal(["salvage", command.spoolPath])
        #expect(ended.code == 0)
        #expect(ended.output.contains("\r\u{1B}[Kfile "))
    }

    private func object(_ json: String) throws -> NSDictionary {
        try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? NSDictionary)
    }
}
