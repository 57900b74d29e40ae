internal import ArgumentParser

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The option of subcommands that can not be undone: they ask first.
struct Confirmation: ParsableArguments {
    @Flag(help: "Do it without asking. Needed where there is no terminal to ask on.")
    var yes = false

    /// Asks on the terminal; returns if the answer is yes, or `--yes` was given.
    ///
    /// The question goes to standard error, so that standard output stays what the subcommand prints. Call it before
    /// signals are watched: Ctrl-C ends the command at the question.
    ///
    /// - Parameter question: what is about to happen, with numbers and names, without a question mark:
    ///   `delete 3 rejected records of /var/lib/app/logs.db`.
    /// - Throws: 64 with the remedy where nobody can be asked; ``ExitStatus/declined`` for any answer but yes.
    func ask(_ question: String) throws(Failure) {
        if yes { return }
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw Failure(
                .usage,
                "this would \(question), and there is no terminal to ask on; use --yes to do it without asking"
            )
        }
        StandardStreams.writeAll(Array("This will \(question.printable). Go on? [y/N] ".utf8), to: STDERR_FILENO)
        let answer = readLine()
        // The end of the input leaves the cursor behind the question.
        if answer == nil { StandardStreams.writeAll(Array("\n".utf8), to: STDERR_FILENO) }
        guard Self.isYes(answer ?? "") else { throw Failure(.declined, "nothing was changed") }
    }

    static func isYes(_ answer: String) -> Bool {
        let word = answer.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return word == "y" || word == "yes"
    }
}
