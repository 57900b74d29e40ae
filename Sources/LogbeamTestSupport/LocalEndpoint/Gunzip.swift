internal import CZlib

/// A body that claims to be gzip and is not, is cut off, has something after its end, or is too long.
struct GzipViolation: Error {}

/// The content of exactly one gzip member (RFC 1952), its checksum verified.
func gunzip(_ compressed: [UInt8], limit: Int) throws(GzipViolation) -> [UInt8] {
    var stream = z_stream()
    // 15 is the largest window; 16 more takes gzip and nothing else (zlib.h, inflateInit2).
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
        throw GzipViolation()
    }
    defer { inflateEnd(&stream) }

    var input = compressed
    var content: [UInt8] = []
    let status = input.withUnsafeMutableBufferPointer { input -> Int32 in
        stream.next_in = input.baseAddress
        stream.avail_in = UInt32(input.count)
        var status = Z_OK
        while status == Z_OK, content.count <= limit {
            content += [UInt8](unsafeUninitializedCapacity: 262_144) { chunk, count in
                stream.next_out = chunk.baseAddress
                stream.avail_out = UInt32(chunk.count)
                status = inflate(&stream, Z_NO_FLUSH)
                count = chunk.count - Int(stream.avail_out)
            }
        }
        return status
    }
    guard status == Z_STREAM_END, stream.avail_in == 0, content.count <= limit else { throw GzipViolation() }
    return content
}
