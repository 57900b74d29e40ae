import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite struct UploadLoopTests {
    @Test("Comes back to a batch of which nothing is left, where the spool could not be told so")
    func vanishedWhileBusy() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService(), commitTimeout: .milliseconds(20))
        let id = try uploader.append("one")
        let stream = try uploader.spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        try uploader.lease.begin(BatchRange(stream: stream, first: id, last: id, latest: uploader.clock.now.wall))
        let other = try Connection(path: uploader.spool.path, mode: .readWrite)
        try other.execute("DELETE FROM records")
        try uploader.restart()
        while uploader.loop.inFlight == 0 { _ = uploader.loop.step() }
        uploader.loop.waitForAnswer(until: .max)
        try other.execute("BEGIN IMMEDIATE")
        _ = uploader.loop.step()
        #expect(uploader.loop.spoolError?.kind == .busy)
        try #require(uploader.loop.inFlight == 0)
        try other.execute("COMMIT")
        for _ in 1...10 { if let wait = uploader.step(), wait < .max { uploader.clock.advance(wait) } }
        #expect(try uploader.inDoubtCount() == 0)
        #expect(uploader.service.sent.isEmpty)
    }

    @Test("Goes on with what a damaged spool says of batches and failures, whatever the numbers")
    func foreignNumbers() throws {
        let service = ScriptedDeliveryService([.throttled()])
        let uploader = try SteppedUploader(service: service)
        try uploader.append("one")
        let other = try Connection(path: uploader.spool.path, mode: .readWrite)
        try other.execute(
            """
            UPDATE streams SET failures = 9223372036854775807, last_error_at = -9223372036854775808, last_error = 'x';
            INSERT INTO deliveries (stream_id, first_id, last_id, latest_timestamp, started_at) SELECT id, 9, -9, 0, 0
                FROM streams
            """
        )
        try uploader.restart()
        try uploader.run { try uploader.pendingCount() > 0 || uploader.inDoubtCount() > 0 }
        #expect(service.sent.count == 2)
        #expect(try uploader.pendingCount() == 0 && uploader.inDoubtCount() == 0)
    }

    @Test("Is not denied any more when nothing is left of what was")
    func deniedAndGone() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService([.denied]))
        try uploader.append("one")
        let wait = uploader.settle()
        #expect(uploader.loop.isDenied)
        try Connection(path: uploader.spool.path, mode: .readWrite).execute("DELETE FROM records")
        uploader.clock.advance(wait)
        uploader.settle()
        #expect(!uploader.loop.isDenied)
        #expect(uploader.service.sent.count == 1)
    }

    @Test("Begins though a damaged spool names a time that no clock has", arguments: [Int64.min, .max])
    func impossibleErrorTime(time: Int64) throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService())
        let stream = try uploader.spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        try uploader.append("one")
        try uploader.lease.noteFailure(stream: stream, message: "trouble", failures: 1, time: time)
        try uploader.restart()
        for _ in 1...10 { if let wait = uploader.step(), wait < .max { uploader.clock.advance(wait) } }
        #expect(uploader.service.sent.map(\.texts) == [["one"]])
    }

    @Test("Deletes what the service has, later, where the spool could not be written at once; nothing is sent again")
    func acknowledgedWhileBusy() throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate) { _, _ in .accepted(.none) }
        let uploader = try SteppedUploader(service: service, commitTimeout: .milliseconds(20))
        try uploader.append("one")
        while uploader.loop.inFlight == 0 { _ = uploader.loop.step() }
        try #require(gate.waitForArrivals())
        let other = try Connection(path: uploader.spool.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        gate.open()
        uploader.loop.waitForAnswer(until: .max)
        _ = uploader.loop.step()
        #expect(uploader.loop.spoolError?.kind == .busy)
        #expect(uploader.loop.totals.records == 0)
        try other.execute("COMMIT")
        uploader.settle()
        #expect(try uploader.pendingCount() == 0 && uploader.inDoubtCount() == 0)
        #expect(uploader.loop.totals.records == 1 && service.sent.count == 1)
    }

    @Test(
        "Deletes a sparse batch by its ids, also where the spool could not be written at once",
        arguments: [false, true]
    )
    func sparse(isBusy: Bool) throws {
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate) { _, _ in .accepted(.none) }
        let uploader = try SteppedUploader(service: service, commitTimeout: .milliseconds(20))
        let ids = try (0..<3).map { _ in
            defer { for _ in 1...30 { _ = try? uploader.append("other", to: "other") } }
            return try uploader.append("one")
        }
        while uploader.loop.inFlight == 0 { _ = uploader.loop.step() }
        try #require(gate.waitForArrivals())
        let other = try Connection(path: uploader.spool.path, mode: .readWrite)
        let stream = try uploader.spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        // Nobody writes so. Who deletes by the range takes it along.
        try other.execute("INSERT INTO records VALUES (\(ids[0] + 1), \(stream), 1, 'foreign')")
        if isBusy { try other.execute("BEGIN IMMEDIATE") }
        gate.open()
        uploader.loop.waitForAnswer(until: .max)
        if isBusy {
            _ = uploader.loop.step()
            #expect(uploader.loop.spoolError?.kind == .busy)
            try other.execute("COMMIT")
        }
        _ = uploader.loop.step()
        #expect(uploader.loop.totals.records == 3 && service.sent.count == 1)
        #expect(try other.integer("SELECT sum(id) FROM records WHERE stream_id = \(stream)") == ids[0] + 1)
    }

    #if canImport(Glibc)
    @Test("Sends on threads as nice as its own where it is told nothing else: a drain does not give way")
    func niceAsItsOwn() throws {
        let sender = Monitor<Int32?>(nil)
        let uploader = try SteppedUploader(
            service: ScriptedDeliveryService { _, _ in
                sender.withLock { $0 = niceness() }
                return .accepted(.none)
            }
        )
        try uploader.append("one", to: "stream")
        _ = try uploader.loop.flush()
        while case .advanced = uploader.loop.step() {}
        #expect(sender.wait(within: patience) { $0 } == niceness())
    }
    #endif

    @Test("Is denied only when nothing is on its way and nothing else is left to send")
    func denied() throws {
        let directory = try TemporaryDirectory()
        let spool = try Spool(path: directory.file("spool.db"))
        for name in ["refused", "healthy"] {
            let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: name))
            try Array("x".utf8).withUnsafeBufferPointer {
                _ = try spool.append(stream: stream, timestamp: WallClock.milliseconds(), message: $0)
            }
        }
        let gate = Gate()
        let service = ScriptedDeliveryService { _, batch in
            if batch.destination.logStream == "healthy" {
                gate.pass()
                return .accepted(.none)
            }
            return .denied(DeliveryFailure(code: "AccessDeniedException", message: ""))
        }
        let loop = try UploadLoop(
            lease: #require(try UploadLease.acquire(spool)),
            service: service,
            limits: BatchLimits(),
            pacing: UploadPlan.Pacing(inFlight: 1)
        )
        _ = try loop.flush()
        func turn(until isOver: () -> Bool) throws {
            let deadline = ContinuousClock.now + patience
            while !isOver() {
                if ContinuousClock.now > deadline { throw WaitError(what: "an answer") }
                if case .waiting = loop.step() { loop.waitForAnswer(until: MonotonicClock.milliseconds() + 10) }
            }
        }
        // One at a time, the oldest first: the second goes out when the first has been refused.
        try turn { service.sent.count == 2 }
        #expect(loop.troubles.count == 1)
        #expect(!loop.isDenied, "the healthy stream is on its way")
        gate.open()
        try turn { loop.inFlight == 0 }
        #expect(loop.isDenied)
    }

    @Test("Sends what is meant for other streams where nobody knows what some records are meant for")
    func unknownStream() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService())
        let sql = try Connection(path: uploader.spool.path, mode: .readWrite)
        try uploader.append("whose?", to: "deleted")
        try uploader.append("one", to: "healthy")
        try sql.execute("DELETE FROM streams WHERE log_stream = 'deleted'")
        let wait = uploader.settle()
        #expect(uploader.service.sent.map(\.destination.logStream) == ["healthy"])
        #expect(uploader.loop.spoolError == nil && uploader.loop.isDenied)
        #expect(uploader.loop.troubles.values.map(\.failure.code) == ["UnknownStream"])
        #expect(wait == Backoff.denied.delay(failures: 1, fraction: 1))
        #expect(try uploader.loop.hasRecords() && uploader.inDoubtCount() == 0)
        // It is known again.
        try sql.execute("INSERT INTO streams (id, log_group, log_stream) VALUES (1, 'group', 'restored')")
        uploader.clock.advance(wait)
        uploader.settle()
        #expect(uploader.service.sent.map(\.destination.logStream) == ["healthy", "restored"])
    }

    @Test("Has nothing to do with another spool that has come into the place of its own")
    func anotherFile() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("spool.db")
        func append(_ text: String, to spool: Spool) throws {
            let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
            try Array(text.utf8).withUnsafeBufferPointer {
                _ = try spool.append(stream: stream, timestamp: WallClock.milliseconds(), message: $0)
            }
        }
        let old = try Spool(path: path)
        try append("here", to: old)
        for suffix in ["", "-wal", "-shm"] { try FileManager.default.removeItem(atPath: path + suffix) }
        let new = try Spool(path: path)
        try append("there", to: new)
        let lease = try #require(try UploadLease.acquire(old))
        let service = ScriptedDeliveryService()
        #expect(throws: SpoolError.self) { try UploadLoop(lease: lease, service: service, limits: BatchLimits(age: 0)) }
        #expect(service.sent.isEmpty)
        #expect(try SpoolStatus.read(path: path).pending == 1)
    }

    @Test("Keeps the log short while it ships a backlog")
    func logWhileShipping() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService())
        let stream = try uploader.spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        let time = uploader.clock.now.wall
        try [UInt8](repeating: 65, count: 400).withUnsafeBufferPointer { message in
            for _ in 0..<120 {
                let record = NewRecord(stream: stream, timestamp: time, message: message)
                try uploader.spool.append(Array(repeating: record, count: 1_000))
            }
        }
        uploader.loop.tidy { true }
        #expect(uploader.spool.walPages < 16)
        uploader.loop.wake()
        var longest = 0
        while try uploader.loop.hasRecords() {
            // Somebody logs, so that the records are deleted one by one.
            uploader.spool.lastAppend.store(MonotonicClock.nanoseconds(), ordering: .relaxed)
            _ = uploader.step()
            longest = max(longest, uploader.spool.walPages)
        }
        // The length at which it begins anew, and what a batch adds.
        #expect(longest < 4_096 + 1_024, "\(longest) pages")
        #expect(longest > 2_048, "\(longest) pages")
    }

    @Test("Notes what the service warns of, for status, though all goes well, and takes it back")
    func warning() throws {
        let uploader = try SteppedUploader(service: ScriptedDeliveryService())
        func lastError() throws -> String? { try SpoolStatus.read(path: uploader.spool.path).streams.first?.lastError }
        uploader.service.warn(of: "the credentials end soon")
        for text in ["one", "two"] {
            try uploader.append(text)
            // Nothing waits as it would after a failure.
            #expect(uploader.settle() == .max)
            #expect(try uploader.pendingCount() == 0)
            #expect(try lastError() == "the credentials end soon")
            #expect(uploader.loop.troubles.isEmpty)
        }
        try uploader.restart()
        uploader.service.warn(of: nil)
        try uploader.append("three")
        #expect(uploader.settle() == .max)
        #expect(try lastError() == nil)
        #expect(uploader.service.sent.count == 3)
    }
}
