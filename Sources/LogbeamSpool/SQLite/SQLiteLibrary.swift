internal import CSQLite

/// The SQLite that runs.
package enum SQLiteLibrary {
    /// `SQLite 3.40.1`
    package static var name: String { "SQLite \(String(cString: sqlite3_libversion()))" }
}
