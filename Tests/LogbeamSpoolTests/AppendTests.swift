import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Appending", .onOwnThreads)
struct AppendTests {
    // MARK: What comes back

    @Test(
        "gives the bytes back as they were",
        arguments: [
            [], [0], [65, 0, 66, 0], Array("ASCII, é, €, 😀, \u{10FFFF}\u{0001}".utf8), Array(0...255),
            [UInt8](repeating: 120, count: 1 << 20),
        ] as [[UInt8]]
    )
    func bytes(message: [UInt8]) throws {
        let test = try TestSpool()
        let id = try test.spool.append(message, stream: test.stream, timestamp: -5)
        let reader = try SpoolReader(path: test.path)
        let header = RecordHeader(id: id, stream: test.stream, timestamp: -5, byteCount: message.count)
        #expect(try reader.headers(after: 0, limit: 9).headers == [header])
        let destination = try #require(try reader.destination(ofStream: test.stream))
        let batch = try reader.batch(test.range(id, id), for: destination)
        #expect(batch.messages == message)
        #expect(batch.destination == Destination(logGroup: "group", logStream: "stream"))
    }

    @Test("reads a batch into one that is done with, of which nothing is left")
    func memory() throws {
        let test = try TestSpool()
        let ids = try ["a long message", "b"].map { try test.spool.append($0, stream: test.stream) }
        let batches = try BatchReader(path: test.path)
        var batch = EventBatch(destination: Destination(logGroup: "?", logStream: "?"))
        let destination = Destination(logGroup: "group", logStream: "stream")
        try batches.read(test.range(ids[0], ids[1]), for: destination, into: &batch)
        #expect(batch.count == 2)
        try batches.read(test.range(ids[1], ids[1]), for: destination, into: &batch)
        #expect(try batch == SpoolReader(path: test.path).batch(test.range(ids[1], ids[1]), for: destination))
        #expect(batch.count == 1)
    }

    @Test("gives every scalar value back")
    func everyScalar() throws {
        let test = try TestSpool()
        let text = String(String.UnicodeScalarView((UInt32(0)...0x10FFFF).compactMap(Unicode.Scalar.init)))
        let id = try test.spool.append(text, stream: test.stream)
        let destination = Destination(logGroup: "group", logStream: "stream")
        let batch = try SpoolReader(path: test.path).batch(test.range(id, id), for: destination)
        #expect(batch.messages.elementsEqual(text.utf8))
    }

    @Test("refuses records for which no id is left, whatever they are appended with")
    func noID() async throws {
        let test = try TestSpool()
        try test.execute("INSERT INTO records VALUES (\(Int64.max - 1), \(test.stream), 1, 'foreign')")
        #expect(spoolError { try test.appendGroups(1, of: 2) }?.isSuspicious == true)
        #expect(try test.append() == [.max])
        for _ in 1...2 { #expect(spoolError { try test.append() }?.isSuspicious == true) }
        let results = try await test.appendTogether(["a", "b"])
        for result in results { #expect(spoolError { _ = try result.get() }?.isSuspicious == true) }
        #expect(try test.ids() == [.max - 1, .max])
    }

    @Test("gives the last ids there are to records that wait together")
    func lastIDs() async throws {
        let test = try TestSpool()
        try test.execute("INSERT INTO records VALUES (\(Int64.max - 2), \(test.stream), 1, 'foreign')")
        let results = try await test.appendTogether(["a", "b"])
        #expect(try Set(results.map { try $0.get() }) == [.max - 1, .max])
    }

    @Test("knows a stream by one id, over processes and openings")
    func streams() throws {
        let test = try TestSpool()
        let again = try Spool(path: test.path)
        #expect(try again.streamID(for: Destination(logGroup: "group", logStream: "stream")) == test.stream)
        #expect(try again.streamID(for: Destination(logGroup: "group2", logStream: "stream")) != test.stream)
        #expect(test.stream != test.otherStream)
        #expect(try SpoolReader(path: test.path).destination(ofStream: 99) == nil)
    }

    @Test("reads in pages, of all streams or of one, up to a record")
    func pages() throws {
        let test = try TestSpool()
        let ids = try (0..<10).map { try test.append(to: $0 % 2 == 0 ? test.stream : test.otherStream)[0] }
        let reader = try SpoolReader(path: test.path)
        #expect(try reader.headers(after: ids[2], limit: 3).headers.map(\.id) == Array(ids[3...5]))
        let other = try reader.headers(ofStream: test.otherStream, after: ids[1], through: ids[7], limit: 9).headers
        #expect(other.map(\.id) == [ids[3], ids[5], ids[7]])
        #expect(
            try reader.headers(ofStream: test.stream, after: 0, through: .max, limit: 3).headers.map(\.id) == [
                ids[0], ids[2],
            ]
        )
        #expect(try !reader.headers(after: 0, limit: 10).isLast)
        #expect(try reader.headers(after: 0, limit: 11).isLast)
        let bytes = try reader.headers(after: 0).headers[0].byteCount
        let some = try reader.headers(after: 0, byteLimit: 2 * bytes + 1)
        #expect(some.headers.map(\.id) == Array(ids[0...2]))
        #expect(!some.isLast)
        #expect(try reader.lastID() == ids[9])
        #expect(try reader.hasRecords(through: ids[0]))
        #expect(try !reader.hasRecords(through: ids[0] - 1))
    }

    // MARK: Ids

    @Test("gives ascending ids that are about the time in microseconds")
    func idsAreTimes() throws {
        let test = try TestSpool()
        let before = WallClock.microseconds()
        let ids = try test.append(1_000)
        #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 })
        #expect(ids[0] >= before && ids[0] <= WallClock.microseconds())
    }

    @Test("never uses an id again: not when all is gone, nor after opening again, nor with the clock set back")
    func idsAreNeverReused() throws {
        let test = try TestSpool()
        // As if all this had happened in the year 2100, and the clock had then been set right.
        let future: Int64 = 4_102_444_800_000_000
        try sqlite3(test.path, "UPDATE counters SET value = \(future) WHERE name = 'last_id'")
        let ids = try test.append(600)
        #expect(ids == Array((future + 1)...(future + 600)))
        try test.deliverAll()
        #expect(try test.ids() == [])
        #expect(try test.append() == [future + 601])

        let reopened = try Spool(path: test.path)
        #expect(try reopened.append("m", stream: test.stream) == future + 602)
        // The last one is refused, and it was the highest.
        try reopened.reject([RefusedRecord(id: future + 602, reason: .tooOld)])
        #expect(try reopened.append("m", stream: test.stream) == future + 603)
    }

    @Test("uses no id again when the record with the highest was delivered and lower ones of another stream remain")
    func idsOfOtherStreams() throws {
        let test = try TestSpool()
        let future: Int64 = 4_102_444_800_000_000
        try test.execute("UPDATE counters SET value = \(future) WHERE name = 'last_id'")
        try test.append(2, to: test.otherStream)
        try test.append(3)
        try test.deliverAll()
        #expect(try test.ids() == [future + 1, future + 2])
        #expect(try test.append() == [future + 6])
    }

    @Test("uses no id again when the records with the highest were dropped to make room")
    func idsOfDropped() throws {
        let test = try TestSpool()
        let future: Int64 = 4_102_444_800_000_000
        try test.execute("UPDATE counters SET value = \(future) WHERE name = 'last_id'")
        try test.append(3)
        #expect(try test.spool.write { writer throws(SpoolError) in try writer.dropOldestSlice() })
        #expect(try test.ids() == [])
        #expect(try test.append() == [future + 4])
    }

    @Test(
        "looks which ids there are whenever another connection has written",
        arguments: [
            "INSERT INTO records SELECT max(id) + 1000000000000, stream_id, 1, 'x' FROM records",
            "UPDATE counters SET value = (SELECT max(id) + 1000000000000 FROM records) WHERE name = 'last_id'",
        ]
    )
    func idsOfOtherConnections(sql: String) throws {
        let test = try TestSpool()
        let other = try Connection(path: test.path, mode: .readWrite)
        for _ in 1...3 {
            // From the second one on it is known which there are.
            let last = try test.append(3)[2]
            try other.execute(sql)
            let taken = last + 1_000_000_000_000
            #expect(try test.append(3) == [taken + 1, taken + 2, taken + 3])
        }
    }

    @Test("uses no id again when a process died within an acknowledgement")
    func idsAfterDeath() throws {
        let test = try TestSpool()
        let future: Int64 = 4_102_444_800_000_000
        try test.execute("UPDATE counters SET value = \(future) WHERE name = 'last_id'")
        let ids = try test.append(1_200)
        let range = test.range(ids[0], ids[1_199])
        try test.spool.begin(range)
        _ = try test.spool.write { writer throws(SpoolError) in
            try writer.acknowledge(range, refused: [], delivered: 1_200, in: nil)
        }
        let next = try test.spool.write { writer throws(SpoolError) in
            try writer.deleteSlice(of: range, from: ids[0], in: nil)
        }
        #expect(next == ids[500])
        #expect(try test.append() == [ids[1_199] + 1])
    }

    // MARK: Groups and crowds

    @Test("commits a group as a whole")
    func group() throws {
        let test = try TestSpool()
        let messages: [[UInt8]] = [Array("one".utf8), [], Array("three".utf8)]
        let last = try withRecords(messages, stream: test.stream) { try test.spool.append($0) }
        let ids = try test.ids()
        #expect(ids.count == 3)
        #expect(ids.last == last)
    }

    @Test("commits nothing of a group if one record can not be taken")
    func groupFails() throws {
        let test = try TestSpool()
        // Stands for whatever makes an insert fail in the middle of a group.
        try test.execute(
            """
            CREATE TRIGGER guard BEFORE INSERT ON records WHEN NEW.message = 'bad'
            BEGIN SELECT raise(ABORT, 'not this one'); END
            """
        )
        let messages = ["good", "bad", "good"].map { Array($0.utf8) }
        #expect(
            spoolError {
                _ = try withRecords(messages, stream: test.stream) { try test.spool.append($0) }
            }?.message == "not this one"
        )
        #expect(spoolError { try test.spool.append("bad", stream: test.stream) }?.kind == .other)
        #expect(try test.ids() == [])
        // Neither failure leaves a transaction open.
        try test.append(2)
        #expect(try test.ids().count == 2)
    }

    @Test("loses nothing when many threads append at once")
    func threads() async throws {
        let test = try TestSpool()
        let appended = try await onThreads(8) { _ in try test.append(250) }
        for ids in appended { #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 }) }
        #expect(try test.ids() == appended.flatMap { $0 }.sorted())
    }

    @Test("loses nothing, and is never busy, when many connections append at once")
    func connections() async throws {
        let test = try TestSpool()
        let appended = try await onThreads(6) { _ in
            let spool = try Spool(path: test.path)
            return try (0..<300).map { _ in try spool.append("m", stream: test.stream) }
        }
        for ids in appended { #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 }) }
        #expect(try test.ids() == appended.flatMap { $0 }.sorted())
    }

    private func withRecords<Result>(
        _ messages: [[UInt8]],
        stream: Int64,
        _ body: ([NewRecord]) throws -> Result
    ) rethrows -> Result {
        let pointers = messages.map { message in
            let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: message.count)
            _ = copy.initialize(fromContentsOf: message)
            return copy
        }
        defer { pointers.forEach { $0.deallocate() } }
        return try body(
            pointers.map { NewRecord(stream: stream, timestamp: 1, message: UnsafeBufferPointer($0)) }
        )
    }
}
