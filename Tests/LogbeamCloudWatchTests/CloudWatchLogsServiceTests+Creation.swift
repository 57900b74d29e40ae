import LogbeamAWS
import LogbeamCore
import Testing

@testable import LogbeamCloudWatch

/// Streams and groups that are missing.
extension CloudWatchLogsServiceTests {
    private static let missing = ScriptedTransport.Step.answer(400, #"{"__type":"ResourceNotFoundException"}"#)
    private static let exists = ScriptedTransport.Step.answer(400, #"{"__type":"ResourceAlreadyExistsException"}"#)
    private static let done = ScriptedTransport.Step.answer(200, "")

    @Test("creates the stream alone where its group exists")
    func createStream() {
        for answer in [Self.done, Self.exists] {
            let transport = ScriptedTransport(answer)
            #expect(service(transport).create(destination) == .accepted(.none))
            #expect(transport.operations == ["CreateLogStream"])
        }
    }

    @Test("creates the group where it is missing, and the stream again, whoever was faster")
    func createGroup() {
        for (group, stream) in [(Self.done, Self.done), (Self.exists, Self.done), (Self.exists, Self.exists)] {
            let transport = ScriptedTransport(Self.missing, group, stream)
            #expect(service(transport).create(destination) == .accepted(.none))
            #expect(transport.operations == ["CreateLogStream", "CreateLogGroup", "CreateLogStream"])
        }
    }

    @Test("says what stands in the way of creating")
    func createFails() {
        func outcome(_ steps: ScriptedTransport.Step...) -> (DeliveryOutcome, String?) {
            let transport =
                switch steps.count {
                case 1: ScriptedTransport(steps[0])
                case 2: ScriptedTransport(steps[0], steps[1])
                default: ScriptedTransport(steps[0], steps[1], steps[2])
                }
            let outcome = service(transport).create(destination)
            return (outcome, outcome.failure?.code)
        }
        func answer(_ code: String) -> ScriptedTransport.Step { .answer(400, "{\"__type\":\"\(code)\"}") }
        func expect(_ result: (DeliveryOutcome, String?), transient code: String) {
            if case .transient = result.0, result.1 == code { return }
            Issue.record("\(result.0) is not transient with \(code)")
        }
        func expect(_ result: (DeliveryOutcome, String?), denied code: String) {
            if case .denied = result.0, result.1 == code { return }
            Issue.record("\(result.0) is not denied with \(code)")
        }
        expect(outcome(answer("AccessDeniedException")), denied: "AccessDeniedException")
        expect(outcome(Self.missing, answer("AccessDeniedException")), denied: "AccessDeniedException")
        expect(outcome(Self.missing, answer("OperationAbortedException")), transient: "OperationAbortedException")
        expect(outcome(Self.missing, .failure(.timeout)), transient: "Timeout")
        // Not `.invalid`: that would make the uploader give up events.
        expect(outcome(answer("InvalidParameterException")), denied: "InvalidParameterException")
        expect(outcome(Self.missing, Self.done, Self.missing), transient: "ResourceNotFoundException")
        expect(outcome(.answer(200, "<html>")), transient: "UnexpectedAnswer")
    }
}
