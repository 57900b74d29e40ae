package import LogbeamCore

/// Reads batches for any thread, one at a time, on a connection of its own.
///
/// Thread-safe.
// @unchecked: the reader is only touched with the lock held.
package final class BatchReader: @unchecked Sendable {
    private let lock = TimedLock()
    let reader: SpoolReader

    /// - Parameter path: see ``SpoolReader/init(path:)``.
    package init(path: String) throws(SpoolError) {
        reader = try SpoolReader(path: path)
    }

    /// Reads the records of a batch with their messages, in the order in which they are sent, into one that is done with.
    ///
    /// - Parameter ids: those of its records, ascending, to look for each of them; empty to look through the range.
    package func read(
        _ range: BatchRange,
        ids: [Int64] = [],
        for destination: Destination,
        into batch: inout EventBatch
    ) throws(SpoolError) {
        try ForkGate.pass { () throws(SpoolError) in
            lock.lock()
            defer { lock.unlock() }
            try reader.read(range, ids: ids, for: destination, into: &batch)
        }
    }

    /// Runs `body` while no batch is being read.
    func pause<Result>(_ body: () throws(SpoolError) -> Result) throws(SpoolError) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body()
    }
}
