import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import Logbeam
@testable import LogbeamSpool

@Suite("An uploader")
struct UploaderTests {
    private static func uploader(
        of spool: LiveSpool,
        by service: (any DeliveryService)?,
        _ mailbox: Mailbox = Mailbox(),
        tell: @escaping @Sendable (String) -> Void = { _ in }
    ) -> Uploader {
        Uploader(
            spool: spool,
            mailbox: mailbox,
            service: service,
            limits: BatchLimits(age: 0),
            losses: Losses(),
            tell: tell
        )
    }

    @Test("moves what it could not move when it began, and ships that too, while it goes on uploading")
    func movesLater() async throws {
        let directory = try TemporaryDirectory()
        let spool = try LiveSpool(
            path: directory.file("spool.db"),
            options: .init(commitTimeout: .milliseconds(20)),
            lookInterval: .zero,
            report: { _ in }
        )
        let stream = LiveStream(SpoolFixture.destination)
        func log(_ text: String) throws {
            _ = try Array(text.utf8).withUnsafeBufferPointer {
                try spool.append(to: stream, timestamp: WallClock.milliseconds(), message: $0)
            }
        }
        try log("before")
        // A thread is at work in the old file for long.
        let old = spool.current
        old.users.add(1, ordering: .relaxed)
        try FileManager.default.removeItem(atPath: spool.path)
        try log("after")
        let service = ScriptedDeliveryService()
        let uploader = Self.uploader(of: spool, by: service)
        try uploader.start()
        #expect(try await onOwnThread { service.waitForBatches(1) })
        #expect(service.sent.map(\.texts) == [["after"]])
        old.users.subtract(1, ordering: .relaxed)
        #expect(try await onOwnThread { service.waitForBatches(2) })
        #expect(service.sent.map(\.texts) == [["after"], ["before"]])
        await uploader.stop()
    }

    @Test("gives records of a deleted file a new one at its end, or tells how many are lost", arguments: [false, true])
    func nameless(isBlocked: Bool) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("spool.db")
        let spool = try LiveSpool(path: path, lookInterval: .seconds(3_600), report: { _ in })
        let stream = LiveStream(SpoolFixture.destination)
        for _ in 0..<2 {
            _ = try Array("record".utf8).withUnsafeBufferPointer {
                try spool.append(to: stream, timestamp: WallClock.milliseconds(), message: $0)
            }
        }
        for suffix in ["", "-wal", "-shm"] { unlink(spool.path + suffix) }
        if isBlocked { #expect(mkdir(spool.path, 0o700) == 0) }
        let told = Mutex<[String]>([])
        let uploader = Self.uploader(of: spool, by: nil, tell: { line in told.withLock { $0.append(line) } })
        try uploader.start()
        await uploader.stop()
        let lines = told.withLock { $0 }
        if isBlocked {
            #expect(lines.count == 1)
            #expect(lines.first?.hasPrefix("2 records are lost with this process: ") == true, "\(lines)")
        } else {
            #expect(lines == [])
            #expect(try Connection(path: path, mode: .readOnly).integer("SELECT count(*) FROM records") == 2)
        }
    }

    @Test("sends nothing because of a record of an upload, though it is read before its thread could say what it is")
    func quietRecords() async throws {
        let directory = try TemporaryDirectory()
        let spool = try LiveSpool(path: directory.file("spool.db"), lookInterval: .zero, report: { _ in })
        let (service, mailbox) = (ScriptedDeliveryService(), Mailbox())
        let uploader = Self.uploader(of: spool, by: service, mailbox)
        try uploader.start()
        @Sendable func append(_ text: String, to stream: String) throws -> Int64 {
            try Array(text.utf8).withUnsafeBufferPointer { message in
                try spool.append(
                    to: LiveStream(Destination(logGroup: "group", logStream: stream)),
                    timestamp: WallClock.milliseconds(),
                    message: message
                ).id
            }
        }
        try await onOwnThread {
            try mailbox.appendQuietly {
                let id = try append("caused", to: "one")
                mailbox.wakeUp()
                // Time enough to read and to send it, more than once.
                #expect(!service.waitForBatches(1, within: .milliseconds(300)))
                return (id, ())
            }
        }
        _ = try append("other", to: "two")
        mailbox.wakeUp()
        #expect(try await onOwnThread { service.waitForBatches(1) })
        #expect(try await onOwnThread { uploader.requestFlush().wait(until: nil) } == true)
        #expect(service.sent.map(\.texts) == [["other"], ["caused"]])
        await uploader.stop()
    }

    #if canImport(Glibc)
    @Test("sends on threads that are nicer than its own, which is as nice as those that log")
    func modestSenders() async throws {
        let directory = try TemporaryDirectory()
        let spool = try LiveSpool(path: directory.file("spool.db"), lookInterval: .zero, report: { _ in })
        try Array("record".utf8).withUnsafeBufferPointer { message in
            _ = try spool.append(
                to: LiveStream(SpoolFixture.destination),
                timestamp: WallClock.milliseconds(),
                message: message
            )
        }
        let sender = Monitor<Int32?>(nil)
        let service = ScriptedDeliveryService { _, _ in
            sender.withLock { $0 = niceness() }
            return .accepted(.none)
        }
        let mailbox = Mailbox()
        let uploader = Self.uploader(of: spool, by: service, mailbox)
        // Told on the uploader's own thread.
        let own = Monitor<Int32?>(nil)
        mailbox.flush { _ in own.withLock { $0 = niceness() } }
        try uploader.start()
        let mine = niceness()
        #expect(try await onOwnThread { own.wait(within: patience) { $0 } } == mine)
        #expect(sender.withLock { $0 } == min(mine + 10, 19))
        await uploader.stop()
    }
    #endif

    @Test(
        "takes in the journals of processes that have died meanwhile, whether it ships or not",
        arguments: [true, false]
    )
    func journals(ships: Bool) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("spool.db")
        let spool = try LiveSpool(path: path, lookInterval: .zero, report: { _ in })
        let service = ScriptedDeliveryService()
        let uploader = Self.uploader(of: spool, by: ships ? service : nil)
        try uploader.start()
        let stream = LiveStream(SpoolFixture.destination)
        let journal = try Journal(spool: spool)
        try Array("record".utf8).withUnsafeBufferPointer { message in
            let time = WallClock.milliseconds()
            // When this is sent, all is opened that takes in what it finds when it is opened.
            try spool.append(to: stream, timestamp: time, message: message)
            #expect(try journal.append(to: stream, timestamp: time, message: message))
        }
        if ships { #expect(try await onOwnThread { service.waitForBatches(1) }) }
        // What is left of a journal when its process is killed.
        let left = path + JournalFile.infix + "00000000000000aa"
        let copy = directory.file("copy")
        try FileManager.default.copyItem(atPath: journal.path, toPath: copy)
        unlink(journal.path)
        // Whole, or the uploader may take in half of it.
        try FileManager.default.moveItem(atPath: copy, toPath: left)
        if ships {
            #expect(try await onOwnThread { service.waitForBatches(2) })
            #expect(service.sent.map(\.texts) == [["record"], ["record"]])
        } else {
            // It goes after its record is on the disk.
            try await waitUntil("the end of the journal") { !FileManager.default.fileExists(atPath: left) }
            #expect(try Connection(path: path, mode: .readOnly).integer("SELECT count(*) FROM records") == 2)
        }
        #expect(!FileManager.default.fileExists(atPath: left))
        await uploader.stop()
        withExtendedLifetime(journal) {}
    }
}
