import Foundation
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
            bed.endpoint.create(TestBed.stream)
            let entrance = Entrance(fates: fates)
            bed.endpoint.setScript { entrance.fault(for: $0) }

            let first = try bed.startService(
                logging: 200,
                settings: Self.settings.merging(Self.keys[0].environment) { $1 }
            )
            #expect(entrance.gates.allSatisfy { $0.waitForArrivals() })
            try first.waitForLines(200)
            let inDoubt = try bed.deliveries()
            try #require(inDoubt.count == 2)
            try first.stop(outsideOfWritesTo: bed.spool)

            let second = try bed.startService(
                logging: 100,
                from: 1_001,
                settings: Self.settings.merging(Self.keys[1].environment) { $1 }
            )
            // The first of the two is sent again and is gone; the other is on its way again.
            #expect(entrance.secondTry.waitForArrivals())
            try second.waitForLines(100)
            #expect(try eventually { try bed.deliveries().count == 1 })
            #expect(UploadLease.holder(spool: bed.spool)?.processID == second.processIdentifier)

            for gate in entrance.gates { gate.open() }
            #expect(bed.endpoint.wait { $0.acceptedCount >= entrance.acceptedCount(inDoubt) })
            #expect(first.hasOpen(bed.spool + "-uploader (deleted)"))
            first.kill(SIGCONT)
            #expect(eventually { !first.hasOpen(bed.spool + "-uploader (deleted)") }, "it has noticed")
            // Both of its batches were answered, or failed. It draws no consequence.
            let left = try bed.deliveries()
            #expect(left.map(\.messages) == [inDoubt[1].messages] && left.allSatisfy { !$0.isAcknowledged })
            #expect(
                try bed.query("SELECT value FROM counters WHERE name = 'delivered'") == ["\(inDoubt[0].messages.count)"]
            )
            #expect(entrance.count(of: Self.keys[0]) == 2)
            #expect(UploadLease.holder(spool: bed.spool)?.processID == second.processIdentifier)

            second.kill(SIGKILL)
            _ = try second.wait()
            entrance.secondTry.open()
            #expect(try first.wait().exitCode == 0, "it has become the uploader again, and has sent all that was left")
            #expect(try bed.pending().isEmpty && bed.deliveries().isEmpty)
            let counts = bed.shipped().reduce(into: [:]) { $0[$1, default: 0] += 1 }
            #expect(Set(counts.keys) == Set(TestBed.logged(by: first) + TestBed.logged(by: second)))
            let doubtful = zip(inDoubt, fates).flatMap { $1 == .lost ? [] : $0.messages }
            #expect(Set(counts.filter { $1 > 1 }.keys) == Set(doubtful))
            #expect(counts.values.allSatisfy { $0 <= 2 })
            #expect(try bed.query("SELECT value FROM counters WHERE name = 'delivered'") == ["\(counts.count)"])
            #expect(bed.endpoint.records.refusals.isEmpty)
        }
    }

    /// What becomes of the requests: the first two of the first service, the older and the younger, are held until it has
    /// been superseded, and the successor's try of the younger one never arrives.
    private final class Entrance: Sendable {
        private struct State {
            var counts: [String: Int] = [:]
            var younger: [String] = []
        }

        private let fates: [RequestGuard.Fate]
        private let state = Monitor(State())
        let gates = [Gate(), Gate()]
        let secondTry = Gate()

        init(fates: [RequestGuard.Fate]) { self.fates = fates }

        func count(of key: AccessKey) -> Int { state.withLock { $0.counts[key.identifier, default: 0] } }

        /// How many events the endpoint has taken when the gates are open and the successor has sent the older batch again.
        func acceptedCount(_ inDoubt: [TestBed.Delivery]) -> Int {
            inDoubt[0].messages.count + zip(inDoubt, fates).reduce(0) { $0 + ($1.1 == .lost ? 0 : $1.0.messages.count) }
        }

        func fault(for info: RequestInfo) -> Fault? {
            let messages = info.events.map(\.message)
            let key = keys.first { info.headers["authorization"]?.contains("Credential=\($0.identifier)/") == true }
            let isOlder = messages.contains { $0.hasPrefix("INFO demo: order 1 ") }
            let (number, isYounger) = state.withLock { state in
                let name = key?.identifier ?? ""
                state.counts[name, default: 0] += 1
                if key == keys[0], state.counts[name, default: 0] <= 2, !isOlder { state.younger = messages }
                return (state.counts[name, default: 0], messages == state.younger)
            }
            if key == keys[0] {
                guard number <= 2 else { return nil }
                let index = isOlder ? 0 : 1
                switch fates[index] {
                case .taken: return .hangAfterAccepting(gates[index])
                case .takenLater: return .hangBeforeAccepting(gates[index])
                case .lost:
                    gates[index].pass()
                    return .resetBeforeAccepting
                }
            }
            guard isYounger else { return nil }
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
