import LogbeamCore
import Synchronization
import Testing

@testable import LogbeamCloudWatch

@Suite("Destination creator")
struct DestinationCreatorTests {
    private let destination = Destination(logGroup: "group", logStream: "stream")
    private static let failure = DeliveryFailure(code: "Code", message: "why")
    private static let missing = CreationAnswer.failed(.destinationMissing(failure))

    /// Gives the answers it was made with, each kind in its order, and keeps the names of the calls.
    private final class Calls: CreationCalls, Sendable {
        private struct State {
            var streams: ArraySlice<CreationAnswer>
            var group: CreationAnswer
            var retentions: ArraySlice<DeliveryOutcome>
            var names: [String] = []
        }
        private let state: Mutex<State>

        init(
            streams: [CreationAnswer],
            group: CreationAnswer = .created,
            retentions: [DeliveryOutcome] = []
        ) {
            state = Mutex(State(streams: streams[...], group: group, retentions: retentions[...]))
        }

        var names: [String] { state.withLock { $0.names } }

        func createLogStream(_ destination: Destination) -> CreationAnswer {
            state.withLock {
                $0.names.append("stream")
                return $0.streams.popFirst() ?? .created
            }
        }

        func createLogGroup(_ name: String, _ settings: CreationSettings) -> CreationAnswer {
            state.withLock {
                $0.names.append("group")
                return $0.group
            }
        }

        func putRetentionPolicy(_ logGroup: String, days: Int) -> DeliveryOutcome {
            state.withLock {
                $0.names.append("\(days) days")
                return $0.retentions.popFirst() ?? .accepted(.none)
            }
        }
    }

    private final class Reports: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    private func creator(
        _ reports: Reports = Reports(),
        _ change: (inout CreationSettings) -> Void = { _ in }
    ) -> DestinationCreator {
        var settings = CreationSettings()
        settings.retentionDays = 30
        change(&settings)
        return DestinationCreator(settings) { reports.add($0) }
    }

    @Test("sets the retention of the group that it has created, and of no other")
    func retention() {
        let existing = Calls(streams: [.created])
        #expect(creator().create(destination, by: existing) == .accepted(.none))
        #expect(existing.names == ["stream"])

        let overtaken = Calls(streams: [Self.missing], group: .existed)
        #expect(creator().create(destination, by: overtaken) == .accepted(.none))
        #expect(overtaken.names == ["stream", "group", "stream"])

        let fresh = Calls(streams: [Self.missing])
        let creator = creator()
        #expect(creator.create(destination, by: fresh) == .accepted(.none))
        creator.setOwedRetention(ofLogGroup: "group", by: fresh)
        #expect(fresh.names == ["stream", "group", "30 days", "stream"])

        let forever = Calls(streams: [Self.missing])
        #expect(self.creator { $0.retentionDays = nil }.create(destination, by: forever) == .accepted(.none))
        #expect(forever.names == ["stream", "group", "stream"])
    }

    @Test("sets the retention of the group whose creation was answered to nobody", arguments: [true, false])
    func lostAnswer(mayHaveArrived: Bool) {
        let lost = DeliveryFailure(code: "Timeout", message: "", mayHaveArrived: mayHaveArrived)
        let calls = Calls(streams: [Self.missing], group: .failed(.transient(lost)))
        let creator = creator()
        #expect(creator.create(destination, by: calls) == .transient(lost))
        // The group was there, and so the batch has arrived.
        creator.setOwedRetention(ofLogGroup: "group", by: calls)
        #expect(calls.names == ["stream", "group"] + (mayHaveArrived ? ["30 days"] : []))
    }

    @Test("delivers although the retention fails, and tries it again after the next batches")
    func retentionLater() {
        let reports = Reports()
        let creator = creator(reports)
        let calls = Calls(
            streams: [Self.missing],
            retentions: [.transient(Self.failure), .destinationMissing(Self.failure), .accepted(.none)]
        )
        #expect(creator.create(destination, by: calls) == .accepted(.none))
        for group in ["group", "other", "group", "group"] { creator.setOwedRetention(ofLogGroup: group, by: calls) }
        #expect(calls.names == ["stream", "group", "30 days", "stream", "30 days", "30 days"])
        #expect(reports.all.isEmpty)
    }

    @Test("gives the retention up after five failures, or one refusal, and says so once")
    func retentionGivenUp() throws {
        let passing = Array(repeating: DeliveryOutcome.transient(Self.failure), count: 9)
        for (outcomes, attempts) in [(passing, 5), ([.denied(Self.failure)], 1), ([.invalid(Self.failure)], 1)] {
            let reports = Reports()
            let creator = creator(reports)
            let calls = Calls(streams: [Self.missing], retentions: outcomes)
            #expect(creator.create(destination, by: calls) == .accepted(.none))
            for _ in 0..<9 { creator.setOwedRetention(ofLogGroup: "group", by: calls) }
            #expect(calls.names.filter { $0 == "30 days" }.count == attempts)
            let report = try #require(reports.all.first)
            #expect(reports.all.count == 1)
            #expect(report.contains("(Code: why)"))
            #expect(report.hasSuffix("put-retention-policy --log-group-name 'group' --retention-in-days 30"))
        }
    }

    @Test("creates no group, or nothing, where it may not, and says what to do")
    func creationTurnedOff() {
        func expect(_ outcome: DeliveryOutcome, denied words: String) {
            guard case .denied(let failure) = outcome, failure.message.contains(words) else {
                Issue.record("\(outcome)")
                return
            }
        }
        let calls = Calls(streams: [Self.missing])
        expect(
            creator { $0.createsLogGroup = false }.create(destination, by: calls),
            denied: "no log group group; create it, or set createsLogGroup to true"
        )
        #expect(calls.names == ["stream"])
        let existing = Calls(streams: [.created])
        #expect(creator { $0.createsLogGroup = false }.create(destination, by: existing) == .accepted(.none))
        let nothing = Calls(streams: [])
        expect(
            creator { $0.createsLogStream = false }.create(destination, by: nothing),
            denied: "no log stream stream in log group group; create it, or set createsLogStream to true"
        )
        #expect(nothing.names.isEmpty)
    }
}
