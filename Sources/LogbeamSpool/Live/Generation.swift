package import LogbeamCore
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

/// A log stream of a ``LiveSpool``, under whatever id its present file knows it. Thread-safe.
package final class LiveStream: Sendable {
    package let destination: Destination
    /// Those of the group and the stream, one after the other, in UTF-8; the first has `groupLength` bytes.
    let names: [UInt8]
    let groupLength: Int
    /// The tag of a generation, and in the lower 40 bits the id that the stream has there.
    private let known = Atomic<UInt64>(0)

    private static let idBits: UInt64 = 40

    package init(_ destination: Destination) {
        self.destination = destination
        names = Array(destination.logGroup.utf8) + Array(destination.logStream.utf8)
        groupLength = destination.logGroup.utf8.count
    }

    /// The id of the stream in a generation, to which the stream is made known if need be.
    func id(in generation: Generation) throws(SpoolError) -> Int64 {
        let packed = known.load(ordering: .relaxed)
        if packed >> Self.idBits == generation.tag { return Int64(packed & (1 << Self.idBits - 1)) }
        let id = try generation.spool.streamID(for: destination)
        if 0 <= id, id < 1 << Self.idBits {
            known.store(generation.tag << Self.idBits | UInt64(id), ordering: .relaxed)
        }
        return id
    }
}

/// A record on its way into a ``LiveSpool``.
package struct LiveRecord {
    package var stream: LiveStream
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package var timestamp: Int64
    /// UTF-8.
    package var message: UnsafeBufferPointer<UInt8>

    package init(stream: LiveStream, timestamp: Int64, message: UnsafeBufferPointer<UInt8>) {
        self.stream = stream
        self.timestamp = timestamp
        self.message = message
    }
}

extension LiveStream: Hashable {
    package static func == (a: LiveStream, b: LiveStream) -> Bool { a === b }
    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

extension Spool {
    fileprivate func openLog() throws(SpoolError) {
        try write { writer throws(SpoolError) in _ = try writer.connection.integer("PRAGMA schema_version") }
    }

    /// Whether another file, or none, is where this one was opened.
    package func hasMoved() throws(SpoolError) -> Bool {
        try write { writer throws(SpoolError) in
            var moved: Int32 = 0
            try writer.connection.check(
                sqlite3_file_control(writer.connection.handle, nil, SQLITE_FCNTL_HAS_MOVED, &moved)
            )
            return moved != 0
        }
    }
}
