internal import LogbeamSpool
internal import Synchronization

/// The shippers of handlers that made none themselves, one for each set of settings.
enum SharedShippers {
    private struct Key: Hashable {
        /// The bytes of its path, for to Swift other bytes may be the same text.
        var spool: [UInt8]
        var bufferDuration: Duration
        var batchCount: Int
        var batchSize: Int
        var client: ClientIdentity?
    }

    private static let shippers = Mutex<[Key: LogShipper]>([:])

    /// The shipper for a configuration; only the names of group and stream may differ from those it was made with.
    static func shipper(_ configuration: LogShipper.Configuration) throws -> LogShipper {
        let key = Key(
            spool: Array(configuration.spool.utf8),
            bufferDuration: configuration.bufferDuration,
            batchCount: configuration.batchCount,
            batchSize: configuration.batchSize,
            client: configuration.logsClient.map(ClientIdentity.init)
        )
        if let known = withShippers({ $0[key] }) { return known }
        // May take seconds, and so holds up neither others nor a fork.
        let new = try LogShipper(configuration)
        return withShippers { shippers in
            // Another thread may have been faster. The one too many ends with the last reference to it.
            let first = shippers[key] ?? new
            shippers[key] = first
            return first
        }
    }

    /// A child must not find the lock taken by a thread that it does not have.
    private static func withShippers<Result: Sendable>(_ body: (inout [Key: LogShipper]) -> Result) -> Result {
        ForkGate.pass { shippers.withLock { body(&$0) } }
    }
}
