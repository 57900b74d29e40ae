@testable import Logbeam
import LogbeamCloudWatch
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Synchronization
import Testing

@Suite struct ClientDeliveryTests {
    /// A client as a user would write one: remembers what it is asked, and answers by a script.
    final class Client: CloudWatchLogsClient {
        struct Calls {
            var puts: [PutLogEventsRequest] = []
            var groups: [String] = []
            var streams: [String] = []
        }
        let calls = Mutex(Calls())
        let put: @Sendable (Int) async throws -> PutLogEventsResponse

        init(put: @escaping @Sendable (_ number: Int) async throws -> PutLogEventsResponse = { _ in .init() }) {
            self.put = put
        }

        func putLogEvents(_ request: PutLogEventsRequest) async throws -> PutLogEventsResponse {
            let number = calls.withLock {
                $0.puts.append(request)
                return $0.puts.count
            }
            return try await put(number)
        }

        func createLogGroup(_ request: CreateLogGroupRequest) async throws {
            calls.withLock { $0.groups.append(request.logGroupName) }
            throw CloudWatchLogsError(code: "ResourceAlreadyExistsException", message: "")
        }

        func createLogStream(_ request: CreateLogStreamRequest) async throws {
            let isFirst = calls.withLock {
                $0.streams.append(request.logStreamName)
                return $0.streams.count == 1
            }
            if isFirst { throw CloudWatchLogsError(code: "ResourceNotFoundException", message: "no group") }
        }

        var messages: [[String]] { calls.withLock { $0.puts.map { $0.logEvents.map(\.message) } } }
    }

    @Test("logsClient gets the batches, empty messages as one space")
    func deliversByClient() async throws {
        let client = Client()
        let fixture = try SpoolFixture { $0.logsClient = client }
        let shipper = try LogShipper(fixture.configuration)
        let logger = fixture.logger(shipper)
        logger.info("one")
        logger.info("")
        #expect(await shipper.flush(timeout: patience))
        let request = try #require(client.calls.withLock { $0.puts.first })
        #expect(request.logGroupName == "group")
        #expect(request.logStreamName == "stream")
        #expect(client.messages == [["one", " "]])
        #expect(try fixture.pending() == [])
    }

    @Test("What a client throws decides as the service's answer does: missing, throttled, then taken")
    func errors() async throws {
        struct NetworkError: Error {}
        let client = Client { number in
            switch number {
            case 1: throw CloudWatchLogsError(code: "ResourceNotFoundException", message: "no stream", statusCode: 400)
            case 2: throw CloudWatchLogsError(code: "ThrottlingException", message: "slow down", statusCode: 400)
            case 3: throw NetworkError()
            default: return PutLogEventsResponse(rejectedLogEventsInfo: .init(tooOldLogEventEndIndex: 1))
            }
        }
        let fixture = try SpoolFixture { $0.logsClient = client }
        let shipper = try LogShipper(fixture.configuration)
        let logger = fixture.logger(shipper)
        logger.info("one")
        logger.info("two")
        #expect(await shipper.flush(timeout: patience))
        #expect(client.messages == Array(repeating: ["one", "two"], count: 4))
        let (groups, streams) = client.calls.withLock { ($0.groups, $0.streams) }
        #expect(streams == ["stream", "stream"])
        #expect(groups == ["group"])
        let status = try fixture.status()
        #expect(status.rejected == 1)
        #expect(status.delivered == 1)
    }

    /// A client whose groups are all missing, and are made when it is asked to.
    private final class EmptyAccount: CloudWatchLogsClient {
        struct Calls {
            var groups: [CreateLogGroupRequest] = []
            var retentions: [PutRetentionPolicyRequest] = []
            var delivered = 0
        }
        let calls = Mutex(Calls())
        let isOut = Mutex(false)

        private func requireGroup() throws {
            if calls.withLock({ $0.groups.isEmpty }) {
                throw CloudWatchLogsError(code: "ResourceNotFoundException", message: "no group")
            }
        }

        func putLogEvents(_ request: PutLogEventsRequest) async throws -> PutLogEventsResponse {
            try requireGroup()
            if isOut.withLock({ $0 }) { throw CloudWatchLogsError(code: "ServiceUnavailable", message: "") }
            calls.withLock { $0.delivered += request.logEvents.count }
            return PutLogEventsResponse()
        }

        func createLogGroup(_ request: CreateLogGroupRequest) async throws {
            calls.withLock { $0.groups.append(request) }
        }

        func createLogStream(_ request: CreateLogStreamRequest) async throws { try requireGroup() }

        func putRetentionPolicy(_ request: PutRetentionPolicyRequest) async throws {
            calls.withLock { $0.retentions.append(request) }
            if isOut.withLock({ $0 }) { throw CloudWatchLogsError(code: "ServiceUnavailable", message: "") }
        }
    }

    @Test("A client gets the settings of the group that it is to make")
    func groupSettings() async throws {
        let client = EmptyAccount()
        let fixture = try SpoolFixture {
            $0.logsClient = client
            $0.logGroup = LogGroupSettings(
                retentionDays: 30,
                logGroupClass: .infrequentAccess,
                tags: ["a": "b"],
                kmsKeyID: "arn:k"
            )
        }
        let shipper = try LogShipper(fixture.configuration)
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: patience))
        let calls = client.calls.withLock { $0 }
        #expect(
            calls.groups == [
                CreateLogGroupRequest(
                    logGroupName: "group",
                    kmsKeyId: "arn:k",
                    tags: ["a": "b"],
                    logGroupClass: .infrequentAccess
                )
            ]
        )
        #expect(calls.retentions == [PutRetentionPolicyRequest(logGroupName: "group", retentionInDays: 30)])
        #expect(calls.delivered == 1)
    }

    @Test(
        "Where nothing is created the records stay, and status says what is missing",
        arguments: [(false, true, "createsLogGroup"), (true, false, "createsLogStream")]
    )
    func creationTurnedOff(createsLogGroup: Bool, createsLogStream: Bool, setting: String) async throws {
        let client = EmptyAccount()
        let fixture = try SpoolFixture {
            $0.logsClient = client
            $0.createsLogGroup = createsLogGroup
            $0.createsLogStream = createsLogStream
        }
        let shipper = try LogShipper(fixture.configuration)
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: patience) == false, "a person must mend it")
        #expect(try fixture.pending() == ["one"])
        let error = try #require(try fixture.status().streams.first?.lastError)
        #expect(error.hasSuffix("create it, or set \(setting) to true"))
        #expect(client.calls.withLock { $0.groups }.isEmpty)
    }

    @Test("A client that has no putRetentionPolicy says so")
    func noRetentionPolicy() async throws {
        let error = await #expect(throws: CloudWatchLogsError.self) {
            try await Client().putRetentionPolicy(PutRetentionPolicyRequest(logGroupName: "g", retentionInDays: 1))
        }
        #expect(error?.code == "NotImplemented")
    }

    @Test("Each of several calls at once has its own outcome")
    func severalCalls() async throws {
        struct NetworkError: Error {}
        let started = Mutex(0)
        let client = Client { number in
            started.withLock { $0 += 1 }
            // The first three end together, the first of them badly.
            while number <= 3, started.withLock({ $0 }) < 3 { try await Task.sleep(for: .milliseconds(1)) }
            if number == 1 { throw NetworkError() }
            return PutLogEventsResponse()
        }
        let fixture = try SpoolFixture {
            $0.logsClient = client
            $0.batchSize = 1_260
            $0.maximumInFlight = 3
        }
        let shipper = try LogShipper(fixture.configuration)
        let logger = fixture.logger(shipper)
        // Each takes 126 bytes as the service counts: three batches.
        for number in 10..<40 { logger.info("\(number)\(String(repeating: "x", count: 98))") }
        #expect(await shipper.flush(timeout: patience))
        let batches = client.messages
        #expect(batches.count == 4)
        #expect(batches.filter { $0 == batches[0] }.count == 2, "the one that failed, and no other, is sent again")
        #expect(Set(batches.flatMap { $0 }).count == 30)
        #expect(try fixture.status().delivered == 30)
    }

    @Test("A client is not called any more once it was broken off")
    func notBegun() async throws {
        let client = Client()
        let context = UploadContext(mailbox: Mailbox(), spool: "")
        let service = ClientDeliveryService(client, creation: CreationSettings(), context: context)
        service.cancel()
        var batch = EventBatch(destination: SpoolFixture.destination)
        batch.append(id: 1, timestamp: 0, message: "one".utf8)
        let outcome = try await onOwnThread { [batch] in service.send(batch) }
        #expect(outcome.failure?.mayHaveArrived == false)
        #expect(client.messages.isEmpty)
    }

    @Test("An outage uses up no attempt to set the retention of a new group")
    func retentionAfterOutage() async throws {
        let client = EmptyAccount()
        var creation = CreationSettings()
        creation.retentionDays = 30
        let context = UploadContext(mailbox: Mailbox(), spool: "")
        let service = ClientDeliveryService(client, creation: creation, context: context)
        var batch = EventBatch(destination: SpoolFixture.destination)
        batch.append(id: 1, timestamp: 0, message: "one".utf8)
        client.isOut.withLock { $0 = true }
        #expect(try await onOwnThread { service.create(SpoolFixture.destination) } == .accepted(.none))
        for _ in 0..<6 {
            let outcome = try await onOwnThread { [batch] in service.send(batch) }
            #expect(outcome.failure?.code == "ServiceUnavailable")
        }
        #expect(client.calls.withLock { $0.retentions.count } == 1, "none but that of the creation")
        client.isOut.withLock { $0 = false }
        for _ in 0..<2 {
            let outcome = try await onOwnThread { [batch] in service.send(batch) }
            #expect(outcome == .accepted(.none))
        }
        #expect(client.calls.withLock { $0.retentions.count } == 2)
    }

    @Test("A client that never answers is broken off by the shutdown")
    func hangingClient() async throws {
        let client = Client { _ in
            try await Task.sleep(for: .seconds(3600))
            return PutLogEventsResponse()
        }
        let fixture = try SpoolFixture { $0.logsClient = client }
        let shipper = try LogShipper(fixture.configuration)
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: .milliseconds(1)) == false)
        #expect(try await onOwnThread { eventually { client.messages.count == 1 } })
        await shipper.shutdown(timeout: .milliseconds(1))
        #expect(try fixture.pending() == ["one"])
    }

    @Test("A batch in doubt does not wait to be looked up by a client of one's own, which can not be asked")
    func reconciling() async throws {
        let client = Client { number in
            if number == 1 { throw CloudWatchLogsError(code: "InternalFailure", message: "no answer", statusCode: 500) }
            return PutLogEventsResponse()
        }
        let fixture = try SpoolFixture {
            $0.logsClient = client
            $0.reconcileAfter = .seconds(600)
        }
        let shipper = try LogShipper(fixture.configuration)
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: patience))
        #expect(client.messages == [["one"], ["one"]])
        await shipper.shutdown()
    }

    @Test("A handler makes its own shipper in the shape of the original, and shares it whatever its stream")
    func sharedShipper() async throws {
        let client = Client()
        let directory = try TemporaryDirectory()
        func handler(_ stream: String, batchCount: Int = 10_000) throws -> CloudWatchLogsHandler {
            try CloudWatchLogsHandler(
                label: "app",
                logGroupName: "group",
                logStreamName: stream,
                bufferDuration: .seconds(3600),
                batchCount: batchCount,
                batchSize: 1_048_576,
                logsClient: client,
                spool: directory.file("spool.db")
            )
        }
        let (first, second) = (try handler("a"), try handler("b"))
        #expect(first.shipper === second.shipper)
        #expect(first.shipper !== (try handler("a", batchCount: 7).shipper))
        Logger(label: "app") { _ in first }.info("to a")
        Logger(label: "app") { _ in second }.info("to b")
        #expect(await first.shipper.flush(timeout: patience))
        #expect(Set(client.messages) == [["INFO app: to a"], ["INFO app: to b"]])
        await first.shipper.shutdown()
    }

    @Test("Records that the spool does not take are counted, and the count reaches the spool when it can")
    func losses() async throws {
        // What is not held up must not fail on a busy machine either.
        let fixture = try SpoolFixture { $0.commitTimeout = .seconds(3) }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        logger.info("before")
        let blocker = try await onOwnThread { try SQLiteShell.lock(fixture.configuration.spool) }
        logger.info("lost to the spool 1")
        logger.info("lost to the spool 2")
        try blocker.write("ROLLBACK; SELECT 'free';\n.quit\n")
        _ = try await onOwnThread { try blocker.wait() }
        logger.info("after")
        try await waitUntil("the loss is counted in the spool") { try fixture.status().dropped == 2 }
        try await waitUntil("it is told") { try fixture.pending().contains { $0.hasPrefix("logbeam: ") } }
        #expect(await shipper.flush(timeout: patience))
        let sent = service.sent.flatMap(\.texts)
        #expect(sent.filter { !$0.hasPrefix("logbeam: ") } == ["before", "after"])
        let told = try #require(sent.first { $0.hasPrefix("logbeam: ") })
        #expect(told.hasPrefix("logbeam: 2 records dropped between 20"), "the stream itself tells of the gap")
        #expect(told.hasSuffix(": spool locked"))
    }
}
