internal import ArgumentParser
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// `logbeam-spool rejected requeue`.
struct RejectedRequeue: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "requeue",
        abstract: "Makes rejected records pending again.",
        discussion: """
            They keep their order and get new ids, and are sent as any other. What was rejected because it was too old \
            will be again, unless it gets the present time with --now; what was invalid will be again, unless the cause is \
            gone. Whenever it is killed, each record is in one place and one alone.

            Prints how many records are pending again; off a terminal the number alone. With --json: one object with \
            requeued.

            Examples:
              logbeam-spool rejected requeue 1795708133281053
              logbeam-spool rejected requeue --reason 'too old' --now
            """
    )

    @OptionGroup var change: RejectedChange

    @Flag(help: "Give them the present time, for the service takes nothing that is older than 14 days.")
    var now = false

    func run() throws {
        let (spool, ids) = try change.begin()
        let count = try spool.requeue(ids, at: now ? WallClock.milliseconds() : nil)
        try change.report(count, "pending again", key: "requeued")
    }
}

/// `logbeam-spool rejected purge`.
struct RejectedPurge: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge",
        abstract: "Deletes rejected records for good.",
        discussion: """
            'status' counts them from then on as dropped, as 'rejected, and purged'. 'logbeam-spool compact' gives their \
            room back to the disk.

            Prints how many records were deleted; off a terminal the number alone. With --json: one object with purged.

            Examples:
              logbeam-spool rejected purge --log-stream orders
              logbeam-spool rejected purge --all --yes
            """
    )

    @OptionGroup var change: RejectedChange
    @OptionGroup var confirmation: Confirmation

    func run() throws {
        let (spool, ids) = try change.begin()
        if !ids.isEmpty {
            try confirmation.ask("delete \(HumanUnits.count(ids.count, "rejected record")) of \(spool.path) for good")
        }
        let count = try spool.purgeRejected(ids)
        try change.report(count, "deleted", key: "purged")
    }
}

/// What the subcommands have in common that change rejected records.
struct RejectedChange: ParsableArguments {
    @OptionGroup var spool: SpoolOption
    @OptionGroup var selection: RejectedSelection

    @Flag(help: "All of them.")
    var all = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        try selection.validate(all: all)
    }

    /// Opens the spool, so that what nobody can change need not be asked about, and finds the records that are meant.
    func begin() throws -> (spool: Spool, ids: [Int64]) {
        let spool = try Spool(path: spool.path, options: .init(create: false, commitTimeout: .seconds(30)))
        return (spool, try selection.chosenIDs(path: spool.path))
    }

    func report(_ count: Int, _ what: String, key: String) throws(Failure) {
        let isRead = isatty(STDOUT_FILENO) == 1
        let plain = isRead ? "\(HumanUnits.count(count, "record")) \(what)" : "\(count)"
        let text = json ? JSON.object([(key, .number(Int64(count)))]).text : plain
        try StandardStreams.print("\(text)\n")
    }
}
