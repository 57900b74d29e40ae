package import LogbeamCore

/// Reads batches for any thread, one at a time, on a connection of its own.
///
/// Thread-safe.
// @unchecked: the reader is only touched with the lock held.
package final class BatchReader: @unchecked Sendable {
    private let lock = TimedLock()
    private let reader: SpoolReader

    /// - Parameter path: see ``SpoolReader/init(path:)``.
    package init(path: String) throws(SpoolError) {
        reader = try SpoolReader(path: path)
    }

    /// The records of a batch with their messages, in the order in which they are sent.
    package func batch(_ range: BatchRange, for destination: Destination) throws(SpoolError) -> EventBatch {
        try ForkGate.pass { () throws(SpoolError) in
            lock.lock()
            defer { lock.unlock() }
            return try reader.batch(range, for: destination)
        }
    }

    /// Runs `body` while no batch is being read.
    func pause<Result>(_ body: () throws(SpoolError) -> Result) throws(SpoolError) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body()
    }
}
