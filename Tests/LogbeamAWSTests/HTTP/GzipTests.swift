import CZlib
import Testing

@testable import LogbeamAWS

@Suite("Gzip")
struct GzipTests {
    @Test("compresses body after body into what zlib reads back")
    func roundTrip() throws {
        var random = SystemRandomNumberGenerator()
        let bodies: [[UInt8]] = [
            [], [1], Array("{\"a\":1}".utf8), [UInt8](repeating: 0, count: 1_000_000),
            (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &random) },
            Array(String(repeating: "a line of a log, ", count: 50_000).utf8),
        ]
        for body in bodies {
            let compressed = try Gzip.compress(body)
            #expect(compressed.starts(with: [0x1F, 0x8B]))
            #expect(try decompress(compressed, count: body.count) == body)
        }
    }

    @Test("makes a small body of a repetitive one")
    func shrinks() throws {
        #expect(try Gzip.compress([UInt8](repeating: 65, count: 1_000_000)).count < 10_000)
    }

    private func decompress(_ bytes: [UInt8], count: Int) throws -> [UInt8] {
        var input = bytes
        var output = [UInt8](repeating: 0, count: count + 1)
        var stream = z_stream()
        // 16 asks for a gzip wrapper and nothing else.
        try #require(inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK)
        defer { inflateEnd(&stream) }
        input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                #expect(inflate(&stream, Z_FINISH) == Z_STREAM_END)
            }
        }
        #expect(stream.avail_in == 0)
        return Array(output[..<Int(stream.total_out)])
    }
}
