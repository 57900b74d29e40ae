import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("salvage where journals lie beside the spool")
struct SalvagedJournalTests {
    private let command: Command
    private var salvaged: String { command.spoolPath + ".salvaged.db" }

    init() throws {
        command = try Command()
        try command.fill(["one", "two"])
    }

    private func salvage(_ options: String...) throws -> (code: Int32?, error: String, report: [String: Any]) {
        let ended = try command.run(["salvage", command.spoolPath, "--json"] + options)
        let report = try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any]
        return (ended.code, ended.error, try #require(report))
    }

    private func messages(_ path: String) throws -> [String] {
        try Connection(path: path, mode: .readOnly).rows("SELECT message FROM records ORDER BY id")
    }

    @Test("Takes what stands in them alone, behind the rest, and changes them not: 0")
    func whole() throws {
        let journal = try command.leaveJournal(["three", "four"])
        let bytes = try Data(contentsOf: URL(fileURLWithPath: journal))
        let (code, error, report) = try salvage()
        #expect(code == 0 && error == "", "\(error)")
        #expect(report["complete"] as? Bool == true)
        #expect(report["records"] as? Int == 4 && report["streams"] as? Int == 1)
        #expect(report["journals"] as? Int == 1 && report["journal_records"] as? Int == 2)
        #expect(try messages(salvaged) == ["one", "two", "three", "four"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: journal)) == bytes)
    }

    @Test("What was salvaged is not moved once more when it takes the place of the spool")
    func inPlace() throws {
        let journal = try command.leaveJournal(["three", "four"])
        #expect(try salvage().code == 0)
        for suffix in ["", "-wal", "-shm"] { unlink(command.spoolPath + suffix) }
        rename(salvaged, command.spoolPath)
        #expect(try command.pending() == ["one", "two", "three", "four"])
        #expect(!FileManager.default.fileExists(atPath: journal))
    }

    @Test("Appends it to a spool as well, in a stream that has it alone")
    func into() throws {
        let other = command.directory.file("other.db")
        let empty = try Command()
        let spool = try Spool(path: empty.spoolPath)
        try empty.leaveJournal(["three"])
        withExtendedLifetime(spool) {}
        try command.fill(["before"], spool: other)
        #expect(try command.run(["salvage", empty.spoolPath, "--into", other]).code == 0)
        #expect(try messages(other) == ["before", "three"])
    }

    @Test(
        "Takes nothing twice that was moved into the spool, by what that says, or else the journal",
        arguments: [true, false]
    )
    func moved(isKnown: Bool) throws {
        let journal = try command.leaveJournal(["two", "three"], moved: isKnown ? 0 : 1)
        if isKnown {
            try Connection(path: command.spoolPath, mode: .readWrite)
                .execute("INSERT INTO counters VALUES ('journal \(journal.suffix(16))', 1)")
        }
        let (code, _, report) = try salvage()
        #expect(code == 0 && report["journal_records"] as? Int == 1)
        #expect(try messages(salvaged) == ["one", "two", "three"])
    }

    @Test("A journal that is damaged, or none, or may be another's is damage: 65, with what is whole")
    func damaged() throws {
        let journal = try command.leaveJournal(["three", "lost", "four"])
        let size = JournalFormat.frameSize(names: 11, message: 5)
        let handle = try #require(FileHandle(forUpdatingAtPath: journal))
        try handle.seek(toOffset: UInt64(JournalFormat.headerSize + size))
        try handle.write(contentsOf: Data([1, 2, 3]))
        try handle.close()
        let foreign = try command.leaveJournal(["five"], name: "00000000000000bb")
        chmod(foreign, 0o666)
        let (code, error, report) = try salvage()
        #expect(code == 65)
        #expect(
            error
                == "logbeam-spool: not all of \(command.spoolPath), or of the journals beside it, can be read; "
                + "what can is in \(salvaged)\n"
        )
        #expect(report["complete"] as? Bool == false)
        let journals = try #require(report["damaged_journals"] as? [[String: String]])
        #expect(journals.map { $0["path"] } == [journal, foreign])
        #expect(journals.first?["problem"] == "1 record is missing in it")
        #expect(try messages(salvaged) == ["one", "two", "three", "four"])
    }

    @Test("Takes it though nothing of the spool itself can be read: 65")
    func alone() throws {
        try command.leaveJournal(["three"])
        for suffix in ["-wal", "-shm"] { unlink(command.spoolPath + suffix) }
        try Data(repeating: 0xA5, count: 20_480).write(to: URL(fileURLWithPath: command.spoolPath))
        #expect(try salvage().code == 65)
        #expect(try messages(salvaged) == ["three"])
    }

    @Test("Leaves out those of living processes, and says so: 0")
    func living() throws {
        let journal = try JournalFile.make(besideSpool: command.spoolPath)
        let (code, _, report) = try salvage()
        #expect(code == 0 && report["journals_in_use"] as? Int == 1 && report["journals"] as? Int == 0)
        journal.remove()
    }
}
