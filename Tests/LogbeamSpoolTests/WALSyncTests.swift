import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("A sync of the log by many threads", .onOwnThreads)
struct WALSyncTests {
    private let directory: TemporaryDirectory
    private let disk: TestDisk
    private let spool: Spool
    private let stream: Int64

    init() throws {
        directory = try TemporaryDirectory()
        disk = TestDisk(directory: directory.path)
        var options = Spool.Options(commitTimeout: .seconds(600))
        options.clock = { 0 }
        spool = try Spool(path: directory.file("spool.db"), options: options)
        stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        // The first one of all writes again what nobody knows of.
        try spool.sync()
    }

    private var syncs: Int { disk.events.count { if case .sync = $0 { true } else { false } } }

    @Test("is shared by those that wait for one, and fails for each of them if the disk does not take the log")
    func shared() async throws {
        for fails in [false, true] {
            let gate = Gate()
            disk.hold(.sync, at: gate)
            // The first one succeeds.
            if fails { disk.setFault(.init([.sync], first: 2, lasts: true, code: 10 | 4 << 8)) }
            let before = syncs
            async let first: Void = onOwnThread { try spool.sync() }
            #expect(try await onOwnThread { gate.waitForArrivals() })
            async let others = onThreads(8) { number in
                try spool.append("\(number)", stream: stream)
                return spoolError { try spool.sync() }
            }
            // They come while the first one is under way, which began before what they have appended.
            #expect(eventually { spool.walSync.lock.waiters.load(ordering: .relaxed) == 8 })
            gate.open()
            try await first
            let errors = try await others
            #expect(errors.allSatisfy { ($0?.kind == .failedIO) == fails }, "\(errors)")
            if !fails { #expect(syncs - before == 2) }
        }
        disk.setFault(nil)
        try spool.sync()
    }

    @Test("is that of the file that has the records, though another one, or none, is in its place", arguments: 0..<3)
    func otherFile(kind: Int) throws {
        let spool = try Spool(path: spool.path)
        if kind == 0 { try spool.sync() }
        try spool.append("one", stream: stream)
        for suffix in ["", "-wal", "-shm"] { rename(spool.path + suffix, spool.path + "-moved" + suffix) }
        let before = disk.events
        let written = before.compactMap { if case .write(let file, _, _) = $0 { file } else { nil } }
        if kind < 2 { _ = try Spool(path: spool.path) }
        try spool.sync()
        let synced = disk.events[before.count...].compactMap { if case .sync(let file) = $0 { file } else { nil } }
        #expect(synced.last == written.last)
    }

    @Test("is waited for until the commit timeout, and no longer")
    func timeout() async throws {
        let hasty = try Spool(path: spool.path, options: .init(commitTimeout: .milliseconds(200)))
        let gate = Gate()
        disk.hold(.sync, at: gate)
        async let first: Void = onOwnThread { try hasty.sync() }
        try await onOwnThread {
            #expect(gate.waitForArrivals())
            let time = ContinuousClock().measure { #expect(spoolError { try hasty.sync() }?.kind == .busy) }
            #expect(time >= .milliseconds(200))
            gate.open()
        }
        try await first
        try hasty.sync()
    }
}
