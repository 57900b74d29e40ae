internal import CSQLite

/// Copies the write-ahead log into the file part by part, for the threads that send: a part that is copied by them need not
/// be copied by the upload loop, which nobody else can stand in for.
///
/// Thread-safe.
// @unchecked: the connections and the counts are only touched with the spool's lock for copying held.
package final class Checkpointer: @unchecked Sendable {
    private let spool: Spool
    private let connection: Connection
    private let pin: Connection
    /// How many pages the log had at the last look, and how many of them are copied.
    private var length = 0
    private var copied = 0

    /// So many pages are worth a sync: 4 MiB.
    static let part = 1_024

    package init(spool: Spool) throws(SpoolError) {
        self.spool = spool
        connection = try SpoolFile.openAgain(path: spool.path, .readWrite)
        spool.walMonitor.watch(connection)
        pin = try SpoolFile.openAgain(path: spool.path, .readOnly)
    }

    /// Copies what there is, if it is much and no other thread is at it. For after each batch: it is also how a log that was
    /// begun anew is noticed.
    ///
    /// Whoever commits meanwhile is not held up, and begins no new log, for which they would have to sync: as long as it
    /// is copied a snapshot keeps them from it, and then a commit that changes nothing and is not copied.
    package func checkpoint() throws(SpoolError) {
        try ForkGate.pass { () throws(SpoolError) in
            guard spool.copying.tryLock() else { return }
            defer { spool.copying.unlock() }
            let before = length
            length = spool.walPages
            // It was begun anew.
            if length < before { copied = 0 }
            guard length - copied >= Self.part else { return }
            try spool.walMonitor.writeAgain(by: connection)
            try pin.pinningWAL { unpin throws(SpoolError) in
                spool.walMonitor.checkpoint(by: connection, SQLITE_CHECKPOINT_PASSIVE)
                try spool.write { writer throws(SpoolError) in
                    try writer.connection.touch()
                    try unpin()
                }
            }
            copied = length
        }
    }
}

extension Connection {
    /// Runs `body` while a snapshot of this connection keeps other connections from restarting the write-ahead log.
    func pinningWAL(_ body: (_ unpin: () throws(SpoolError) -> Void) throws(SpoolError) -> Void) throws(SpoolError) {
        try execute("BEGIN")
        // Whatever happens: a transaction left open would never show a newer record.
        defer { if sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) } }
        // A read transaction begins with its first read (https://www.sqlite.org/lang_transaction.html).
        _ = try integer("SELECT max(id) FROM records")
        try body { () throws(SpoolError) in try execute("COMMIT") }
    }
}
