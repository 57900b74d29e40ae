package import LogbeamCore
internal import Synchronization

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

extension LiveStream: Hashable {
    package static func == (a: LiveStream, b: LiveStream) -> Bool { a === b }
    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
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
