import Foundation
import LogbeamTestSupport
import Testing

/// Services that are killed one after the other on one spool, and look before they send again.
@Suite("Where what is in doubt is looked for, kills and lost answers neither lose nor double a record", .serialized)
struct ReconcileStormTests {
    /// What is in doubt is looked for so long after it was sent, and the endpoint shows it earlier than that: this is what
    /// makes exactly once of at least once, and what the service does not promise.
    private static let reconcileMilliseconds = 200
    private static let readDelay = Duration.milliseconds(150)
    private static let threads = 4

    private static let settings = [
        "BUFFER_MS": "2", "BATCH_COUNT": "50", "PAUSE_US": "1000", "RECONCILE_MS": "\(reconcileMilliseconds)",
    ]

    struct Plan: Sendable, CustomTestStringConvertible {
        var seed: UInt64
        var inFlight: Int

        var testDescription: String { "seed \(seed), \(inFlight) in flight" }
    }

    static let plans = [Plan(seed: 1, inFlight: 1), Plan(seed: 2, inFlight: 3)]

    @Test("all that was logged arrives exactly once", arguments: plans)
    func storm(_ plan: Plan) async throws {
        try await onOwnThread {
            var random = SeededGenerator(seed: plan.seed)
            let bed = try TestBed(accessKeys: RequestGuard.accessKeys)
            bed.endpoint.create(TestBed.stream)
            bed.endpoint.setReadDelay(Self.readDelay)
            let entrance = RequestGuard(bed.endpoint)
            let settings = Self.settings.merging(["IN_FLIGHT": "\(plan.inFlight)"]) { $1 }
            var logged: [String] = []
            var takenInDoubt = 0
            for kill in 0..<StormKills.count {
                // A service that finds something in doubt looks for it first.
                let hasDoubt = bed.hasSpool ? try !bed.inDoubt().isEmpty : false
                let moment = Moment(isFirst: kill == 0, hasDoubt: hasDoubt, random: &random)
                let faults = Faults(seed: random.next())
                let identity = entrance.admitNext { number, info in moment.ruling(number, info) ?? faults.ruling(info) }
                let service = try bed.startService(
                    from: kill * 1_000_000 + 1,
                    threads: Self.threads,
                    settings: settings.merging(identity) { $1 }
                )
                if let lines = moment.lines {
                    try service.waitForLines(lines)
                } else {
                    #expect(entrance.waitForHeld(1))
                }
                service.kill(SIGKILL)
                #expect(try service.wait().signal == SIGKILL)
                #expect(entrance.close())
                logged += TestBed.logged(by: service)
                #expect(!service.text(.standardError).contains("not spooled"), "\(service.text(.standardError))")

                #expect(try bed.query("PRAGMA integrity_check") == ["ok"])
                takenInDoubt += Set(try bed.inDoubt()).intersection(bed.shipped()).count
            }

            let last = try bed.startService(
                logging: 0,
                settings: settings.merging(entrance.admitNext { _, _ in .pass }) { $1 }
                    .merging(["EXIT_FLUSH_MS": "60000"]) { $1 }
            )
            #expect(try last.wait().exitCode == 0)
            #expect(try bed.pending().isEmpty)
            #expect(try bed.inDoubt().isEmpty)

            let shipped = bed.shipped()
            let arrived = Set(shipped)
            #expect(Set(logged).subtracting(arrived).isEmpty, "logged, and never arrived")
            let counts = shipped.reduce(into: [:]) { $0[$1, default: 0] += 1 }
            #expect(counts.filter { $1 > 1 }.isEmpty, "arrived twice")
            // A kill may come between the commit of a record and the report of it, once a thread.
            #expect(arrived.subtracting(logged).count <= StormKills.count * Self.threads, "arrived, and never logged")
            #expect(try bed.query("SELECT value FROM counters WHERE name = 'delivered'") == ["\(arrived.count)"])
            #expect(try bed.query("SELECT message FROM rejected").isEmpty)
            #expect(bed.endpoint.records.refusals.isEmpty)
            // Without looking, each of these would have come twice.
            #expect(takenInDoubt > 0)
        }
    }

    /// When a service is killed.
    private struct Moment: Sendable {
        /// While this request of this operation is held, …
        private var held: (operation: LogsOperation, number: Int, fate: RequestGuard.Fate)?
        /// … or when it has reported so many records.
        private(set) var lines: Int?

        init(isFirst: Bool, hasDoubt: Bool, random: inout SeededGenerator) {
            // A batch of which the endpoint has all, and says nothing, is what matters most: the first is one.
            switch isFirst ? 4 : Int.random(in: 0..<10, using: &random) {
            case 0..<2: lines = .random(in: 1...400, using: &random)
            case 2..<4 where hasDoubt: held = (.getLogEvents, 1, .lost)
            case let dice:
                let fate = dice < 7 ? .taken : RequestGuard.Fate.allCases[dice - 7]
                held = (.putLogEvents, .random(in: 1...6, using: &random), fate)
            }
        }

        func ruling(_ number: Int, _ info: RequestInfo) -> RequestGuard.Ruling? {
            guard let held, held.operation == info.operation, held.number == number else { return nil }
            return .hold(held.fate)
        }
    }

    /// What goes wrong with the requests that are not held, as a seed determines.
    private struct Faults: Sendable {
        var seed: UInt64

        func ruling(_ info: RequestInfo) -> RequestGuard.Ruling {
            var random = SeededGenerator(seed: seed &+ UInt64(info.number))
            let dice = Int.random(in: 0..<100, using: &random)
            if info.operation == .getLogEvents {
                return switch dice {
                case 0..<8: .fault(.resetBeforeAccepting)
                case 8..<16: .fault(.status(400, errorType: "ThrottlingException"))
                case 16..<20: .fault(.truncatedAnswer)
                default: .pass
                }
            }
            return switch dice {
            case 0..<12: .fault(.resetAfterAccepting)
            case 12..<16: .fault(.resetBeforeAccepting)
            case 16..<20: .fault(.truncatedAnswer)
            case 20..<23: .fault(.nonJSONAnswer(status: 200, accepting: true))
            case 23..<26: .fault(.nonJSONAnswer(status: 502, accepting: Bool.random(using: &random)))
            case 26..<30: .fault(.status(503, errorType: "ServiceUnavailableException"))
            // As long as it takes to be looked for, counted from when it was sent and not from when the connection ended.
            case 30..<34: .lateFault(.resetAfterAccepting, microseconds: UInt32(reconcileMilliseconds) * 1_000)
            case 34..<38: .fault(.delay(.milliseconds(5)))
            default: .pass
            }
        }
    }
}
