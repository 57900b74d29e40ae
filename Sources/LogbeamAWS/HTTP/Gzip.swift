internal import CZlib

/// Compresses request bodies into the gzip format.
package enum Gzip {
    /// zlib is out of memory, or the body is too long for it.
    package struct Failure: Error, Equatable, Sendable {}

    private static let level: Int32 = 1

    /// One whole gzip member. The body must be shorter than 4 GiB, zlib's own limit for a single call. Takes about 260 KiB
    /// for zlib's tables meanwhile.
    package static func compress(_ body: [UInt8]) throws(Failure) -> [UInt8] {
        var stream = z_stream()
        // All of it at one address: zlib's state points back to its stream.
        return try withUnsafeMutablePointer(to: &stream) { (stream) throws(Failure) in
            guard logbeam_deflate_init_gzip(stream, level) == Z_OK else { throw Failure() }
            defer { deflateEnd(stream) }
            guard let inputCount = UInt32(exactly: body.count),
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
}
