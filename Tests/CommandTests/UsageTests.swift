import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("The command line")
struct UsageTests {
    private let command: Command

    init() throws {
        command = try Command()
    }

    @Test(
        "Arguments that can not work end with 64 and name the option",
        arguments: [
            (["append"], "--log-group"),
            (["append", "--log-group", "a b", "--log-stream", "s"], "--log-group is \"a b\""),
            (["append", "--log-group", "g", "--log-stream", "a:b"], "--log-stream is \"a:b\""),
            (["append", "--log-group", "g", "--log-stream", "{x}"], "--log-stream is \"{x}\""),
            (["drain", "--timeout", "0"], "--timeout"),
            (["drain", "--timeout", "nan"], "--timeout"),
            (["drain", "--timeout", "1e99"], "--timeout"),
            (["drain", "--region", "a/b"], "--region is \"a/b\""),
            (["drain", "--endpoint-url", "ftp://x"], "--endpoint-url is \"ftp://x\""),
            (["drain", "--profile", ""], "--profile"),
            (["drain", "--json"], "--json goes together with --dry-run"),
            (["doctor", "--log-group", "g"], "go together"),
            (["doctor", "--log-group", "g", "--log-stream", "a:b"], "--log-stream is \"a:b\""),
            (["doctor", "--region", "a/b"], "--region is \"a/b\""),
            (["policy", "--log-group", "g", "--log-stream", "a*"], "--log-stream is \"a*\""),
            (["policy", "--log-group", "g", "--log-stream", "s", "--account", "1"], "--account is \"1\""),
            (["policy", "--log-group", "g", "--log-stream", "s", "--create", "all"], "--create"),
            (["status", "--spool", ""], "--spool is \"\""),
            (["status", "--spool", ":memory:"], "--spool"),
            (["status", "--fast"], "--fast"),
            (["nonsense"], "nonsense"),
        ]
    )
    func usage(arguments: [String], told: String) throws {
        let ended = try command.run(arguments)
        #expect(ended.code == 64)
        #expect(ended.error.contains(told))
        #expect(ended.error.contains("--help"))
        #expect(ended.output.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: command.spoolPath))
    }

    @Test("A path that can not be is told of by the name of what gave it")
    func spoolOfEnvironment() throws {
        var command = command
        command.environment["LOGBEAM_SPOOL"] = ":memory:"
        #expect(try command.run(["status"]).error.contains("LOGBEAM_SPOOL is \":memory:\""))
        #expect(try command.run(["status", "--spool", "file:x"]).error.contains("--spool is \"file:x\""))
    }

    @Test("What is not UTF-8 names no other file: 64")
    func notText() throws {
        for arguments in [
            "status --spool $'sp\\xff.db'", "import $'\\xff'", "append --log-group=g --log-stream=s --spool=$'\\xff'",
        ] {
            let ended = try command.runShell("cd \"$HOME\"; \"$command\" \(arguments)")
            #expect(ended.code == 64)
            #expect(ended.error.contains("\u{FFFD}") && ended.error.contains("is not UTF-8"), "\(ended.error)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: command.directory.path).isEmpty)
    }

    @Test("Names have the bounds that the library gives them")
    func sameRules() throws {
        let configuration = LogShipper.Configuration(logGroupName: "a b", logStreamName: "s")
        let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
        let ended = try command.run(["append", "--log-group", "a b", "--log-stream", "s"])
        #expect(ended.error.contains("it must be \(try #require(error).bound)\n"))
    }

    @Test("A password in an endpoint is not shown")
    func password() throws {
        let ended = try command.run(["drain", "--endpoint-url", "http://user:hunter2@host"])
        #expect(ended.code == 64)
        #expect(!ended.error.contains("hunter2"))
    }

    @Test("The help explains every exit code and every option")
    func help() throws {
        let root = try command.run(["--help"])
        #expect(root.code == 0)
        for status in ExitStatus.allCases {
            #expect(root.output.contains("\n  \(status.rawValue) "))
        }
        #expect(root.output.contains("LOGBEAM_SPOOL"))
        let options = [
            "append": [
                "--spool", "--log-group", "--log-stream", "--tee", "--max-spool-size", "--when-full", "--format",
                "--timestamp", "--time-zone", "--multiline-start", "--multiline-wait",
            ],
            "tail": ["--spool", "-f, --follow", "-n, --lines", "--log-group", "--log-stream", "--json"],
            "export": ["--spool", "--to", "--log-group", "--log-stream"],
            "import": ["--spool", "--max-spool-size"],
            "compact": ["--spool", "--timeout", "--json"],
            "rejected list": ["--spool", "--log-group", "--log-stream", "--reason", "--json"],
            "rejected show": ["--spool", "--json"],
            "rejected export": ["--spool", "--to", "--reason"],
            "rejected requeue": ["--spool", "--all", "--now", "--reason", "--json"],
            "rejected purge": ["--spool", "--all", "--yes", "--reason", "--json"],
            "drain": ["--spool", "--timeout", "--region", "--endpoint-url", "--profile"],
            "status": ["--spool", "--watch", "--json"],
            "doctor": [
                "--spool", "--log-group", "--log-stream", "--region", "--endpoint-url", "--profile", "--write",
                "--json",
            ],
            "policy": [
                "--log-group", "--log-stream", "--create", "--retention", "--tags", "--reconcile", "--account",
                "--region", "--endpoint-url", "--profile",
            ],
            "check": ["--spool", "--json"],
            "salvage": ["--into", "--json"],
        ]
        for (subcommand, options) in options {
            let help = try command.run(subcommand.split(separator: " ").map(String.init) + ["--help"])
            #expect(help.code == 0)
            for option in options { #expect(help.output.contains("\n  \(option) ")) }
            #expect(help.output.contains("Example"))
            let examples =
                help.output.components(separatedBy: "Example").last?.components(separatedBy: "\n\n").first ?? ""
            let isWhole = examples.split(separator: "\n").dropFirst().allSatisfy { $0.hasPrefix("  ") }
            #expect(isWhole, "each fits on a line: \(examples)")
        }
    }

    @Test("The version is the library's, and it names the C libraries that run")
    func version() throws {
        let output = try command.run(["--version"]).output
        #expect(output.hasPrefix("logbeam-spool \(Version.current) (SQLite 3."))
        #expect(output.contains(/, libcurl \d[\d.]+, OpenSSL \d[\d.]+, zlib 1\.[\d.]+\)\n$/), "\(output)")
    }

    // MARK: The spool

    @Test("The option goes before LOGBEAM_SPOOL, and that before the user's own")
    func path() throws {
        var command = command
        let option = command.directory.file("option.db")
        #expect(try command.run(Command.appendArguments + ["--spool", option]).code == 0)
        #expect(FileManager.default.fileExists(atPath: option))
        #expect(!FileManager.default.fileExists(atPath: command.spoolPath))
        #expect(try command.run(Command.appendArguments).code == 0)
        #expect(FileManager.default.fileExists(atPath: command.spoolPath))
        command.environment["LOGBEAM_SPOOL"] = nil
        #expect(try command.run(Command.appendArguments).code == 0)
        let file = command.directory.file(".local/state/logbeam/spool.db")
        #expect(FileManager.default.fileExists(atPath: file))
    }

    @Test(
        "No spool: 66, and none is made",
        arguments: [["drain"], ["status"], ["status", "--json"], ["check"], ["check", "--json"]]
    )
    func missing(arguments: [String]) throws {
        let ended = try command.run(arguments)
        #expect(ended.code == 66)
        #expect(ended.error.hasPrefix("logbeam-spool: spool \(command.spoolPath): no such spool; "))
        #expect(ended.error.filter { $0 == "\n" }.count == 1)
        #expect(ended.output.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: command.directory.path).isEmpty)
    }

    @Test(
        "An empty file is no spool to what makes none: 65, and it stays empty; append makes one of it",
        arguments: [["status"], ["drain"], ["compact"], ["export"], ["rejected", "purge", "--all", "--yes"]]
    )
    func emptyFile(arguments: [String]) throws {
        try Data().write(to: URL(fileURLWithPath: command.spoolPath))
        let ended = try command.run(arguments)
        #expect(ended.code == 65 && ended.error.contains("not a spool"), "\(ended.error)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: command.spoolPath)).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: command.directory.path) == ["spool.db"])
        #expect(try command.run(Command.appendArguments).code == 0)
        #expect(try command.run(arguments).code == 0)
    }

    static let subcommands = [["drain"], ["status"], ["check"], Command.appendArguments]

    @Test("A file that is something else: 65, and it is left as it is", arguments: subcommands)
    func foreign(arguments: [String]) throws {
        let content = Data("Dear diary, this is no database.\n".utf8)
        try content.write(to: URL(fileURLWithPath: command.spoolPath))
        let ended = try command.run(arguments)
        #expect(ended.code == 65)
        #expect(ended.error.contains("not a spool"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: command.spoolPath)) == content)
        #expect(try FileManager.default.contentsOfDirectory(atPath: command.directory.path) == ["spool.db"])
    }

    @Test("A spool of a later version: 65", arguments: subcommands)
    func later(arguments: [String]) throws {
        try command.fill(["a"])
        // The user version of a SQLite file (https://www.sqlite.org/fileformat2.html#user_version_number).
        try overwrite(at: 60, with: [0, 0, 0, 99])
        let ended = try command.run(arguments)
        #expect(ended.code == 65)
        #expect(ended.error.contains("version 99") && ended.error.contains("upgrade logbeam"))
    }

    @Test("A damaged spool: 65, and the error says what to do", arguments: [["drain"], ["status"], ["check"]])
    func damaged(arguments: [String]) throws {
        try command.fill((0..<5_000).map { "a line of text, number \($0)" })
        try overwrite(at: 4_096, with: [UInt8](repeating: 0xA5, count: 60_000))
        let ended = try command.run(arguments)
        #expect(ended.code == 65)
        #expect(ended.error.contains("logbeam-spool salvage"))
    }

    private func overwrite(at offset: UInt64, with bytes: [UInt8]) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: command.spoolPath))
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Data(bytes))
        try file.close()
    }

    @Test("A spool that can not be made: 73")
    func unwritable() throws {
        let ended = try command.run(Command.appendArguments + ["--spool", "/dev/null/spool.db"])
        #expect(ended.code == 73)
        #expect(ended.error.contains("/dev/null/spool.db"))
    }

    @Test("Too few descriptors: 74, and what to do, whatever was to be opened", arguments: [7, 8, 12])
    func descriptors(limit: Int) throws {
        try command.fill(["a"])
        let ended = try command.runShell("ulimit -n \(limit); exec \"$command\" drain")
        #expect(ended.code == 74)
        #expect(ended.error.contains(": Too many open files"), "\(ended.error)")
        #expect(ended.error.contains("; raise the limit of open files"), "\(ended.error)")
    }

    @Test("What the spool's troubles mean for scripts")
    func exitCodes() {
        let kinds: [(SpoolError.Kind, Int32)] = [
            (.missing, 66), (.notASpool, 65), (.newerVersion, 65), (.olderVersion, 65), (.damaged, 65),
            (.unwritable, 73), (.full, 74), (.other, 74), (.sealed, 74), (.busy, 75), (.occupied, 73), (.unsafe, 73),
            (.tooManyFiles, 74),
        ]
        for (kind, code) in kinds { #expect(ExitStatus(kind).rawValue == code) }
    }
}
