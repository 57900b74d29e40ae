import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool
@testable import logbeam_spool

@Suite("A journal that could not be moved into the spool", .onOwnThreads)
struct StrandedJournalTests {
    private var command: Command
    private let endpoint: LocalEndpoint
    private let journal: String

    /// Which everybody can write, so that nothing of it is believed.
    init() throws {
        endpoint = try LocalEndpoint(autoCreate: true)
        command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        try command.fill(["in the spool"])
        journal = try command.leaveJournal(["in the journal"])
        chmod(journal, 0o666)
    }

    private var told: String {
        "logbeam-spool: the journal \(journal) could not be moved into the spool: it can be written by everybody; "
    }

    private var remains: String { "logbeam-spool: what 1 journal beside \(command.spoolPath) may hold remains there\n" }

    @Test(
        "drain ships the rest, names it and says why: 75; and 0 once it has the right mode",
        arguments: [[], ["--to", "-"]]
    )
    func drain(options: [String]) throws {
        let ended = try command.run(["drain"] + options)
        #expect(ended.code == 75)
        #expect(ended.error.hasPrefix(told) && ended.error.hasSuffix(remains), "\(ended.error)")
        #expect(try command.pending() == [])
        chmod(journal, 0o600)
        let again = try command.run(["drain"] + options)
        #expect(again.code == 0 && again.error == "")
        #expect(!FileManager.default.fileExists(atPath: journal))
        if options.isEmpty {
            #expect(endpoint.messages(in: Command.destination) == ["in the spool", "in the journal"])
        } else {
            #expect(again.output.contains("in the journal"))
        }
    }

    @Test("drain names it though another one is moved")
    func besideAnother() throws {
        try command.leaveJournal(["of another"], name: "00000000000000bb")
        let ended = try command.run(["drain"])
        #expect(ended.code == 75 && ended.error.hasPrefix(told), "\(ended.error)")
        #expect(endpoint.messages(in: Command.destination) == ["in the spool", "of another"])
    }

    @Test("drain --wait names it when the other process has shipped everything: 75")
    func wait() throws {
        let lease = try command.takeLease()
        let process = try command.start(["drain", "--wait"])
        process.closeInput()
        let reader = try SpoolReader(path: command.spoolPath)
        let last = try #require(try reader.lastID())
        #expect(try eventually { try reader.requestedFlush() == last })
        let range = BatchRange(stream: 1, first: last, last: last, latest: .max)
        try lease.begin(range)
        try lease.acknowledge(range, refused: [], delivered: 1)
        try lease.finish(range)
        let ended = try Ended(process)
        #expect(ended.code == 75 && ended.error.hasPrefix(told), "\(ended.error)")
        withExtendedLifetime(lease) {}
    }

    @Test("drain --dry-run, and export: 75 as well, after all that is in the spool")
    func readers() throws {
        for arguments in [["drain", "--dry-run"], ["export"]] {
            let ended = try command.run(arguments)
            #expect(ended.code == 75)
            #expect(ended.error.hasPrefix(told) && ended.error.hasSuffix(remains), "\(ended.error)")
            #expect(ended.output.contains(arguments == ["export"] ? "in the spool" : "stream"))
        }
    }

    @Test("check and doctor warn of it")
    func warnings() throws {
        let check = try command.run(["check"])
        #expect(check.code == 0)
        #expect(check.output.contains("\nwarning\tthe journal \(journal) could not be moved"), "\(check.output)")
        let doctor = try command.run(["doctor", "--json"])
        let report = try #require(JSONSerialization.jsonObject(with: Data(doctor.output.utf8)) as? [String: Any])
        let checks = try #require(report["checks"] as? [[String: Any]])
        #expect(
            checks.contains {
                $0["check"] as? String == "spool" && $0["verdict"] as? String == "warning"
                    && ($0["message"] as? String)?.hasPrefix("the journal \(journal) could not be moved") == true
            }
        )
    }

    @Test("ship tells of it once")
    func ship() throws {
        let pattern = command.directory.file("*.db")
        let process = try command.start(["ship", "--buffer-duration", "0.02", "--spool", pattern])
        process.closeInput()
        try process.waitForOutput(.standardError) { $0.contains(told) }
        // This one it finds by its next look, after which it tells what else it has seen, and then that it has heard.
        try command.fill(["later"], spool: command.directory.file("later.db"))
        #expect(endpoint.wait { $0.events(in: Command.destination).contains { $0.message == "later" } })
        process.kill(SIGHUP)
        try process.waitForOutput(.standardError) { $0.contains("reading credentials") }
        process.kill(SIGTERM)
        _ = try process.wait()
        #expect(process.text(.standardError).components(separatedBy: told).count == 2)
    }

    @Test("One that a spool may just be taking is told of after some looks; each is told of again when it comes again")
    func news() {
        var news = JournalNews()
        let foreign = StrandedJournal(path: "a", kind: .unsafe, cause: "no")
        let new = StrandedJournal(path: "b", kind: .busy, cause: "not yet")
        #expect(news.lines([foreign, new]) == [foreign.description])
        for _ in 2..<JournalNews.patience { #expect(news.lines([foreign, new]) == []) }
        #expect(news.lines([foreign, new]) == [new.description])
        #expect(news.lines([foreign, new]) == [])
        #expect(news.lines([]) == [])
        #expect(news.lines([foreign, new]) == [foreign.description])
    }

    #if os(Linux)
    @Test("drain: 74 where the disk does not give it")
    func unreadable() throws {
        chmod(journal, 0o600)
        var command = command
        command.environment["journal"] = journal
        let ended = try command.runShell(
            #"strace -f -qq -o /dev/null -P "$journal" -e inject=pread64:error=EIO "$command" drain"#
        )
        #expect(ended.code == 74)
        #expect(ended.error.hasPrefix("logbeam-spool: the journal \(journal) could not be moved"), "\(ended.error)")
        #expect(FileManager.default.fileExists(atPath: journal))
        #expect(endpoint.messages(in: Command.destination) == ["in the spool"])
    }
    #endif
}
