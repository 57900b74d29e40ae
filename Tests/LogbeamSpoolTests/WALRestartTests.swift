import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("A log that somebody was killed over as they began it anew")
struct WALRestartTests {
    private let directory = try! TemporaryDirectory()
    private var path: String { directory.file("spool.db") }

    /// Does to the index what SQLite does before it says that nothing is copied (`walRestartHdr` in wal.c): a header without
    /// frames, of other salts, and its checksum, twice.
    private func beginAnew() throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path + "-shm"))
        var header = try #require(try file.read(upToCount: 48)).map { $0 }
        func put(_ value: UInt32, at offset: Int) {
            for byte in 0..<4 { header[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(byte))) }
        }
        put(0, at: WALLayout.Index.committedFrames)
        header[WALLayout.Index.salts + 3] &+= 1
        header[WALLayout.Index.salts + 4] ^= 0xFF
        var sum = WALChecksum()
        sum.add(header[..<40], isBigEndian: false)
        put(sum.first, at: 40)
        put(sum.second, at: 44)
        try file.seek(toOffset: 0)
        try file.write(contentsOf: Data(header + header))
        try file.close()
    }

    @Test("is one of which nothing is copied, for whoever writes next: all see what is committed to it")
    func killed() throws {
        let spool = try Spool(path: path)
        let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        let other = try SpoolFile.openAgain(path: path, .readWrite)
        func append(_ count: Int) throws {
            for _ in 0..<count { try spool.append(String(repeating: "x", count: 3_000), stream: stream, timestamp: 1) }
        }
        try append(50)
        try other.execute("PRAGMA wal_checkpoint(FULL)")
        try beginAnew()
        for count in [60, 130] {
            try append(count - (count == 60 ? 50 : 60))
            #expect(try other.integer("SELECT count(*) FROM records") == Int64(count))
            #expect(try integrity(of: path) == "ok")
        }
        // Nothing but what is not copied keeps it from being begun anew.
        try other.execute("PRAGMA wal_checkpoint(RESTART)")
        #expect(try integrity(of: path) == "ok")
        try append(1)
        #expect(try other.integer("SELECT count(*) FROM records") == 131)
    }

    private func log(to spool: LiveSpool, _ count: Int) throws {
        let stream = LiveStream(Destination(logGroup: "group", logStream: "stream"))
        let message = [UInt8](repeating: UInt8(ascii: "x"), count: 3_000)
        for _ in 0..<count {
            try message.withUnsafeBufferPointer { message throws(SpoolError) in
                _ = try spool.append(to: stream, timestamp: 1, message: message)
            }
        }
    }

    @Test("is ended by who looks after the spool, though nobody logs: no other program comes to harm")
    func idle() throws {
        let spool = try LiveSpool(path: path, report: { _ in })
        try log(to: spool, 50)
        try SpoolFile.openAgain(path: path, .readWrite).execute("PRAGMA wal_checkpoint(FULL)")
        try beginAnew()
        spool.look(isLast: true)
        for _ in 0..<2 {
            try SpoolFile.openAgain(path: path, .readWrite).execute(
                """
                INSERT INTO rejected (stream_id, timestamp, message, reason, rejected_at)
                    VALUES (1, 1, hex(zeroblob(3000)), 'r', 1)
                """
            )
        }
        try log(to: spool, 1)
        let other = try SpoolFile.openAgain(path: path, .readOnly)
        #expect(try other.integer("SELECT count(*) FROM rejected") == 2)
        #expect(try other.integer("SELECT count(*) FROM records") == 51)
        #expect(try integrity(of: path) == "ok")
    }

    @Test("is ended before the spool becomes one of this version: who has it open sees what is changed")
    func migrated() throws {
        try #require(EarlierVersion.all.first { !$0.isKilled }).write(to: path)
        let other = try Connection(path: path, mode: .readWrite)
        try other.execute(
            "INSERT INTO records (stream_id, timestamp, message) VALUES (1, 1, 'a'); PRAGMA wal_checkpoint(FULL)"
        )
        try beginAnew()
        let spool = try Spool(path: path)
        #expect(try other.integer("PRAGMA user_version") == Schema.version)
        #expect(try integrity(of: path) == "ok")
        withExtendedLifetime(spool) {}
    }
}
