import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

struct LogLengthTests {
    @Test func aLongLogStartsAnewBetweenTwoBatches() throws {
        let directory = try TemporaryDirectory()
        let spool = try Spool(path: directory.file("spool.db"))
        let stream = try spool.streamID(for: Destination(logGroup: "g", logStream: "s"))
        let maintenance = try SpoolMaintenance(spool: spool, reader: SpoolReader(path: spool.path))
        // 17 MiB, a little over the length at which the log is started anew.
        let message = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 20)
        for _ in 0..<17 {
            try message.withUnsafeBufferPointer { bytes in
                _ = try spool.append(stream: stream, timestamp: 0, message: bytes)
            }
        }
        #expect(spool.walPages > 4_096)

        try maintenance.whileBusy()

        #expect(spool.walPages < 16)
    }
}
