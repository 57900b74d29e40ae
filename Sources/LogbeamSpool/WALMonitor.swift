internal import CSQLite
internal import Synchronization

/// Knows how long the write-ahead log is, and keeps it from growing for ever when nobody checkpoints it.
///
/// Replaces SQLite's own automatic checkpoint, which would run every 1,000 pages inside of `log()`
/// (https://www.sqlite.org/c3ref/wal_hook.html).
final class WALMonitor: Sendable {
    /// The pages in the log after the last commit of this process. Thread-safe.
    let pages = Atomic<Int>(0)
    /// At which length a commit itself runs a checkpoint: only ever reached when no uploader lives, or when a reader of
    /// another process holds the log open. 16,384 pages are 64 MiB.
    private static let safetyThreshold = 16_384
    private let nextSafetyCheckpoint = Atomic<Int>(safetyThreshold)

    /// The monitor must outlive the connection.
    func install(on connection: Connection) {
        sqlite3_wal_hook(
            connection.handle,
            { context, handle, name, pages in
                guard let context else { return SQLITE_OK }
                let monitor = Unmanaged<WALMonitor>.fromOpaque(context).takeUnretainedValue()
                monitor.committed(pages: Int(pages), handle: handle, name: name)
                return SQLITE_OK
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
    }

    private func committed(pages length: Int, handle: OpaquePointer?, name: UnsafePointer<CChar>?) {
        pages.store(length, ordering: .relaxed)
        guard length >= Self.safetyThreshold else {
            nextSafetyCheckpoint.store(Self.safetyThreshold, ordering: .relaxed)
            return
        }
        guard length >= nextSafetyCheckpoint.load(ordering: .relaxed) else { return }
        // Where a reader keeps the log from being emptied, trying at every commit would help nobody.
        nextSafetyCheckpoint.store(length + Self.safetyThreshold / 4, ordering: .relaxed)
        sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
    }
}
