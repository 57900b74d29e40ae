/// `sqlite3`, the program with which people look into a spool: it shares no code with ours but SQLite itself.
package enum SQLiteShell {
    private static let executable = "/usr/bin/sqlite3"

    /// The rows of a query as lines, their columns separated by `|`. Writes nothing, not even a checkpoint: what the next
    /// process finds is what the last one left.
    package static func query(_ sql: String, in path: String) throws -> [String] {
        let process = try ChildProcess(executable, ["-readonly", "-bail", "-cmd", ".timeout 60000", path, sql])
        process.closeInput()
        guard try process.wait().exitCode == 0 else {
            throw ChildProcessError("sqlite3 failed: \(process.text(.standardError))")
        }
        return process.text().split(separator: "\n").map(String.init)
    }

    /// Takes the write lock of a database; the process holds it until it ends.
    package static func lock(_ path: String) throws -> ChildProcess {
        let process = try ChildProcess(executable, ["-bail", "-cmd", ".timeout 60000", path])
        try process.write("BEGIN IMMEDIATE; SELECT 'locked';\n")
        try process.waitForOutput { $0 == "locked\n" }
        return process
    }
}
