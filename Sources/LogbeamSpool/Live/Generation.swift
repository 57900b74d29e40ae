internal import CSQLite
internal import Synchronization

/// One file of a ``LiveSpool``, from when it is opened until it is let go.
// @unchecked: `openSpool` is only taken away when the generation is current no more and nobody is in it.
package final class Generation: @unchecked Sendable {
    /// Unlike that of any other in the process, and of those that it inherited; never 0, and below 2^24.
    let tag: UInt64
    /// What the file was when it was opened.
    let main: FileIdentity
    /// What lay beside it then; `nil`: already gone.
    let log: FileIdentity?
    let index: FileIdentity?
    /// How large the file was when it was last looked at, in bytes.
    let size: Atomic<Int>
    /// How many threads are at work in it.
    let users = Atomic<Int>(0)
    private var openSpool: Spool?

    private static let tags = Atomic<UInt64>(0)

    /// `nil` if another file is in its place by now.
    init?(_ spool: Spool) throws(SpoolError) {
        // The log is opened, and made, when it is first read.
        try spool.openLog()
        guard case .file(let main, let size) = FileIdentity.look(at: spool.path), try !spool.hasMoved() else {
            return nil
        }
        self.main = main
        self.size = Atomic(size)
        log = FileIdentity(spool.path + "-wal")
        index = FileIdentity(spool.path + "-shm")
        tag = 1 + Self.tags.add(1, ordering: .relaxed).newValue % 0xFF_FFFE
        openSpool = spool
    }

    /// The spool in this file. Only for those who are in the generation, or keep it from being let go.
    package var spool: Spool {
        get throws(SpoolError) {
            guard let openSpool else { throw SpoolError(.missing, path: "", message: "the spool was let go") }
            return openSpool
        }
    }

    /// Closes the file, as soon as nobody else holds the spool.
    func letGo() { openSpool = nil }
}

extension Spool {
    fileprivate func openLog() throws(SpoolError) {
        try write { writer throws(SpoolError) in _ = try writer.connection.integer("PRAGMA schema_version") }
    }

    /// Whether another file, or none, is where this one was opened.
    package func hasMoved() throws(SpoolError) -> Bool {
        try write { writer throws(SpoolError) in try writer.connection.hasMoved() }
    }
}
