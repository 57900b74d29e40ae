import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

// One after the other: so each service has the processors to itself, and is killed at work and not while it waits for them.
@Suite("A service that is killed loses nothing that it had logged", .serialized)
struct KillTests {
    /// One spool: its services are killed one after the other, each at a moment of its own.
    struct Plan: Sendable, CustomTestStringConvertible {
        var seed: UInt64
        var kills: Int
        var signal = SIGKILL
        var usesJournal = false

        var testDescription: String {
            "seed \(seed), \(kills) times signal \(signal)" + (usesJournal ? ", with a journal" : "")
        }
    }

    /// 92 kills: 24 of a first service, 30 in rows, 6 by the signal that a service manager sends first, and 32 with a
    /// journal.
    static let plans =
        (1...24).map { Plan(seed: $0, kills: 1) } + (25...30).map { Plan(seed: $0, kills: 5) }
        + [Plan(seed: 31, kills: 6, signal: SIGTERM)]
        + (32...43).map { Plan(seed: $0, kills: 1, usesJournal: true) }
        + (44...47).map { Plan(seed: $0, kills: 5, usesJournal: true) }

    /// Small batches, sent as soon as there is something: a delivery is under way nearly all the time.
    private static let busy = ["BUFFER_MS": "2", "BATCH_COUNT": "50"]
    private static let threads = 4

    @Test("killed at any moment: all that was logged arrives, and twice only what was in doubt", arguments: plans)
    func killed(_ plan: Plan) async throws {
        try await onOwnThread {
            var random = SeededGenerator(seed: plan.seed)
            let bed = try TestBed()
            var logged: [String] = []
            var doubts: [String: Int] = [:]
            for kill in 0..<plan.kills {
                let service = try bed.startService(
                    from: kill * 1_000_000 + 1,
                    threads: Self.threads,
                    settings: Self.busy.merging(plan.usesJournal ? ["JOURNAL": "1"] : [:]) { $1 }
                )
                try Self.kill(service, plan.signal, at: &random)
                logged += TestBed.logged(by: service)
                guard bed.hasSpool else { continue }
                for message in try bed.inDoubt() { doubts[message, default: 0] += 1 }
                if plan.usesJournal {
                    // Now and then the next service is the first to open the spool: it takes in the journal as well.
                    if kill < plan.kills - 1, Bool.random(using: &random) { continue }
                    #expect(try SpoolStatus.read(path: bed.spool).journals == [])
                    #expect(try bed.journals() == [])
                }

                #expect(try bed.query("PRAGMA integrity_check") == ["ok"])
                let kept = Set(try bed.pending()).union(bed.shipped())
                #expect(Set(logged).subtracting(kept).isEmpty, "logged, and nowhere to be found")
                #expect(try bed.query("SELECT 1 FROM deliveries WHERE acknowledged = 0").count <= 2)
            }
            guard bed.hasSpool else { return #expect(logged.isEmpty) }

            try bed.drain()
            #expect(try bed.pending().isEmpty)
            #expect(try bed.query("PRAGMA integrity_check") == ["ok"])
            try Self.expectArrived(logged, at: bed, doubts: doubts, kills: plan.kills)
        }
    }

    @Test("a batch whose answer was never seen comes twice, as the same batch, and nothing else does")
    func unansweredBatch() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let gate = Gate()
            bed.endpoint.setScript { $0.number == 3 ? .hangAfterAccepting(gate) : nil }
            let settings = Self.busy.merging(["IN_FLIGHT": "1"]) { $1 }
            let service = try bed.startService(threads: Self.threads, settings: settings)
            #expect(gate.waitForArrivals())
            try service.waitForLines(1_000)
            service.kill(SIGKILL)
            _ = try service.wait()

            let doubtful = try #require(bed.endpoint.records.requests.last?.events.map(\.message))
            #expect(try bed.inDoubt().sorted() == doubtful.sorted())
            try bed.drain()
            let doubts = Dictionary(uniqueKeysWithValues: doubtful.map { ($0, 1) })
            try Self.expectArrived(TestBed.logged(by: service), at: bed, doubts: doubts, kills: 1)
            #expect(bed.endpoint.records.requests.dropFirst(3).contains { $0.events.map(\.message) == doubtful })
            #expect(bed.shipped().count == Set(bed.shipped()).count + doubtful.count)
        }
    }

    @Test(
        "killed while a batch is deleted that was acknowledged: no part of it comes twice",
        arguments: 1...8 as ClosedRange<UInt64>
    )
    func deletion(seed: UInt64) async throws {
        try await onOwnThread {
            var random = SeededGenerator(seed: seed)
            let bed = try TestBed()
            // A full batch of 10,000, which is deleted in slices.
            let service = try bed.startService(
                logging: 12_000,
                threads: Self.threads,
                settings: ["BUFFER_MS": "3600000", "EXIT_FLUSH_MS": "60000"]
            )
            #expect(bed.endpoint.wait { $0.acceptedCount >= 10_000 })
            usleep(.random(in: 0...20_000, using: &random))
            service.kill(SIGKILL)
            _ = try service.wait()

            let inDoubt = try bed.inDoubt()
            try bed.drain()
            let doubts = Dictionary(uniqueKeysWithValues: inDoubt.map { ($0, 1) })
            try Self.expectArrived(TestBed.logged(by: service), at: bed, doubts: doubts, kills: 1)
        }
    }

    @Test(
        "a drain that is killed loses nothing either, and the next one ends its work",
        arguments: 1...4 as ClosedRange<UInt64>
    )
    func killedDrain(seed: UInt64) async throws {
        try await onOwnThread {
            var random = SeededGenerator(seed: seed)
            let bed = try TestBed()
            let service = try bed.startService(logging: 12_000, settings: TestBed.cutOff)
            #expect(try service.wait().exitCode == 0)
            #expect(bed.endpoint.records.requests.isEmpty)

            let drain = try bed.startDrain()
            let requests = Int.random(in: 1...2, using: &random)
            #expect(bed.endpoint.wait { $0.requests.count >= requests })
            usleep(.random(in: 0...20_000, using: &random))
            drain.kill(SIGKILL)
            _ = try drain.wait()

            let doubtful = try bed.inDoubt()
            try bed.drain()
            let doubts = Dictionary(uniqueKeysWithValues: doubtful.map { ($0, 1) })
            try Self.expectArrived(TestBed.logged(by: service), at: bed, doubts: doubts, kills: 0)
        }
    }

    @Test("where two services share a spool, the other ships on when the one that ships is killed")
    func takeover() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let first = try bed.startService(into: "first", settings: Self.busy)
            #expect(bed.endpoint.wait { !$0.requests.isEmpty })
            #expect(UploadLease.holder(spool: bed.spool)?.processID == first.processIdentifier)
            let second = try bed.startService(
                logging: 3_000,
                into: "second",
                settings: Self.busy.merging(["EXIT_FLUSH_MS": "60000"]) { $1 }
            )
            try second.waitForLines(500)
            first.kill(SIGKILL)
            _ = try first.wait()
            #expect(try second.wait().exitCode == 0)

            #expect(try bed.pending().isEmpty)
            #expect(Set(bed.shipped(to: "first")).isSuperset(of: TestBed.logged(by: first)))
            #expect(Set(bed.shipped(to: "second")).isSuperset(of: TestBed.logged(by: second)))
            // Two requests at most were on their way, and sent twice.
            var requests: [String: [Int]] = [:]
            for name in ["first", "second"] {
                for event in bed.endpoint.records.events(in: .init(logGroup: "group", logStream: name)) {
                    requests[name + event.message, default: []].append(event.request)
                }
            }
            #expect(Set(requests.values.filter { $0.count > 1 }).count <= 2)
        }
    }

    /// Kills at a moment that the number of its reports determines, and a little later; one time in five at its start.
    private static func kill(_ service: ChildProcess, _ signal: Int32, at random: inout SeededGenerator) throws {
        if Int.random(in: 0..<5, using: &random) == 0 {
            usleep(.random(in: 0...20_000, using: &random))
        } else {
            try service.waitForLines(.random(in: 1...1_500, using: &random))
            usleep(.random(in: 0...3_000, using: &random))
        }
        service.kill(signal)
        #expect(try service.wait().signal == signal)
    }

    /// Expects every logged message at the endpoint, each once but for those in doubt, and each thread's in their order.
    ///
    /// - Parameters:
    ///   - doubts: how many kills left a message in doubt.
    ///   - kills: each may have come between the commit of a record and the report of it, once a thread.
    private static func expectArrived(_ logged: [String], at bed: TestBed, doubts: [String: Int], kills: Int) throws {
        let shipped = bed.shipped()
        let counts = shipped.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        #expect(Set(logged).subtracting(counts.keys).isEmpty, "logged, and never arrived")
        #expect(Set(counts.keys).subtracting(logged).count <= kills * threads, "arrived, and never logged")
        #expect(counts.filter { $1 > 1 + doubts[$0, default: 0] }.isEmpty, "arrived too often")
        #expect(try bed.query("SELECT value FROM counters WHERE name = 'delivered'") == ["\(counts.count)"])
        #expect(try bed.query("SELECT message FROM rejected").isEmpty)

        // Two batches that are on their way at once may arrive in any order; within each, threads keep theirs.
        for batch in Dictionary(grouping: bed.endpoint.records.events(in: TestBed.stream), by: \.request).values {
            let threads = Dictionary(grouping: batch.map(\.message), by: { $0.split(separator: "=").last })
            for (thread, messages) in threads {
                let numbers = messages.compactMap { $0.split(separator: " ").dropFirst(3).first.flatMap { Int($0) } }
                #expect(numbers.count == messages.count)
                #expect(numbers == numbers.sorted(), "out of order: thread \(thread ?? "")")
            }
        }
    }
}
