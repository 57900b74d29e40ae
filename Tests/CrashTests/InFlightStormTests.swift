import Foundation
import LogbeamTestSupport
import Testing

/// Services that are killed one after the other on one spool, with up to four batches of three streams on their way.
@Suite("Kills with several batches in flight", .serialized)
struct InFlightStormTests {
    private static let inFlight = 4
    private static let streams = 3
    private static let threads = 6

    private static let settings = [
        "BUFFER_MS": "2", "BATCH_COUNT": "20", "PAUSE_US": "500", "IN_FLIGHT": "\(inFlight)", "STREAMS": "\(streams)",
    ]

    @Test(
        "nothing is lost, and twice comes only what stood in deliveries, as the batch that it was",
        arguments: [1, 2] as [UInt64]
    )
    func storm(seed: UInt64) async throws {
        try await onOwnThread {
            var random = SeededGenerator(seed: seed)
            let bed = try TestBed(accessKeys: RequestGuard.accessKeys)
            let entrance = RequestGuard(bed.endpoint)
            var logged: [String] = []
            var doubts = Doubts()
            for kill in 0..<StormKills.count {
                let held = kill == 0 ? Self.inFlight : .random(in: 0...Self.inFlight, using: &random)
                let passed = Int.random(in: 0...10, using: &random)
                let fates = (0..<held).map { _ in RequestGuard.Fate.allCases.randomElement(using: &random) ?? .taken }
                let identity = entrance.admitNext { number, _ in
                    let index = number - 1 - passed
                    return fates.indices.contains(index) ? .hold(fates[index]) : .pass
                }
                let service = try bed.startService(
                    from: kill * 1_000_000 + 1,
                    threads: Self.threads,
                    settings: Self.settings.merging(identity) { $1 }
                )
                if held > 0 {
                    #expect(entrance.waitForHeld(held))
                } else {
                    try service.waitForLines(.random(in: 1...600, using: &random))
                }
                service.kill(SIGKILL)
                #expect(try service.wait().signal == SIGKILL)
                #expect(entrance.close())
                logged += TestBed.logged(by: service)
                #expect(!service.text(.standardError).contains("not spooled"), "\(service.text(.standardError))")

                #expect(try bed.query("PRAGMA integrity_check") == ["ok"])
                let left = try bed.deliveries()
                let inDoubt = left.count { !$0.isAcknowledged }
                // On a machine that is too busy a request may time out. Its batch waits then, beside those on their way.
                if try bed.query("SELECT 1 FROM streams WHERE last_error IS NOT NULL").isEmpty {
                    #expect((held...Self.inFlight).contains(inDoubt))
                }
                doubts.note(left)
            }

            // It needs no setting to send again what it was.
            try bed.drain(identity: entrance.admitNext { _, _ in .pass })
            #expect(try bed.pending().isEmpty)
            #expect(try bed.deliveries().isEmpty)
            #expect(doubts.changed.isEmpty)
            #expect(doubts.requestsOfOtherBoundaries(bed.endpoint.records.requests).isEmpty)

            let names = (1...Self.streams).map { $0 == 1 ? "stream" : "stream-\($0)" }
            let counts = names.flatMap { bed.shipped(to: $0) }.reduce(into: [:]) { $0[$1, default: 0] += 1 }
            #expect(Set(logged).union(doubts.kills.keys).subtracting(counts.keys).isEmpty, "logged, and never arrived")
            #expect(!doubts.kills.isEmpty)
            #expect(counts.filter { $1 > 1 + doubts.kills[$0, default: 0] }.isEmpty, "arrived too often")
            // A kill may come between the commit of a record and the report of it, once a thread.
            #expect(Set(counts.keys).subtracting(logged).count <= StormKills.count * Self.threads)
            #expect(try bed.query("SELECT value FROM counters WHERE name = 'delivered'") == ["\(counts.count)"])
            #expect(bed.endpoint.records.refusals.isEmpty)
        }
    }

    /// The batches that stood in `deliveries` when a service had been killed.
    private struct Doubts {
        /// How many kills left a message in doubt.
        private(set) var kills: [String: Int] = [:]
        /// The batch in which a message stood, in the order in which it is sent.
        private var batches: [String: [String]] = [:]

        /// Batches that were noted otherwise than at an earlier kill.
        private(set) var changed: [TestBed.Delivery] = []

        mutating func note(_ deliveries: [TestBed.Delivery]) {
            for delivery in deliveries where !delivery.isAcknowledged {
                let isKnown = delivery.messages.contains { batches[$0] != nil }
                let isSame = delivery.messages.allSatisfy { batches[$0] == delivery.messages }
                if delivery.messages.isEmpty || isKnown && !isSame { changed.append(delivery) }
                for message in delivery.messages {
                    kills[message, default: 0] += 1
                    batches[message] = delivery.messages
                }
            }
        }

        /// The requests that hold a message of a batch in doubt, and not just that batch, before the kill or after it.
        func requestsOfOtherBoundaries(_ requests: [RequestInfo]) -> [Int] {
            requests.filter { request in
                let messages = request.events.map(\.message)
                return messages.contains { batches[$0] != nil } && !messages.allSatisfy { batches[$0] == messages }
            }.map(\.number)
        }
    }
}
