internal import ArgumentParser

/// `logbeam-spool completions`.
struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Prints what makes a shell complete the arguments of logbeam-spool.",
        discussion: """
            The package and 'Scripts/install' put the scripts where the shells find them.

            Examples:
              source <(logbeam-spool completions bash)
              logbeam-spool completions zsh > ~/.zsh/completions/_logbeam-spool
              logbeam-spool completions fish > ~/.config/fish/completions/logbeam-spool.fish
            """
    )

    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish

        var parsersOwn: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @Argument(help: "The shell.")
    var shell: Shell

    func run() throws {
        let script = SpoolCommand.completionScript(for: shell.parsersOwn)
        // bash is to read it, and never to run it.
        let lines = script.split(separator: "\n", omittingEmptySubsequences: false).drop {
            $0.hasPrefix("#!") || $0.isEmpty
        }
        try StandardStreams.print(lines.joined(separator: "\n"))
    }
}
