package import LogbeamCore

extension SpoolReader {
    /// All streams that the spool knows, by their ids.
    package func streams() throws(SpoolError) -> [Int64: Destination] {
        let statement = try connection.prepare("SELECT id, log_group, log_stream FROM streams")
        defer { statement.reset() }
        var streams: [Int64: Destination] = [:]
        while try statement.step() {
            streams[statement.integer(0)] = Destination(
                logGroup: statement.text(1),
                logStream: statement.text(2)
            )
        }
        return streams
    }

    /// The id of the first pending record of some streams, from an id on; `nil` if there is none. Reads the records of other
    /// streams that lie before it.
    package func firstRecord(of streams: Set<Int64>, from id: Int64) throws(SpoolError) -> Int64? {
        let statement = try connection.prepare("SELECT id, stream_id FROM records WHERE id >= ?1 ORDER BY id")
        try statement.bind(id, at: 1)
        defer { statement.reset() }
        while try statement.step() {
            if streams.contains(statement.integer(1)) { return statement.integer(0) }
        }
        return nil
    }
}
