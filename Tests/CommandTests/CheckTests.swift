import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool
@testable import logbeam_spool

@Suite("check")
struct CheckTests {
    private let command: Command

    init() throws {
        command = try Command()
    }

    private static var check: SpoolCheck {
        var check = SpoolCheck(path: "/s.db")
        (check.version, check.currentVersion, check.journalMode) = (1, 2, "wal")
        check.files = [
            .init(path: "/s.db", bytes: 1_200_000, mode: 0o600), .init(path: "/s.db-wal", bytes: 0, mode: 0o644),
        ]
        var counts = SpoolCheck.Counts()
        (counts.records, counts.rejected, counts.streams, counts.gaps) = (12_000, 1, 2, 3)
        (counts.deliveries, counts.inDoubt, counts.emptyDeliveries, counts.strayRecords) = (4, 3, 2, 5)
        check.counts = counts
        check.warnings = ["/s.db-wal has the mode 644"]
        check.problems = ["Page 4: btreeInitPage() returns error code 11", "evil\u{1B}[2J"]
        return check
    }

    @Test("The page has a fact a line and no raw control character")
    func page() {
        #expect(
            CheckReport(check: Self.check).page(on: .plain) == #"""
                spool         /s.db
                version       1, the next program that writes makes it 2
                journal mode  wal
                file          /s.db: 1.2 MB, mode 600
                file          /s.db-wal: 0 B, mode 644
                records       12,000, 5 stray
                rejected      1
                streams       2
                gaps          3
                deliveries    4, 3 in doubt, 2 empty
                warning       /s.db-wal has the mode 644
                problem       Page 4: btreeInitPage() returns error code 11
                problem       evil\u001b[2J
                result        damaged

                """#
        )
        var check = Self.check
        (check.counts, check.problems) = (nil, [])
        #expect(CheckReport(check: check).page(on: .plain).contains("\nrecords       not counted\nwarning "))
        #expect(CheckReport(check: check).page(on: .plain).hasSuffix("\nresult        good\n"))
    }

    @Test("The JSON has the documented keys")
    func json() throws {
        let expected = #"""
            {"spool": "/s.db", "good": false, "version": 1, "journal_mode": "wal", "records": 12000, "rejected": 1,
             "streams": 2, "gaps": 3, "deliveries": 4, "in_doubt": 3, "empty_deliveries": 2, "stray_records": 5,
             "problems": ["Page 4: btreeInitPage() returns error code 11", "evil\u001b[2J"],
             "warnings": ["/s.db-wal has the mode 644"],
             "files": [{"path": "/s.db", "bytes": 1200000, "mode": "600"},
                       {"path": "/s.db-wal", "bytes": 0, "mode": "644"}]}
            """#
        #expect(try object(CheckReport(check: Self.check).json) == object(expected))
        var check = Self.check
        check.counts = nil
        #expect(try object(CheckReport(check: check).json)["stray_records"] is NSNull)
        let help = try command.run(["check", "--help"]).output
        for key in try object(expected).allKeys { #expect(help.contains("\(key)")) }
    }

    @Test("A sound spool ends with 0, while a program uses it")
    func sound() throws {
        try command.fill(["a", "b"])
        let spool = try Spool(path: command.spoolPath)
        let page = try command.run(["check"])
        #expect(page.code == 0 && page.error.isEmpty)
        #expect(page.output.contains("\nrecords\t2, 0 stray\n") && page.output.hasSuffix("\nresult\tgood\n"))
        let json = try command.run(["check", "--json"])
        #expect(json.code == 0 && json.error.isEmpty)
        #expect(try object(json.output)["good"] as? Bool == true)
        withExtendedLifetime(spool) {}
    }

    @Test("A damaged one ends with 65, shows what is wrong, and says what to do")
    func damaged() throws {
        try command.fill((0..<5_000).map { "a line of text, number \($0)" })
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: command.spoolPath))
        try file.seek(toOffset: 40 * 4_096)
        try file.write(contentsOf: Data(repeating: 0xA5, count: 4_096))
        try file.close()
        let page = try command.run(["check"])
        #expect(page.code == 65)
        #expect(page.output.contains("\nproblem\t") && page.output.hasSuffix("\nresult\tdamaged\n"))
        #expect(page.error.contains("the spool is damaged; keep the file; 'logbeam-spool salvage'"))
        let json = try command.run(["check", "--json"])
        #expect(json.code == 65)
        #expect(try object(json.output)["good"] as? Bool == false)
    }

    private func object(_ json: String) throws -> NSDictionary {
        try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? NSDictionary)
    }
}
