import Foundation
import LogbeamAWS
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamCloudWatch

@Suite("Look-up of a batch")
struct LookUpTests {
    private let destination = Destination(logGroup: "group", logStream: "stream")

    @Test("finds what the service has, among the events of others, and no more of equal ones than there are")
    func finds() async throws {
        let endpoint = try LocalEndpoint(autoCreate: true)
        let service = CloudWatchLogsService(to: endpoint.url)
        let sent = EventBatch.now("a", "", "same", "same", "é", to: destination, offsets: [0, 1, 2, 2, 3])
        var asked = sent
        // Others wrote at the borders of the time, of which the end is not asked for.
        let others = EventBatch.now("x", "a", "y", to: destination, offsets: [-60_000, -50_000, 60_000])
        asked.append(id: 9, timestamp: sent.events[2].timestamp, message: "same".utf8)
        asked.append(id: 9, timestamp: sent.events[4].timestamp, message: "never sent".utf8)
        let batch = asked
        let outcome = try await onOwnThread {
            _ = (service.send(sent), service.send(others))
            return service.lookUp(batch)
        }
        #expect(outcome == .found([0, 1, 2, 3, 4]))
        #expect(endpoint.records.refusals.isEmpty)
    }

    @Test("finds nothing where the stream is missing, and does not ask for an empty batch")
    func missing() async throws {
        let endpoint = try LocalEndpoint()
        let service = CloudWatchLogsService(to: endpoint.url)
        let batch = EventBatch.now("a", to: destination)
        let empty = EventBatch(destination: destination)
        #expect(try await onOwnThread { service.lookUp(batch) } == .found([]))
        #expect(endpoint.records.requests.count == 1)
        #expect(service.lookUp(empty) == .found([]))
        #expect(endpoint.records.requests.count == 1)
    }

    @Test("does not find what is not shown yet, and finds it later")
    func readDelay() async throws {
        let clock = Monitor(Int64(Date().timeIntervalSince1970 * 1_000))
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { clock.withLock { $0 } })
        endpoint.setReadDelay(.seconds(10))
        let service = CloudWatchLogsService(to: endpoint.url)
        let batch = EventBatch.now("a", to: destination)
        #expect(try await onOwnThread { (service.send(batch), service.lookUp(batch)).1 } == .found([]))
        clock.withLock { $0 += 10_000 }
        #expect(try await onOwnThread { service.lookUp(batch) } == .found([0]))
    }

    /// 10,000 equal events, and one of 900,000 control characters, each of which takes six bytes in JSON.
    private func large() -> [EventBatch] {
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        var many = EventBatch(destination: destination)
        for _ in 0..<10_000 { many.append(id: 1, timestamp: now, message: "equal".utf8) }
        var heavy = EventBatch(destination: destination)
        heavy.append(id: 1, timestamp: now, message: [UInt8](repeating: 1, count: 900_000))
        return [many, heavy]
    }

    @Test("reads over several pages, and answers of any size that they can have")
    func pages() async throws {
        let endpoint = try LocalEndpoint(autoCreate: true)
        let service = CloudWatchLogsService(to: endpoint.url)
        let batches = large()
        let outcomes = try await onOwnThread {
            for batch in batches { _ = service.send(batch) }
            return batches.map(service.lookUp)
        }
        #expect(outcomes == [.found(Set(0..<10_000)), .found([0])])
        let reads = endpoint.records.requests.filter { $0.operation == .getLogEvents }
        #expect(reads.count > 2)
    }

    @Test("takes what moto gives")
    func moto() async throws {
        let batches = large() + [.now("a", "", "b \u{0} \u{2028} é 😀", to: destination, offsets: [-5_000, -4_000])]
        let destination = destination
        let outcomes = try await onOwnThread {
            let moto = try MotoServer()
            let service = CloudWatchLogsService(to: moto.url, as: moto.accessKey)
            let before = service.lookUp(batches[0])
            _ = service.create(destination)
            let empty = service.lookUp(batches[0])
            for batch in batches { _ = service.send(batch) }
            return [before, empty] + batches.map(service.lookUp)
        }
        #expect(
            outcomes == [.found([]), .found([]), .found(Set(0..<10_000)), .found([0]), .found([0, 1, 2])]
        )
    }

    // MARK: By a script

    private func service(_ transport: ScriptedTransport) -> CloudWatchLogsService {
        CloudWatchLogsService(
            CloudWatchLogsService.Configuration(
                environment: .init([
                    "AWS_REGION": "r", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s",
                ])
            ),
            transport: transport
        )
    }

    private var twoEvents: EventBatch {
        var batch = EventBatch(destination: destination)
        batch.append(id: 1, timestamp: 1_000, message: "a".utf8)
        batch.append(id: 2, timestamp: 2_000, message: "b".utf8)
        return batch
    }

    @Test("asks for the time of the batch from its head, and follows empty pages until a token comes again")
    func requests() {
        let transport = ScriptedTransport(
            .answer(200, #"{"events":[],"nextForwardToken":"t1"}"#),
            .answer(200, #"{"events":[{"timestamp":1000,"message":"a"},{"odd":1}],"nextForwardToken":"t2"}"#),
            .answer(200, #"{"events":[],"nextForwardToken":"t2"}"#)
        )
        #expect(service(transport).lookUp(twoEvents) == .found([0]))
        #expect(transport.operations == ["GetLogEvents", "GetLogEvents", "GetLogEvents"])
        let head = #"{"logGroupName":"group","logStreamName":"stream","startFromHead":true,"#
        let time = #""startTime":1000,"endTime":2001"#
        #expect(
            transport.requests.map { String(decoding: $0.body, as: UTF8.self) }
                == [head + time + "}", head + time + #","nextToken":"t1"}"#, head + time + #","nextToken":"t2"}"#]
        )
    }

    @Test("stops when all is found")
    func stops() {
        let transport = ScriptedTransport(
            .answer(
                200,
                #"{"events":[{"timestamp":2000,"message":"b"},{"timestamp":1000,"message":"a"}],"nextForwardToken":"t"}"#
            )
        )
        #expect(service(transport).lookUp(twoEvents) == .found([0, 1]))
        #expect(transport.requests.count == 1)
    }

    @Test("reads no more than a hundred pages")
    func bounded() {
        let transport = ScriptedTransport { .answer(200, #"{"events":[],"nextForwardToken":"\#($0)"}"#) }
        #expect(service(transport).lookUp(twoEvents) == .found([]))
        #expect(transport.requests.count == 100)
    }

    @Test("fails as the answer says, and never as if the batch were at fault or had arrived")
    func fails() {
        func outcome(_ step: ScriptedTransport.Step) -> LookUpOutcome {
            service(ScriptedTransport(step)).lookUp(twoEvents)
        }
        func answer(_ code: String) -> ScriptedTransport.Step { .answer(400, "{\"__type\":\"\(code)\"}") }
        func expect(_ outcome: LookUpOutcome, transient code: String) {
            if case .failed(.transient(let failure)) = outcome, failure.code == code { return }
            Issue.record("\(outcome) is not transient with \(code)")
        }
        func expect(_ outcome: LookUpOutcome, denied code: String) {
            if case .failed(.denied(let failure)) = outcome, failure.code == code { return }
            Issue.record("\(outcome) is not denied with \(code)")
        }
        expect(outcome(.failure(.timeout)), transient: "Timeout")
        expect(outcome(answer("ThrottlingException")), transient: "ThrottlingException")
        expect(outcome(.answer(200, "{}")), transient: "UnexpectedAnswer")
        expect(outcome(answer("DataAlreadyAcceptedException")), transient: "UnexpectedAnswer")
        expect(outcome(answer("AccessDeniedException")), denied: "AccessDeniedException")
        expect(outcome(answer("InvalidParameterException")), denied: "InvalidParameterException")
    }
}
