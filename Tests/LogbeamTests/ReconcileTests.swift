import Logbeam
import LogbeamAWS
import LogbeamCloudWatch
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

/// Against an endpoint that takes a batch and breaks the connection before it answers.
@Suite struct ReconcileTests {
    @Test(
        "What was taken without an answer arrives twice, or once where the shipper looks first",
        arguments: [true, false]
    )
    func resetAfterAccepting(reconciles: Bool) async throws {
        let fixture = try SpoolFixture { $0.reconcileAfter = reconciles ? .zero : nil }
        let endpoint = try LocalEndpoint(autoCreate: true)
        endpoint.enqueue(.resetAfterAccepting, .resetAfterAccepting)
        let shipper = try LogShipper(fixture.configuration, service: service(endpoint))
        let logger = fixture.logger(shipper)
        let texts = ["one", "two", "two", ""]
        for text in texts { logger.info("\(text)") }
        #expect(await shipper.flush(timeout: patience))
        #expect(try fixture.pending() == [])
        let arrived = endpoint.messages(in: SpoolFixture.destination)
        let sent = texts.map { $0.isEmpty ? " " : $0 }
        #expect(arrived == (reconciles ? sent : sent + sent + sent))
    }

    @Test(
        "What was found to have arrived is not sent again where the rest is split, though the spool is locked meanwhile",
        arguments: [false, true]
    )
    func split(isLocked: Bool) throws {
        let service = ScriptedDeliveryService(
            search: { batch in .found(Set(batch.texts.indices.filter { batch.texts[$0] == "one" })) }
        ) { number, _ in
            switch number {
            case 1: .lost
            case 2: .invalid
            default: .accepted(.none)
            }
        }
        let uploader = try SteppedUploader(service: service, commitTimeout: .milliseconds(20), reconcileDelay: 0)
        for text in ["one", "two", "three"] { try uploader.append(text) }
        uploader.run { service.sent.count < 2 }
        #expect(service.sent.map(\.texts) == [["one", "two", "three"], ["two", "three"]])
        uploader.loop.waitForAnswer(until: MonotonicClock.milliseconds() + 60_000)
        let blocker = isLocked ? try SQLiteShell.lock(uploader.spool.path) : nil
        _ = uploader.loop.step()
        #expect(uploader.loop.spoolError?.kind == (isLocked ? .busy : nil))
        try blocker?.write("ROLLBACK;\n.quit\n")
        _ = try blocker?.wait()
        // The whole, or both halves.
        #expect(try uploader.inDoubtCount() == (isLocked ? 1 : 2))
        try uploader.run { try uploader.pendingCount() > 0 }
        #expect(service.sent.dropFirst(2).flatMap(\.texts).sorted() == ["three", "two"])
        #expect(try uploader.inDoubtCount() == 0)
    }

    @Test("The next shipper looks for what a dead one left in doubt")
    func nextProcess() async throws {
        let fixture = try SpoolFixture { $0.reconcileAfter = .zero }
        let endpoint = try LocalEndpoint(autoCreate: true)
        let gate = Gate()
        endpoint.enqueue(.hangAfterAccepting(gate))
        do {
            let shipper = try LogShipper(fixture.configuration, service: service(endpoint))
            fixture.logger(shipper).info("one")
            async let flush = shipper.flush(timeout: patience)
            #expect(try await onOwnThread { gate.waitForArrivals() })
            await shipper.shutdown(timeout: .zero)
            #expect(await flush == false)
        }
        gate.open()
        #expect(try fixture.status().inDoubt == 1)
        let shipper = try LogShipper(fixture.configuration, service: service(endpoint))
        #expect(await shipper.flush(timeout: patience))
        #expect(endpoint.messages(in: SpoolFixture.destination) == ["one"])
    }

    private func service(_ endpoint: LocalEndpoint) -> CloudWatchLogsService {
        let environment = ProcessEnvironment([
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint.url,
        ])
        var configuration = CloudWatchLogsService.Configuration(environment: environment)
        // No request may end by itself while a busy machine gets to the next line.
        configuration.requestTimeout = .seconds(3600)
        return CloudWatchLogsService(configuration)
    }
}
