internal import ArgumentParser
internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool

/// The option of the subcommands that work on one spool.
struct SpoolOption: ParsableArguments {
    @Option(
        name: .customLong("spool"),
        help: ArgumentHelp(
            "The spool. (default: $LOGBEAM_SPOOL, else the user's; see 'logbeam-spool --help')",
            valueName: "path"
        ),
        completion: .file()
    )
    var given: String?

    /// What a subcommand that only reads does all the same, for its help.
    static let takesInJournals =
        "but that it first moves into the spool what the journals of dead processes hold"

    /// The path that was given, or the default.
    var path: String { given ?? LogShipper.Configuration.defaultSpoolPath() }

    func validate() throws { try validate { _ in } }

    /// The rules that the library has for settings, told in the words of the command line.
    ///
    /// - Parameter change: sets what else was given.
    func validate(_ change: (inout LogShipper.Configuration) -> Void) throws {
        try Self.validate(spool: path, from: given == nil ? "LOGBEAM_SPOOL" : "--spool", change)
    }

    /// The same where there is no spool.
    ///
    /// - Parameter source: where the path comes from.
    static func validate(
        spool path: String = "-",
        from source: String = "--spool",
        _ change: (inout LogShipper.Configuration) -> Void
    ) throws {
        var configuration = LogShipper.Configuration(logGroupName: "-", logStreamName: "-", spool: path)
        change(&configuration)
        do {
            try configuration.validate()
        } catch {
            throw error.setting == "spool" ? refusal(error, of: source) : refusal(error)
        }
    }

    /// Throws if what a subcommand writes would go into the spool itself.
    ///
    /// - Parameter output: the path of a file; `-` for standard output.
    func refuse(output: String) throws {
        guard SpoolSafety.leads(output == "-" ? "/dev/stdout" : output, toSpool: path) else { return }
        let name = output == "-" ? "standard output" : output
        throw ValidationError("\(name) is the spool \(path) itself, or belongs to it; have --to lead to another file")
    }

    /// A log stream, with the placeholders in its name replaced as the library does.
    static func resolve(_ destination: Destination) throws -> Destination {
        do {
            return try destination.resolved()
        } catch {
            throw refusal(error)
        }
    }

    private static func refusal(_ error: ConfigurationError, of option: String? = nil) -> ValidationError {
        let name = option ?? options[error.setting] ?? error.setting
        return ValidationError("\(name) is \(error.value); it must be \(error.bound)")
    }

    private static let options = [
        "logGroupName": "--log-group", "logStreamName": "--log-stream", "maxSpoolSize": "--max-spool-size",
        "region": "--region", "endpointURL": "--endpoint-url", "profile": "--profile",
    ]
}
