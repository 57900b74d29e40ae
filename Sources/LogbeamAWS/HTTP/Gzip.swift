internal import CZlib

/// Compresses request bodies into the gzip format. Holds zlib's tables, about 260 KiB.
package struct Gzip: ~Copyable {
    /// zlib is out of memory.
    package struct Failure: Error, Equatable, Sendable {}

    static let level: Int32 = 1

    // On the heap, because zlib's state points back to its stream.
    private let stream: UnsafeMutablePointer<z_stream>

    package init() throws(Failure) {
        try self.init(level: Self.level)
    }

    init(level: Int32) throws(Failure) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard logbeam_deflate_init_gzip(stream, level) == Z_OK else {
            stream.deallocate()
            throw Failure()
        }
        self.stream = stream
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// One whole gzip member. The body must be shorter than 4 GiB, zlib's own limit for a single call.
    package mutating func compress(_ body: [UInt8]) throws(Failure) -> [UInt8] {
        guard deflateReset(stream) == Z_OK, let inputCount = UInt32(exactly: body.count),
            let outputCapacity = UInt32(exactly: deflateBound(stream, UInt(body.count)))
        else { throw Failure() }
        var status = Z_OK
        let compressed = [UInt8](unsafeUninitializedCapacity: Int(outputCapacity)) { output, count in
            body.withUnsafeBufferPointer { input in
                // zlib only reads from there; its field is not const for historical reasons.
                stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                stream.pointee.avail_in = inputCount
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = outputCapacity
                status = deflate(stream, Z_FINISH)
            }
            count = Int(outputCapacity - stream.pointee.avail_out)
        }
        guard status == Z_STREAM_END else { throw Failure() }
        return compressed
    }
}
