package import LogbeamCore
internal import Synchronization

/// Reads batches for any thread, one at a time, on a connection of its own.
///
/// Thread-safe.
package final class BatchReader: Sendable {
    private let reader: Mutex<SpoolReader>

    /// - Parameter path: see ``SpoolReader/init(path:)``.
    package init(path: String) throws(SpoolError) {
        reader = Mutex(try SpoolReader(path: path))
    }

    /// The records of a batch with their messages, in the order in which they are sent.
    package func batch(_ range: BatchRange, for destination: Destination) throws(SpoolError) -> EventBatch {
        try ForkGate.pass { () throws(SpoolError) in
            try reader.withLock { reader throws(SpoolError) in try reader.batch(range, for: destination) }
        }
    }

    /// Runs `body` while no batch is being read.
    package func pause<Result>(_ body: () -> Result) -> Result {
        reader.withLock { _ in body() }
    }
}
