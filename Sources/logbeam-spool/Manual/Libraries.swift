internal import LogbeamAWS
internal import LogbeamCore
internal import LogbeamSpool

/// What the command is made of.
enum Libraries {
    /// `logbeam-spool 0.1.0 (SQLite 3.40.1, …)`: the versions that run, not those that it was built with.
    static var description: String {
        let versions = [SQLiteLibrary.name] + HTTPLibraries.names
        return "logbeam-spool \(Version.current) (\(versions.joined(separator: ", ")))"
    }
}
