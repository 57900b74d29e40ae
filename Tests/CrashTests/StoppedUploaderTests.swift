import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

/// Stopped as by SIGSTOP, or with a container that is frozen: the kernel does not free the lock of a process that lives.
@Suite("An uploader that is stopped has a successor, and when it wakes up", .serialized)
struct StoppedUploaderTests {
    private static let keys = ["A", "B"].map { AccessKey(identifier: "AKID\($0)", secret: "example") }
    private static let settings = [
        "BUFFER_MS": "2", "BATCH_COUNT": "20", "IN_FLIGHT": "2", "LAPSE_MS": "1000", "COMMIT_MS": "60000",
        // Long after the test is over: so the service does nothing but upload.
        "EXIT_FLUSH_MS": "3600000",
    ]

    #if os(Linux)
    @Test(
        "it deletes nothing and sends nothing: twice comes what was on its way, and when the successor dies it goes on",
        arguments: [
            [.taken, .taken], [.taken, .takenLater], [.takenLater, .lost], [.lost, .taken],
        ] as [[RequestGuard.Fate]]
    )
    func stopped(fates: [RequestGuard.Fate]) async throws {
        try await onOwnThread {
            let bed = try TestBed(accessKeys: Self.keys)
            let entrance = Entrance(fates: fates)
            defer { entrance.open() }
            bed.endpoint.setScript { entrance.fault(for: $0) }

            // It sends what it has logged when it is at its end: a batch for each stream.
            let first = try bed.startService(
                logging: 200,
                threads: 2,
                settings: Self.settings.merging(Self.keys[0].environment) { $1 }.merging(
                    ["STREAMS": "2", "BUFFER_MS": "3600000", "BATCH_COUNT": "10000"]
                ) { $1 }
            )
            #expect(entrance.gates.allSatisfy { $0.waitForArrivals() })
            try first.waitForLines(200)
            let inDoubt = try bed.deliveries().sorted { $0.messages[0].last ?? "0" < $1.messages[0].last ?? "0" }
            try #require(inDoubt.count == 2)
            try first.stop(outsideOfWritesTo: bed.spool)

            let second = try bed.startService(
                logging: 100,
                from: 1_001,
                settings: Self.settings.merging(Self.keys[1].environment) { $1 }
            )
            // It ships all of the one stream, with the batch that was in doubt; that of the other is on its way again.
            #expect(entrance.secondTry.waitForArrivals())
            try second.waitForLines(100)
            #expect(try eventually { try bed.query("SELECT 1 FROM pending WHERE log_stream = 'stream'").isEmpty })
            #expect(try eventually { try bed.deliveries().count == 1 })
            #expect(UploadLease.holder(spool: bed.spool)?.processID == second.processIdentifier)
            let delivered = try bed.query("SELECT value FROM counters WHERE name = 'delivered'")

            let taken = bed.endpoint.records.acceptedCount
            for gate in entrance.gates { gate.open() }
            let takenLater = zip(inDoubt, fates).reduce(0) { $0 + ($1.1 == .takenLater ? $1.0.messages.count : 0) }
            #expect(bed.endpoint.wait { $0.acceptedCount == taken + takenLater })
            #expect(first.hasOpen(bed.spool + "-uploader (deleted)"))
            first.kill(SIGCONT)
            #expect(eventually { !first.hasOpen(bed.spool + "-uploader (deleted)") }, "it has noticed")
            // Both of its batches were answered, or failed. It draws no consequence.
            let left = try bed.deliveries()
            #expect(left.map(\.messages) == [inDoubt[1].messages] && left.allSatisfy { !$0.isAcknowledged })
            #expect(try bed.query("SELECT value FROM counters WHERE name = 'delivered'") == delivered)
            #expect(entrance.count(of: Self.keys[0]) == 2)
            #expect(UploadLease.holder(spool: bed.spool)?.processID == second.processIdentifier)

            second.kill(SIGKILL)
            _ = try second.wait()
            entrance.secondTry.open()
            #expect(try first.wait().exitCode == 0, "it has become the uploader again, and has sent all that it logged")
            try bed.drain(identity: Self.keys[1].environment)
            #expect(try bed.pending().isEmpty && bed.deliveries().isEmpty)
            let counts = ["stream", "stream-2"].flatMap { bed.shipped(to: $0) }.reduce(into: [:]) {
                $0[$1, default: 0] += 1
            }
            #expect(Set(counts.keys) == Set(TestBed.logged(by: first) + TestBed.logged(by: second)))
            let doubtful = zip(inDoubt, fates).flatMap { $1 == .lost ? [] : $0.messages }
            #expect(Set(counts.filter { $1 > 1 }.keys) == Set(doubtful))
            #expect(counts.values.allSatisfy { $0 <= 2 })
            #expect(try bed.query("SELECT value FROM counters WHERE name = 'delivered'") == ["\(counts.count)"])
            #expect(bed.endpoint.records.refusals.isEmpty)
        }
    }

    /// What becomes of the requests: the first two of the first service, one for each stream, are held until it has been
    /// superseded, and what the successor sends of the second stream never arrives.
    private final class Entrance: Sendable {
        private let fates: [RequestGuard.Fate]
        private let counts = Monitor<[String: Int]>([:])
        let gates = [Gate(), Gate()]
        let secondTry = Gate()

        init(fates: [RequestGuard.Fate]) { self.fates = fates }

        func open() { for gate in gates + [secondTry] { gate.open() } }

        /// The requests of a key that were for a batch.
        func count(of key: AccessKey) -> Int { counts.withLock { $0[key.identifier, default: 0] } }

        func fault(for info: RequestInfo) -> Fault? {
            guard info.operation == .putLogEvents, let destination = info.destination else { return nil }
            let key = keys.first { info.headers["authorization"]?.contains("Credential=\($0.identifier)/") == true }
            guard let key else { return nil }
            let number = counts.withLock { counts in
                counts[key.identifier, default: 0] += 1
                return counts[key.identifier, default: 0]
            }
            let stream = destination.logStream == "stream" ? 0 : 1
            if key == keys[0] {
                guard number <= 2 else { return nil }
                switch fates[stream] {
                case .taken: return .hangAfterAccepting(gates[stream])
                case .takenLater: return .hangBeforeAccepting(gates[stream])
                case .lost:
                    gates[stream].pass()
                    return .resetBeforeAccepting
                }
            }
            guard stream == 1 else { return nil }
            secondTry.pass()
            return .resetBeforeAccepting
        }
    }
    #endif

    @Test("drain --take-over ships beside a service, which stands by meanwhile and uploads again afterwards")
    func takenOver() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            try bed.installWitness()
            let service = try bed.startService(settings: ["BUFFER_MS": "2", "PAUSE_US": "2000", "EXIT_FLUSH_MS": "0"])
            for round in 1...3 {
                let shipped = bed.endpoint.records.acceptedCount
                #expect(bed.endpoint.wait { $0.acceptedCount > shipped })
                #expect(eventually { UploadLease.holder(spool: bed.spool)?.processID == service.processIdentifier })
                let drain = try bed.startDrain(["--take-over"])
                #expect(try drain.wait().exitCode == 0, "\(drain.text(.standardError))")
                let epoch = try bed.query("SELECT value FROM counters WHERE name = 'lease_epoch'").first.flatMap {
                    Int($0)
                }
                #expect(try #require(epoch) >= 2 * round)
            }
            #expect(eventually { UploadLease.holder(spool: bed.spool)?.processID == service.processIdentifier })
            service.kill(SIGKILL)
            _ = try service.wait()
            try bed.drain()
            try bed.expectTwiceOnlyWhatWasInDoubt(logged: TestBed.logged(by: service))
        }
    }
}
