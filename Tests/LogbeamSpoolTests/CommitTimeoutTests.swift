import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Waiting for the write lock", .serialized, .onOwnThreads)
struct CommitTimeoutTests {
    /// Far more than any machine takes for a commit, far less than a wait without bound.
    private static let generous = Duration.seconds(20)

    @Test("ends with the commit timeout, not before, when another process keeps the lock")
    func anotherProcess() throws {
        let test = try TestSpool(commitTimeout: .milliseconds(300))
        let other = try Connection(path: test.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        let calls: [() throws -> Void] = [
            { try test.append() },
            { try test.appendGroups(1) },
            { _ = try test.spool.streamID(for: Destination(logGroup: "new", logStream: "new")) },
            { try test.spool.begin(test.range(1, 2)) },
        ]
        for call in calls {
            var error: SpoolError?
            let time = ContinuousClock().measure { error = spoolError(call) }
            #expect(error?.kind == .busy)
            #expect(time >= .milliseconds(300) && time < Self.generous)
        }
        try other.execute("COMMIT")
        // Nothing of it is left over.
        try test.append()
        #expect(try test.ids().count == 1)
        #expect(try test.ids("deliveries") == [])
    }

    @Test("ends with the commit timeout, not before, also where the disk is nearly full and the log can not be cut")
    func nearlyFullDisk() throws {
        let directory = try TemporaryDirectory()
        let isFull = Monitor(false)
        var options = Spool.Options(commitTimeout: .milliseconds(300))
        options.freeSpace = { _ in isFull.withLock { $0 } ? 0 : .max }
        let spool = try Spool(path: directory.file("spool.db"), options: options)
        let stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        // Leaves pages in the file that can be filled.
        let message = [UInt8](repeating: 65, count: 1 << 20)
        let appended = try (0..<2).map { _ in try spool.append(message, stream: stream) }
        let range = BatchRange(stream: stream, first: appended[0], last: appended[1], latest: .max)
        try spool.begin(range)
        try spool.acknowledgeAndFinish(range, refused: [], delivered: 2)
        isFull.withLock { $0 = true }
        let other = try Connection(path: spool.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        var error: SpoolError?
        let time = ContinuousClock().measure { error = spoolError { try spool.append("one", stream: stream) } }
        #expect(error?.kind == .busy)
        #expect(time >= .milliseconds(300) && time < Self.generous)
        try other.execute("COMMIT")
        try spool.append("two", stream: stream)
        #expect(try messages(in: spool.path) == ["two"])
    }

    @Test("is short while the uploader of another process deletes a large batch")
    func deletionElsewhere() throws {
        // What a service has by default.
        let test = try TestSpool(commitTimeout: .seconds(5))
        try test.appendGroups(100)
        let uploader = try exerciser("deliver", test.path)
        try uploader.waitForOutput { $0 == "begun\n" }
        // It has seen that others write as well.
        try test.append()
        uploader.closeInput()
        let reader = try Connection(path: test.path, mode: .readOnly)
        var appended = 1
        var oldest: Set<Int64> = []
        while uploader.text() != "begun\ndeleted\n" {
            let time = try ContinuousClock().measure { _ = try test.append() }
            try #require(time < Self.generous && appended < 1_000_000)
            appended += 1
            oldest.insert(try reader.integer("SELECT min(id) FROM records"))
        }
        #expect(try uploader.wait().exitCode == 0)
        // It takes 200 transactions, and others come in between: one for all would be seen before and after, and that
        // is two.
        #expect(oldest.count >= 5)
        #expect(try test.ids().count == appended)
    }

    @Test("ends with the commit timeout for each of many threads")
    func manyThreads() async throws {
        let test = try TestSpool(commitTimeout: .seconds(2))
        let other = try Connection(path: test.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        // One waits for SQLite's lock, the others for the lock of the process. If they waited one after the other for
        // the whole timeout, the last would wait for 40 seconds.
        let times = try await onThreads(20) { _ in
            ContinuousClock().measure { #expect(spoolError { try test.append() }?.kind == .busy) }
        }
        #expect(times.allSatisfy { $0 >= .seconds(2) && $0 < Self.generous })
        try other.execute("ROLLBACK")
        try test.append()
    }

    @Test("ends with the commit timeout when a thread of this process keeps the lock")
    func sameProcess() async throws {
        let test = try TestSpool(commitTimeout: .milliseconds(200))
        let isHeld = Gate()
        let mayEnd = Gate()
        async let holding: Void = onOwnThread {
            try test.spool.write { _ throws(SpoolError) in
                isHeld.open()
                mayEnd.pass()
            }
        }
        try await onOwnThread {
            isHeld.pass()
            let time = ContinuousClock().measure { #expect(spoolError { try test.append() }?.kind == .busy) }
            #expect(time >= .milliseconds(200) && time < Self.generous)
            mayEnd.open()
        }
        try await holding
        try test.append()
    }

    @Test("has the same bound while the uploader deletes a batch and another process takes the lock again and again")
    func amidEverything() async throws {
        let timeout = Duration.milliseconds(200)
        let test = try TestSpool(commitTimeout: timeout)
        try test.appendGroups(20)
        let batch = try test.ids()
        let range = test.range(batch[0], batch[batch.count - 1])
        try test.spool.begin(range)
        let progress = Monitor((timeouts: 0, isOver: false))
        async let appending = onThreads(4) { _ in
            var ids: [Int64] = []
            while !progress.withLock({ $0.isOver }) {
                let time = try ContinuousClock().measure {
                    do { ids.append(contentsOf: try test.append()) } catch let error as SpoolError {
                        #expect(error.kind == .busy)
                        progress.withLock { $0.timeouts += 1 }
                    }
                }
                #expect(time < Self.generous)
            }
            return ids
        }
        async let deleting: Void = onOwnThread {
            // As the uploader does where a call fails: again.
            while let error = spoolError({
                try test.spool.acknowledgeAndFinish(range, refused: [], delivered: batch.count)
            }) {
                guard error.kind == .busy else { throw error }
            }
        }
        try await onOwnThread {
            defer { progress.withLock { $0.isOver = true } }
            let other = try Connection(path: test.path, mode: .readWrite)
            other.setBusyDeadline(.max)
            for _ in 0..<5 {
                let before = progress.withLock { $0.timeouts }
                try other.transaction { () throws(SpoolError) in
                    #expect(progress.wait(within: patience) { $0.timeouts >= before + 4 ? true : nil } == true)
                }
            }
        }
        try await deleting
        let appended = try await appending.flatMap { $0 }
        #expect(!appended.isEmpty)
        #expect(try test.ids() == appended.sorted())
    }

    @Test("succeeds when the lock comes free in time")
    func released() async throws {
        let test = try TestSpool(commitTimeout: .seconds(60))
        let other = try Connection(path: test.path, mode: .readWrite)
        try other.execute("BEGIN IMMEDIATE")
        async let ids = onThreads(4) { _ in try test.append(10) }
        // One waits for SQLite's lock, the others for that one.
        #expect(eventually { test.spool.queue.waitingRecords == 3 })
        #expect(try test.ids() == [])
        try other.execute("COMMIT")
        #expect(try await ids.flatMap { $0 }.sorted() == test.ids())
    }

    @Test("does not wait for readers")
    func readers() throws {
        let test = try TestSpool(commitTimeout: .milliseconds(200))
        try test.append()
        let other = try Connection(path: test.path, mode: .readOnly)
        try other.execute("BEGIN")
        #expect(try other.integer("SELECT count(*) FROM records") == 1)
        try test.append(5)
        #expect(try other.integer("SELECT count(*) FROM records") == 1)
        #expect(try test.ids().count == 6)
    }

    @Test(
        "pauses for microseconds at first and never for more than two milliseconds",
        arguments: [(0, 20), (1, 40), (2, 80), (6, 1_280), (7, 2_000), (1_000_000, 2_000)] as [(Int, UInt64)]
    )
    func pauses(attempt: Int, microseconds: UInt64) {
        #expect(BusyPolicy.wait(attempt: attempt) == microseconds * 1_000)
    }
}
