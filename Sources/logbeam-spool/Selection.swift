internal import ArgumentParser
internal import LogbeamSpool

/// Which log streams a subcommand is about.
struct Selection: ParsableArguments {
    @Option(help: ArgumentHelp("Only records for this log group.", valueName: "group"))
    var logGroup: String?

    @Option(help: ArgumentHelp("Only records for log streams of this name.", valueName: "stream"))
    var logStream: String?

    var filter: RecordFilter { RecordFilter(logGroup: logGroup, logStream: logStream) }
}

extension Failure {
    static func noStream(_ path: String) -> Failure {
        Failure(.noSpool, "\(path) has no such log stream; 'logbeam-spool status' shows those that it has")
    }
}
