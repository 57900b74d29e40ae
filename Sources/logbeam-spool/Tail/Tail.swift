internal import ArgumentParser
internal import LogbeamSpool

/// `logbeam-spool tail`.
struct Tail: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Shows the newest pending records, and with -f each new one as it is committed.",
        discussion: """
            Changes nothing, \(SpoolOption.takesInJournals). Holds up neither those who log nor those who upload: each \
            look takes well under a millisecond, unless there is something to show.

            What was shipped is not pending any more, and is not shown. With -f a record is seen within about a twentieth \
            of a second; how many were shipped faster than that is told on standard error. It goes on when the file is \
            replaced: records that were moved to the new one are shown again. It ends at Ctrl-C, and when nobody reads its \
            output any more; the exit code is 0.

            On a terminal: time, log group and log stream, message, whose further lines are indented. Otherwise a record a \
            line: time (ISO 8601, UTC), log group, log stream and message, with tabs between them, control characters \
            escaped as in JSON. With --json: an object a line, as 'export' writes them.

            Examples:
              logbeam-spool tail -n 50 --log-stream orders
              logbeam-spool tail -f
              logbeam-spool tail -f -n 0 --json | jq -r .message
            """
    )

    @OptionGroup var spool: SpoolOption
    @OptionGroup var selection: Selection

    @Flag(name: [.customShort("f"), .long], help: "Go on with what is committed from now on.")
    var follow = false

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp("How many of the records that are there to show.", valueName: "number")
    )
    var lines = 10

    @Flag(help: "Print JSON objects, one a line.")
    var json = false

    func validate() throws {
        if lines < 0 { throw ValidationError("--lines is \(lines); it must be 0 or more") }
    }

    /// How long it waits between two looks, in milliseconds.
    private static let interval: Int64 = 50
    /// How long after a look that failed, in milliseconds.
    private static let pause: Int64 = 500

    func run() throws {
        // A second one ends it where a terminal takes nothing.
        let signals = try TerminationSignals.watch(secondExitsWith: .done)
        let follower = try RecordFollower(path: spool.path, filter: selection.filter, newest: lines)
        let output = TailOutput(isJSON: json, terminal: .output, signals: signals)
        var told: String?
        while true {
            var look = RecordFollower.Look()
            var pause = Self.interval
            do throws(SpoolError) {
                look = try follower.look(at: MonotonicClock.milliseconds())
                told = nil
            } catch {
                guard follow else { throw error }
                if told != error.description { StandardStreams.complain("\(error.description); trying again") }
                told = error.description
                pause = Self.pause
            }
            try output.write(look.records)
            if look.missed > 0 {
                let noun = HumanUnits.count(Int(look.missed), "record")
                StandardStreams.complain("\(noun) left the spool before they could be shown, of all log streams")
            }
            if look.isReplaced { StandardStreams.complain("the spool was replaced; going on with the new one") }
            if look.isMore { pause = 0 } else if !follow { return }
            if output.hasEnded || output.wait(pause, signals) { return }
        }
    }
}
