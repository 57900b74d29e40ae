import Foundation
import Logbeam
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// A spool whose file was deleted while a thread was at work in it, which stays there for as long as the test wants.
@Suite("An uploader that can not move what is pending in an old file", .onOwnThreads)
struct UnmovedRecordsTests {
    private let directory: TemporaryDirectory
    private let mailbox = Mailbox()
    private let stuck = Gate()
    private let stream = LiveStream(SpoolFixture.destination)

    init() throws {
        directory = try TemporaryDirectory()
    }

    private var path: String { directory.file("spool.db") }

    private func spool(commitTimeout: Duration) throws -> LiveSpool {
        try LiveSpool(
            path: path,
            options: .init(commitTimeout: commitTimeout),
            lookInterval: .zero,
            report: { _ in },
            onReplacement: { [mailbox] _ in mailbox.wakeUp() }
        )
    }

    private func log(_ text: String, to spool: LiveSpool) throws {
        let bytes = Array(text.utf8)
        _ = try bytes.withUnsafeBufferPointer {
            try spool.append(to: stream, timestamp: WallClock.milliseconds(), message: $0)
        }
    }

    /// Runs `body` with one record in the old file and one in the new, and a thread that does not leave the old one
    /// before the gate is opened.
    private func withStuckThread(_ spool: LiveSpool, _ body: () async throws -> Void) async throws {
        try log("before", to: spool)
        try spool.noteGap(Gap(stream: 0, reason: "disk full", records: 3, first: 1, last: 2), of: stream)
        async let thread: Void = onOwnThread { [stuck] in
            try spool.tellGaps { _ in
                stuck.pass()
                return []
            }
        }
        #expect(stuck.waitForArrivals())
        try FileManager.default.removeItem(atPath: path)
        try log("after", to: spool)
        #expect(spool.hasRetired)
        do {
            try await body()
        } catch {
            stuck.open()
            throw error
        }
        stuck.open()
        try await thread
    }

    private func withUploader(
        _ spool: LiveSpool,
        _ service: ScriptedDeliveryService,
        lapse: Duration = UploadLease.defaultLapse,
        _ body: (Uploader) async throws -> Void
    ) async throws {
        let uploader = Uploader(
            spool: spool,
            mailbox: mailbox,
            service: service,
            limits: BatchLimits(age: 0),
            lapse: lapse,
            losses: Losses()
        )
        async let run: Void = onOwnThread { uploader.run() }
        do {
            try await body(uploader)
        } catch {
            stuck.open()
            uploader.stop(waitingUntil: 0)
            throw error
        }
        stuck.open()
        uploader.stop(waitingUntil: 0)
        try await run
    }

    @Test("waits for an answer that takes longer than the time until it tries again")
    func slowAnswer() async throws {
        let spool = try spool(commitTimeout: .milliseconds(500))
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate)
        try await withStuckThread(spool) {
            try await withUploader(spool, service) { _ in
                #expect(gate.waitForArrivals())
                // Time enough to try again more than once.
                #expect(!service.waitForBatches(2, within: .seconds(5)))
                gate.open()
                try await waitUntil("it is acknowledged") {
                    let status = try SpoolStatus.read(path: path)
                    return status.pending == 0 && status.inDoubt == 0
                }
                #expect(spool.hasRetired)
                stuck.open()
                try await waitUntil("all is moved and sent") { service.sent.flatMap(\.texts).contains("before") }
                let sent = service.sent.flatMap(\.texts)
                #expect(sent.filter { !$0.hasPrefix("logbeam: ") } == ["after", "before"])
            }
        }
    }

    @Test("shows that it lives while it waits for a thread to leave the old file")
    func showsLife() async throws {
        let spool = try spool(commitTimeout: .seconds(600))
        let service = ScriptedDeliveryService()
        try await withStuckThread(spool) {
            try await withUploader(spool, service, lapse: .seconds(1)) { uploader in
                var sightings: [LeaseSighting] = []
                var turns: Set<Int64> = []
                try await waitUntil("signs of life") {
                    guard let sighting = UploadLease.sighting(path) else { return false }
                    if sighting != sightings.last { sightings.append(sighting) }
                    turns.insert(uploader.report.lastTurn)
                    return sightings.count > 5 && turns.count > 5
                }
                #expect(spool.hasRetired && service.sent.isEmpty)
                stuck.open()
                try await waitUntil("all is moved and sent") { service.sent.flatMap(\.texts).contains("before") }
            }
        }
    }
}
