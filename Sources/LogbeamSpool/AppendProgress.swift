/// A number that stands in `counters`, and is written in the transaction of the records that it tells of: how far they were
/// taken from where they come. So what was killed, at whatever instruction, goes on with the next record.
package struct AppendProgress: Sendable {
    /// The row of `counters`.
    var counter: String
    /// `nil` where nothing is left, and nothing needs to be remembered.
    var value: Int64?

    /// - Parameters:
    ///   - name: names a file that is imported, and what is in it.
    ///   - bytes: how many bytes of it were imported.
    package static func imported(_ name: String, bytes: Int64?) -> AppendProgress {
        AppendProgress(counter: "import \(name)", value: bytes)
    }

    /// What was pending in a file that is in use no more was moved into another one.
    ///
    /// - Parameter inode: that of the other one.
    static func moved(intoFile inode: UInt64) -> AppendProgress {
        AppendProgress(counter: "moved into file", value: Int64(bitPattern: inode))
    }

    /// - Parameter number: that of the last record that was moved from a journal.
    static func moved(fromJournal name: String, through number: Int64?) -> AppendProgress {
        AppendProgress(counter: "journal \(name)", value: number)
    }

    /// - Parameter mark: 1 once it is counted what is missing in a journal.
    static func damaged(journal name: String, _ mark: Int64?) -> AppendProgress {
        AppendProgress(counter: "journal \(name) damaged", value: mark)
    }
}

extension Spool {
    /// Commits how far records were taken, where there are none to go with it.
    func note(_ progress: AppendProgress) throws(SpoolError) {
        try write { writer throws(SpoolError) in try writer.note(progress) }
    }

    /// How many bytes of a file were imported, and not forgotten since.
    package func importedBytes(of name: String) throws(SpoolError) -> Int64 {
        try value(of: .imported(name, bytes: nil)) ?? 0
    }

    /// Forgets of all these files at once how far they were imported.
    package func forgetImports(of names: [String]) throws(SpoolError) {
        if names.isEmpty { return }
        try write { writer throws(SpoolError) in
            try writer.connection.transaction { () throws(SpoolError) in
                for name in names { try writer.note(.imported(name, bytes: nil)) }
            }
        }
    }

    /// The number as it stands in the spool.
    func value(of progress: AppendProgress) throws(SpoolError) -> Int64? {
        try write { writer throws(SpoolError) in
            let select = try writer.connection.prepare("SELECT value FROM counters WHERE name = ?1")
            try select.bind(progress.counter, at: 1)
            return try select.step() ? select.integer(0) : nil
        }
    }
}

extension Writer {
    func note(_ progress: AppendProgress) throws(SpoolError) {
        guard let value = progress.value else {
            let delete = try connection.prepare("DELETE FROM counters WHERE name = ?1")
            try delete.bind(progress.counter, at: 1)
            return try delete.run()
        }
        let replace = try connection.prepare("INSERT OR REPLACE INTO counters (name, value) VALUES (?1, ?2)")
        try replace.bind(progress.counter, at: 1)
        try replace.bind(value, at: 2)
        try replace.run()
    }
}
