/// How far the import of a file has come. It stands in `counters`, in the transactions of the records themselves: so an
/// import that was killed, at whatever instruction, goes on with the next line.
package struct ImportProgress: Sendable {
    /// Names the file, and what is in it.
    package var name: String
    /// How many bytes of it were imported; `nil` where nothing is left, and nothing needs to be remembered.
    package var bytes: Int64?

    package init(name: String, bytes: Int64?) {
        self.name = name
        self.bytes = bytes
    }

    fileprivate var counter: String { "import \(name)" }
}

extension Spool {
    /// Commits records of several streams at once, and how far an import has come: all of that or nothing.
    package func append(_ records: [NewRecord], progress: ImportProgress? = nil) throws(SpoolError) {
        let cost = records.reduce(0) { $0 + SpoolLimit.cost(ofMessage: $1.message.count) }
        try withRoom(for: cost, mayBlock: true) { deadline throws(SpoolError) in
            try queue.write(until: deadline) { writer throws(SpoolError) in
                try writer.append(records, cost: cost, progress: progress)
            }
        }
    }

    /// How many bytes of a file were imported, by an import that did not come to its end.
    package func importedBytes(of name: String) throws(SpoolError) -> Int64 {
        try write { writer throws(SpoolError) in
            let select = try writer.connection.prepare("SELECT value FROM counters WHERE name = ?1")
            try select.bind(ImportProgress(name: name, bytes: nil).counter, at: 1)
            return try select.step() ? select.integer(0) : 0
        }
    }
}

extension Writer {
    fileprivate func append(_ records: [NewRecord], cost: Int64, progress: ImportProgress?) throws(SpoolError) {
        try room.admit(cost)
        try connection.transaction { () throws(SpoolError) in
            var last: Int64?
            for record in records {
                last = try insert(
                    stream: record.stream,
                    timestamp: record.timestamp,
                    message: record.message,
                    after: last
                )
            }
            if let progress { try note(progress) }
        }
    }

    private func note(_ progress: ImportProgress) throws(SpoolError) {
        guard let bytes = progress.bytes else {
            let delete = try connection.prepare("DELETE FROM counters WHERE name = ?1")
            try delete.bind(progress.counter, at: 1)
            return try delete.run()
        }
        let replace = try connection.prepare("INSERT OR REPLACE INTO counters (name, value) VALUES (?1, ?2)")
        try replace.bind(progress.counter, at: 1)
        try replace.bind(bytes, at: 2)
        try replace.run()
    }
}
