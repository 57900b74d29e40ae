import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("The manual and the completions", .onOwnThreads)
struct ManualTests {
    private let command: Command

    init() throws {
        var command = try Command()
        command.environment["SOURCE_DATE_EPOCH"] = "1795376529"
        self.command = command
    }

    // MARK: Roff

    @Test(
        "Text is shown as it was written, and is never a request",
        arguments: [
            (".TH x", #"\&.TH x"#), (#"a\b"#, #"a\eb"#), ("--wait", #"\-\-wait"#),
            ("'a' `b` ~ ^", #"\(aqa\(aq \(gab\(ga \(ti \(ha"#),
            ("é€😀", #"\[u00E9]\[u20AC]\[u1F600]"#), ("", ""),
        ]
    )
    func escaped(text: String, roff: String) {
        #expect(Roff.escaped(text) == roff)
    }

    @Test("Options are bold in running text")
    func prose() {
        #expect(Roff.prose("with --take-over, or -h.") == #"with \fB\-\-take\-over\fR, or \-h."#)
    }

    @Test("A discussion has paragraphs, lines that are kept, and examples; exit codes have a section of their own")
    func discussion() {
        let text = """
            One.

            Two:
              a  b
              c

            Examples:
              run this
                  What it does.

            Exit codes:
              0  done
            Three.
            """
        let discussion = Discussion(text)
        #expect(
            discussion.parts == [
                .paragraph("One."), .paragraph("Two:"), .lines(["  a  b", "  c"]), .paragraph("Three."),
            ]
        )
        #expect(discussion.examples == ["run this", "    What it does."])
    }

    // MARK: The page

    @Test("What it shows of a session is what comes of it")
    func session() throws {
        let bin = command.directory.file("bin")
        try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: "\(bin)/logbeam-spool",
            withDestinationPath: command.executable
        )
        var shown: [String] = []
        for line in Session.lines where line.hasPrefix("$ ") {
            let ended = try command.runShell(
                "cd \(command.directory.path) && export PATH=\(bin):$PATH && \(line.dropFirst(2))"
            )
            #expect(ended.code == 0 && ended.error == "")
            shown += [line] + ended.output.split(separator: "\n").map(String.init)
        }
        func timeless(_ line: String) -> String { line.replacing(/\d{4}-\d\d-\d\dT[\d:.]+Z/, with: "TIME") }
        #expect(shown.map(timeless) == Session.lines.map(timeless))
        #expect(shown.count == 14)
        #expect(try command.run(["manual"]).output.contains("order 2 taken"))
    }

    /// Every command by its words.
    private static func commands(
        of command: CommandInfo,
        _ path: [String] = []
    ) -> [(path: [String], command: CommandInfo)] {
        command.subcommands.flatMap { [(path + [$0.name], $0)] + commands(of: $0, path + [$0.name]) }
    }

    /// What a person sees, without bold and underlined text.
    private func rendered() throws -> String {
        let ended = try command.runShell("\"$command\" manual | mandoc -T utf8 -O width=200 | sed 's/.\\x08//g'")
        #expect(ended.error.isEmpty)
        return ended.output
    }

    @Test("The page has every section, subcommand, option and exit code, and the date that it is given")
    func complete() throws {
        let page = try rendered()
        let sections = [
            "NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES",
            "SEE ALSO",
        ]
        let titles = page.split(separator: "\n").filter { $0.first?.isUppercase == true }.map(String.init)
        #expect(titles.filter(sections.contains) == sections)
        #expect(page.contains("logbeam \(Version.current)") && page.contains("2026-11-22"))

        let root = try #require(CommandInfo.all)
        let commands = Self.commands(of: root)
        #expect(commands.contains { $0.path == ["rejected", "purge"] } && commands.count > 15)
        for (path, command) in commands {
            #expect(
                page.contains("\n     \(path.joined(separator: " "))\n")
                    || page.contains("\n   \(path.joined(separator: " "))\n")
            )
            let start = try #require(page.range(of: "   \(path.joined(separator: " "))\n"))
            let section = page[start.upperBound...]
            for name in command.arguments.compactMap(\.names.last) where name != "--help" && name != "--version" {
                #expect(section.contains("       \(name)"), "\(path) \(name)")
            }
        }
        for status in ExitStatus.allCases { #expect(page.contains("\n       \(status.rawValue) ")) }
        for name in ["SPOOL.journal-*", "AWS_DEFAULT_PROFILE"] { #expect(page.contains(name)) }
        // What --help says in lines of their own stands in lines of their own.
        #expect(page.contains("\n           logbeam-spool status --json | jq .pending\n"))
    }

    @Test("mandoc finds nothing wrong with it")
    func lint() throws {
        let ended = try command.runShell(
            "\"$command\" manual >\"$HOME/m.1\" && mandoc -T lint -W warning \"$HOME/m.1\""
        )
        #expect(ended.code == 0, "\(ended.output)\(ended.error)")
        #expect(ended.output.isEmpty && ended.error.isEmpty)
    }

    // MARK: Completions

    @Test("bash completes subcommands, options and values with what it prints")
    func bash() throws {
        let script = """
            source <("$command" completions bash)
            function=$(complete -p logbeam-spool | sed -E 's/.*-F ([^ ]+).*/\\1/')
            try() {
                COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
                "$function" logbeam-spool "${@: -1}" "${@: -2:1}" && echo "${COMPREPLY[*]}"
            }
            try logbeam-spool sta
            try logbeam-spool status --js
            try logbeam-spool policy --create gr
            """
        let ended = try command.runShell(script)
        let lines = ended.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        #expect(lines == ["status", "--json", "group"], "\(ended.output)\(ended.error)")
    }

    @Test("What is a file is completed as one")
    func files() throws {
        struct Command: Decodable {
            struct Argument: Decodable {
                struct Kind: Decodable { var file: [String: [String]]? }

                var valueName: String?
                var completionKind: Kind?
            }

            var subcommands: [Command]?
            var arguments: [Argument]?

            var all: [Argument] { (arguments ?? []) + (subcommands ?? []).flatMap(\.all) }
        }
        struct Tool: Decodable { var command: Command }

        let description = try command.run(["--experimental-dump-help"]).output
        let tool = try JSONDecoder().decode(Tool.self, from: Data(description.utf8))
        let files = tool.command.all.filter { ["file", "path"].contains($0.valueName) }
        #expect(files.count > 15 && files.allSatisfy { $0.completionKind?.file != nil })
    }

    @Test("zsh and fish get scripts of their own, and other shells none")
    func others() throws {
        #expect(try command.run(["completions", "zsh"]).output.hasPrefix("#compdef logbeam-spool\n"))
        #expect(try command.run(["completions", "fish"]).output.contains("complete -c 'logbeam-spool'"))
        #expect(try command.run(["completions", "tcsh"]).code == 64)
    }
}
