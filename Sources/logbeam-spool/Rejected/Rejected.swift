internal import ArgumentParser
internal import LogbeamSpool

/// `logbeam-spool rejected`.
struct Rejected: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rejected",
        abstract: "Shows, exports, sends again or deletes what CloudWatch Logs would not take.",
        discussion: """
            What the service will never take as it is (it is too old, or invalid) is set aside with the reason, so that it \
            holds up nothing else: the newest 10,000 records, and at most 64 MiB.

            Examples:
              logbeam-spool rejected list
                  What there is, and why.
              logbeam-spool rejected show 1795708133281053
                  One record whole.
              logbeam-spool rejected requeue --reason 'too old' --now
                  Send these again, under the present time.
              logbeam-spool rejected export --to rejected.jsonl
              jq -r .id rejected.jsonl | xargs -r logbeam-spool rejected purge --yes
                  Keep them elsewhere, and delete those that the file has.
            """,
        subcommands: [
            RejectedList.self, RejectedShow.self, RejectedExport.self, RejectedRequeue.self, RejectedPurge.self,
        ]
    )
}

/// Which of the rejected records are meant.
struct RejectedSelection: ParsableArguments {
    @OptionGroup var streams: Selection

    @Option(
        help: ArgumentHelp(
            "Only records that were rejected for this reason, as 'rejected list' shows it.",
            valueName: "reason"
        )
    )
    var reason: String?

    @Argument(help: ArgumentHelp("Only these, by their ids.", valueName: "id"))
    var ids: [Int64] = []

    var filter: RecordFilter {
        var filter = streams.filter
        filter.reason = reason
        return filter
    }

    private var isEmpty: Bool { filter == RecordFilter() && ids.isEmpty }

    /// That nobody means all who forgot to say which.
    func validate(all: Bool) throws {
        if isEmpty, !all { throw ValidationError("say which records: by their ids, a filter, or --all") }
        if !isEmpty, all { throw ValidationError("--all goes together with neither ids nor filters") }
    }

    /// Calls the body with page after page of them.
    func forEachPage(path: String, _ body: ([StoredRecord]) throws -> Bool) throws {
        let chosen = Set(ids)
        try StoredRecords(path: path, filter: filter).forEachPage(of: .rejected) { page throws(any Error) in
            try body(chosen.isEmpty ? page : page.filter { chosen.contains($0.id) })
        }
    }

    /// Throws if there is none of an id that was given.
    func check(path: String) throws {
        if !ids.isEmpty { _ = try chosenIDs(path: path) }
    }

    /// Their ids, in the order in which they were committed. Throws if there is none of an id that was given.
    func chosenIDs(path: String) throws -> [Int64] {
        var found: [Int64] = []
        try forEachPage(path: path) { page in
            found += page.map(\.id)
            return false
        }
        if let missing = Set(ids).subtracting(found).min() { throw Failure.noRecord(missing) }
        return found
    }
}

extension Failure {
    static func noRecord(_ id: Int64) -> Failure {
        Failure(.noSpool, "there is no rejected record \(id) that is meant; see 'logbeam-spool rejected list'")
    }
}
