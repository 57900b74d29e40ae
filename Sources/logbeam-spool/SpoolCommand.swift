internal import ArgumentParser
internal import Logbeam
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The command `logbeam-spool`. Knows neither SQL nor C libraries: it reads arguments, calls the library, and reports.
@main
struct SpoolCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logbeam-spool",
        abstract: "Looks into, fills and empties a spool of log records that are on their way to CloudWatch Logs.",
        discussion: """
            A spool is a file in which a program keeps its log records until CloudWatch Logs has acknowledged them. \
            This command works on one, whether that program runs, has ended or was killed.

            Examples:
              logbeam-spool status
                  What is pending, what went wrong, who uploads.
              logbeam-spool ship --spool '/var/lib/*/spool.db'
                  Ship what programs log, as long as it runs.
              logbeam-spool drain --timeout 60
                  Ship everything that a program left behind, now.
              myprogram 2>&1 | logbeam-spool append --log-group g --log-stream s --tee
                  Make every line that a program prints a record that survives its death.
              logbeam-spool doctor
                  Whether everything is there that shipping needs, and what to do if not.
              logbeam-spool policy --log-group g --log-stream s
                  The least permissions that shipping needs.
              logbeam-spool check
                  Whether the file is sound.
              logbeam-spool salvage logs.db
                  Take what is readable out of a damaged spool.
              logbeam-spool tail -f
                  See records as they are committed.
              logbeam-spool rejected list
                  What CloudWatch Logs would not take, and why.
              logbeam-spool export --to backup.jsonl
                  Keep what is pending elsewhere; 'import' takes it back.

            The spool is --spool PATH; else $LOGBEAM_SPOOL; else $XDG_STATE_HOME/logbeam/spool.db; else \
            ~/.local/state/logbeam/spool.db; without a home, /var/lib/logbeam/spool.db.

            \(ExitStatus.help)
            """,
        version: Libraries.description,
        subcommands: [
            Status.self, Ship.self, Drain.self, Append.self, Tail.self, Doctor.self, Policy.self, Rejected.self,
            Export.self,
            Import.self, Check.self, SalvageCommand.self, Compact.self, Completions.self, Manual.self,
        ]
    )

    static func main() {
        StandardStreams.open()
        // A reader that is gone, and a file at its size limit, come back as errors of write(2).
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        if let argument = unreadableArgument {
            let what = "the argument \(argument.jsonQuoted)"
            end(Failure(.usage, "\(what) is not UTF-8, so that it would name something else"))
        }
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            end(failure)
        } catch let error as SpoolError {
            end(Failure(error))
        } catch let error as ThreadError {
            end(Failure(.failedIO, error.description))
        } catch {
            exit(withError: error)
        }
    }

    /// The first argument that is not UTF-8, as it is read: with U+FFFD in place of what is not.
    private static var unreadableArgument: String? {
        let arguments = UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
        return zip(arguments, CommandLine.arguments).dropFirst()
            .first { bytes, _ in bytes.map { String(validatingCString: $0) == nil } ?? false }?.1
    }

    private static func end(_ failure: Failure) -> Never {
        StandardStreams.complain(failure.message)
        Self.exit(withError: ExitCode(failure.status.rawValue))
    }
}

/// Why a subcommand ends before its work is done.
struct Failure: Error {
    var status: ExitStatus
    /// The cause and, where there is one, the remedy.
    var message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    init(_ error: SpoolError) { self.init(ExitStatus(error.kind), error.description) }
}

extension [Failure] {
    /// Each is told as soon as there is another; the last of them ends the command.
    mutating func add(_ failure: Failure) {
        last.map { StandardStreams.complain($0.message) }
        append(failure)
    }
}
