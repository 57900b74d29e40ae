#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

extension LogShipper.Configuration {
    /// The path of the spool where none is given.
    ///
    /// `$LOGBEAM_SPOOL`; else `$XDG_STATE_HOME/logbeam/spool.db`; else `$HOME/.local/state/logbeam/spool.db` (XDG Base
    /// Directory Specification); else `/var/lib/logbeam/spool.db`. An empty variable counts as unset, and so does a
    /// directory that is not absolute.
    public static func defaultSpoolPath() -> String {
        var environment: [String: String] = [:]
        for name in ["LOGBEAM_SPOOL", "XDG_STATE_HOME", "HOME"] {
            environment[name] = getenv(name).map { String(cString: $0) }
        }
        return defaultSpoolPath(environment: environment)
    }

    package static func defaultSpoolPath(environment: [String: String]) -> String {
        if let path = environment["LOGBEAM_SPOOL"], !path.isEmpty { return path }
        func directory(_ name: String) -> String? {
            environment[name].flatMap { $0.utf8.first == UInt8(ascii: "/") ? $0 : nil }
        }
        let state =
            directory("XDG_STATE_HOME")
            ?? directory("HOME").map { "\($0)/.local/state" }
            ?? "/var/lib"
        return "\(state)/logbeam/spool.db"
    }

    /// The path of the spool from the root on; as it is where nobody can say where the process is.
    var absoluteSpool: String {
        guard spool.utf8.first != UInt8(ascii: "/"), let here = getcwd(nil, 0) else { return spool }
        defer { free(here) }
        // What is no UTF-8 would come to be another directory.
        return String(validatingCString: here).map { "\($0)/\(spool)" } ?? spool
    }
}
