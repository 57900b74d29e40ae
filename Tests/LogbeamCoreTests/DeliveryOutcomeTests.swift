import LogbeamCore
import Testing

@Suite("DeliveryOutcome")
struct DeliveryOutcomeTests {
    @Test(
        "names what was refused: both ends exclusive, the start inclusive",
        arguments: [
            (RefusedEvents.none, [nil, nil, nil, nil]),
            (RefusedEvents(tooOldEnd: 0), [nil, nil, nil, nil]),
            (RefusedEvents(tooOldEnd: 2), [.tooOld, .tooOld, nil, nil]),
            (RefusedEvents(expiredEnd: 1), [.expired, nil, nil, nil]),
            (RefusedEvents(tooNewStart: 3), [nil, nil, nil, .tooNew]),
            (RefusedEvents(tooNewStart: 4), [nil, nil, nil, nil]),
            (RefusedEvents(tooNewStart: 0), [.tooNew, .tooNew, .tooNew, .tooNew]),
            // An event that expired may also be older than 14 days: the group's own rule is the better reason.
            (RefusedEvents(tooOldEnd: 2, expiredEnd: 1, tooNewStart: 3), [.expired, .tooOld, nil, .tooNew]),
            (RefusedEvents(tooOldEnd: 1, expiredEnd: 2), [.expired, .expired, nil, nil]),
            (RefusedEvents(tooOldEnd: 99, tooNewStart: -1), [.tooOld, .tooOld, .tooOld, .tooOld]),
        ] as [(RefusedEvents, [RejectionReason?])]
    )
    func refused(events: RefusedEvents, expected: [RejectionReason?]) {
        #expect((0..<4).map { events.reason(at: $0) } == expected)
    }

    @Test("says a failure with its code, and its message if it has one")
    func description() {
        #expect("\(DeliveryFailure(code: "ThrottlingException", message: ""))" == "ThrottlingException")
        #expect("\(DeliveryFailure(code: "Timeout", message: "no answer"))" == "Timeout: no answer")
    }
}
