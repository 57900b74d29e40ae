internal import CSQLite
internal import LogbeamCore

/// The table `streams`, as far as it gives each stream an id.
///
/// Not thread-safe: belongs to ``Writer``.
final class StreamTable {
    private let connection: Connection
    private let insert: Statement
    private let select: Statement

    init(connection: Connection) throws(SpoolError) {
        self.connection = connection
        insert = try connection.prepare("INSERT OR IGNORE INTO streams (log_group, log_stream) VALUES (?1, ?2)")
        select = try connection.prepare("SELECT id FROM streams WHERE log_group = ?1 AND log_stream = ?2")
    }

    /// The id of a stream, which is made known to the spool if it is not yet.
    func id(for destination: Destination) throws(SpoolError) -> Int64 {
        try insert.bind(destination.logGroup, at: 1)
        try insert.bind(destination.logStream, at: 2)
        do throws(SpoolError) {
            try insert.run()
        } catch {
            // As in ``Writer/append(_:)``.
            guard error.isFailedSync else { throw error }
            try insert.run()
        }
        try select.bind(destination.logGroup, at: 1)
        try select.bind(destination.logStream, at: 2)
        defer { select.reset() }
        guard try select.step() else { throw connection.failure(SQLITE_INTERNAL) }
        return select.integer(0)
    }
}
