/// The manual page, logbeam-spool(1), made of what `--help` says. Pure.
struct ManualPage {
    var root: CommandInfo
    var version: String
    /// `2026-11-22`
    var date: String

    var text: String {
        let sections: [(String, [String])] = [
            ("NAME", ["\(Roff.escaped(root.name)) \\- \(Roff.prose(Self.asPhrase(root.abstract)))"]),
            ("SYNOPSIS", commands(of: root).filter(\.command.subcommands.isEmpty).flatMap(synopsis) + synopsisOfFlags),
            ("DESCRIPTION", description),
            ("COMMANDS", commands(of: root).dropFirst().flatMap(section)),
            ("EXIT STATUS", ExitStatus.allCases.flatMap { item("\($0.rawValue)", $0.meaning) }),
            ("FILES", Self.files.flatMap { item($0, $1) }),
            ("ENVIRONMENT", Self.variables.flatMap { item($0, $1) }),
            (
                "EXAMPLES",
                Roff.literal(Discussion(root.discussion).examples)
                    + [".PP", Roff.prose("What comes, off a terminal, with tabs between columns:"), ".PP"]
                    + Roff.literal(Session.lines)
            ),
            ("SEE ALSO", [".BR sqlite3 (1)", ".PP", "https://docs.aws.amazon.com/cloudwatch/"]),
        ]
        let title = root.name.uppercased()
        let lines =
            [
                ".TH \(Roff.escaped(title)) 1 \(date) \"logbeam \(version)\" \"User Commands\"", Roff.noHyphenation,
                Roff.raggedRight,
            ]
            + sections.flatMap { [".SH \($0)"] + $1 }
        return lines.map { $0 + "\n" }.joined()
    }

    /// `Shows what is pending.` as it stands behind the name.
    private static func asPhrase(_ abstract: String) -> String {
        let text = abstract.hasSuffix(".") ? String(abstract.dropLast()) : abstract
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    // MARK: Commands

    /// All, each before its subcommands, with the words by which they are called.
    private func commands(of command: CommandInfo, _ path: [String] = []) -> [(path: [String], command: CommandInfo)] {
        let path = path + [command.name]
        return [(path, command)] + command.subcommands.flatMap { commands(of: $0, path) }
    }

    private func arguments(_ command: CommandInfo) -> [CommandInfo.Argument] {
        command.arguments.filter { !$0.names.contains("--help") && !$0.names.contains("--version") }
    }

    private func synopsis(_ path: [String], _ command: CommandInfo) -> [String] {
        let arguments = arguments(command).map { argument in
            let text = form(argument)
            return (argument.isOptional ? "[\(text)]" : text) + (argument.isRepeating ? " ..." : "")
        }
        // A paragraph each, whose further lines hang below the first argument.
        return [".HP", ([Roff.bold(path.joined(separator: " "))] + arguments).joined(separator: "\n")]
    }

    private var synopsisOfFlags: [String] {
        [
            ".HP",
            "\(Roff.bold(root.name)) [\(Roff.italic("command"))] \(Roff.bold("--help")) | \(Roff.bold("--version"))",
        ]
    }

    private func form(_ argument: CommandInfo.Argument) -> String {
        let name = argument.names.last.map { Roff.bold($0) }
        guard let value = argument.value else { return name ?? "" }
        let place = Roff.italic(value)
        return [name, argument.valueIsOptional ? "[\(place)]" : place].compactMap(\.self).joined(separator: "\\~")
    }

    private var description: [String] {
        // The first paragraph begins with its section.
        Array(paragraphs(Discussion(root.discussion).parts).dropFirst())
    }

    private func section(_ path: [String], _ command: CommandInfo) -> [String] {
        let discussion = Discussion(command.discussion)
        let examples = discussion.examples
        return [".SS \(Roff.escaped(path.dropFirst().joined(separator: " ")))", Roff.prose(command.abstract)]
            + paragraphs(discussion.parts) + arguments(command).flatMap(option)
            + (examples.isEmpty ? [] : [".PP", examples.count > 1 ? "Examples:" : "Example:", ".PP"])
            + (examples.isEmpty ? [] : [".RS 4"] + Roff.literal(examples) + [".RE"])
    }

    private func paragraphs(_ parts: [Discussion.Part]) -> [String] {
        parts.flatMap { part in
            switch part {
            case .paragraph(let text): [".PP", Roff.prose(text)]
            case .lines(let lines): [".PP"] + Roff.literal(lines)
            }
        }
    }

    private func option(_ argument: CommandInfo.Argument) -> [String] {
        let choices = argument.choices.isEmpty ? nil : "One of: \(argument.choices.joined(separator: ", "))."
        let fallback = argument.defaultValue.map {
            argument.valueIsOptional ? "Without a value: \($0)." : "Default: \($0)."
        }
        let text = [argument.help, choices, fallback].compactMap(\.self).joined(separator: " ")
        return [".TP", form(argument), Roff.prose(text)]
    }

    private func item(_ term: String, _ text: String) -> [String] {
        [
            ".TP", Roff.bold(term),
            Roff.prose(text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : ".")),
        ]
    }

    // MARK: What --help does not list

    private static let files = [
        ("$XDG_STATE_HOME/logbeam/spool.db, ~/.local/state/logbeam/spool.db", "The spool of a user."),
        ("/var/lib/logbeam/spool.db", "The spool where there is no home directory, as in most services."),
        (
            "SPOOL-wal, SPOOL-shm",
            "Belong to a spool that is in use: SQLite's write-ahead log and its index. Never delete them."
        ),
        (
            "SPOOL.journal-*",
            "Records of programs that log through a journal, which are committed and not yet in the spool. Never delete "
                + "them, and copy them along."
        ),
        ("SPOOL-uploader", "Which process uploads from a spool, and its last sign of life."),
        ("SPOOL.damaged-*", "Files that were set aside from the place of a spool, which salvage reads."),
        ("SPOOL.damaged-*.journal", "Damaged journals, whose whole records are in the spool."),
        ("/etc/logbeam/NAME.env", "The environment of the unit logbeam-ship@NAME, if there is such a file."),
        ("~/.aws/config, ~/.aws/credentials", "Profiles, as other AWS tools read them."),
    ]

    private static let variables = [
        ("LOGBEAM_SPOOL", "The path of the spool where --spool is not given."),
        ("XDG_STATE_HOME, HOME", "Where the spool of a user is."),
        (
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_DEFAULT_PROFILE, AWS_PROFILE",
            "Credentials; 'logbeam-spool doctor' says from where they come."
        ),
        (
            "AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
            "Where CloudWatch Logs is."
        ),
        ("AWS_CA_BUNDLE, HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "The way there."),
        (
            "NO_COLOR, TERM",
            "No colour on a terminal where NO_COLOR is not empty; none, and nothing that moves, where TERM is dumb."
        ),
        ("COLUMNS, LINES", "The size of a terminal that does not tell it."),
        ("TZ", "The time zone of times on a terminal."),
    ]
}
