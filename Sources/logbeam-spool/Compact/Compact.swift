internal import ArgumentParser
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// `logbeam-spool compact`.
struct Compact: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact",
        abstract: "Gives back to the disk what a spool does not need any more.",
        discussion: """
            After a flood that was shipped, or after 'rejected purge', a file keeps its size, and fills it again. A \
            program that uploads gives the room back by and by; this does so at once. No record is touched.

            Works beside programs that log and upload: whatever they wait for takes a few milliseconds. Where one of them \
            is in the way of cutting the write-ahead log, that is tried again for --timeout seconds; then the exit code is \
            75, and all else is done. One that keeps the spool locked for so long (a second at least, 30 at most) ends \
            it with 75, too.

            Prints the bytes of the database and of its write-ahead log, before and after. Off a terminal: two lines, \
            'before' and 'after', each with a tab and the bytes of the database, a tab and those of the log. With --json: \
            one object with before and after, each an object with database and log.

            Examples:
              logbeam-spool compact
              logbeam-spool compact --json | jq .after.database
            """
    )

    @OptionGroup var spool: SpoolOption

    @Option(help: ArgumentHelp("How long to try what others are in the way of; from 0 to 3600.", valueName: "seconds"))
    var timeout = 10.0

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (0...3_600).contains(timeout) else {
            throw ValidationError("--timeout is \(timeout); it must be 0 to 3600 seconds")
        }
    }

    func run() throws {
        let path = spool.path
        let before = SpoolSize.of(path: path)
        // When this process lets go of the file, and no other has it, the log goes.
        let result = try compact(path)
        try StandardStreams.print(text(before, SpoolSize.of(path: path)))
        if !result.isGivenBack {
            StandardStreams.complain("free pages stay in \(path): it was not made to give them back")
        }
        if !result.isCut {
            throw Failure(.recordsRemain, "the write-ahead log can not be cut: another process is reading or writing")
        }
    }

    private func compact(_ path: String) throws(SpoolError) -> (isGivenBack: Bool, isCut: Bool) {
        // With none there would be no turn to be had beside a program that logs.
        let patience = Duration.seconds(min(30, max(1, timeout)))
        let options = Spool.Options(create: false, commitTimeout: patience).opening(within: patience)
        let spool = try Spool(path: path, options: options)
        let compaction = try SpoolCompaction(spool)
        var free: Int64? = try compaction.freePages()
        while let pages = free, pages > 0 { free = try compaction.giveBackSlice(of: pages) }
        let deadline = MonotonicClock.milliseconds() + Int64(timeout * 1_000)
        var isCut = try compaction.emptyWAL()
        // Each try leaves a page in the log.
        var pause: UInt64 = 10_000_000
        while !isCut, MonotonicClock.milliseconds() < deadline {
            MonotonicClock.sleep(nanoseconds: pause)
            pause = min(2 * pause, 200_000_000)
            isCut = try compaction.emptyWAL()
        }
        return (free != nil, isCut)
    }

    private func text(_ before: SpoolSize, _ after: SpoolSize) -> String {
        func object(_ size: SpoolSize) -> String { "{\"database\":\(size.database),\"log\":\(size.log)}" }
        if json { return "{\"before\":\(object(before)),\"after\":\(object(after))}\n" }
        guard isatty(STDOUT_FILENO) == 1 else {
            return "before\t\(before.database)\t\(before.log)\nafter\t\(after.database)\t\(after.log)\n"
        }
        func page(_ size: SpoolSize) -> String {
            "\(HumanUnits.bytes(Int(size.total))), of which \(HumanUnits.bytes(Int(size.log))) are the write-ahead log"
        }
        return "before  \(page(before))\nafter   \(page(after))\n"
    }
}
