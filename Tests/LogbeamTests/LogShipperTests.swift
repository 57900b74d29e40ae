import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Testing

@Suite struct LogShipperTests {
    @Test("A full batch is sent without waiting for its age")
    func sendsWhenFull() async throws {
        let fixture = try SpoolFixture { $0.batchCount = 100 }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        for number in 0..<250 { logger.info("\(number)") }
        #expect(try await onOwnThread { service.waitForBatches(2) })
        try await waitUntil("two batches are acknowledged") { try fixture.pending().count == 50 }
        #expect(service.sent.map(\.count) == [100, 100])
        #expect(service.sent.flatMap(\.texts) == (0..<200).map(String.init))
        withExtendedLifetime(shipper) {}
    }

    @Test("A batch that is full by size is sent, and holds no more than the setting")
    func sendsWhenLarge() async throws {
        let fixture = try SpoolFixture { $0.batchSize = 1_260 }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        // Each takes 126 bytes as the service counts.
        for _ in 0..<20 { logger.info("\(String(repeating: "x", count: 100))") }
        #expect(try await onOwnThread { service.waitForBatches(2) })
        #expect(service.sent.map(\.count) == [10, 10])
        withExtendedLifetime(shipper) {}
    }

    @Test("A batch that is not full is sent when its oldest record has the age")
    func sendsWhenOld() async throws {
        let fixture = try SpoolFixture { $0.bufferDuration = .milliseconds(20) }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("lonely")
        #expect(try await onOwnThread { service.waitForBatches(1) })
        #expect(service.sent.first?.texts == ["lonely"])
        try await waitUntil("the record is gone") { try fixture.pending().isEmpty }
        withExtendedLifetime(shipper) {}
    }

    @Test("A flush sends what is pending, and is true when it is gone")
    func flush() async throws {
        let fixture = try SpoolFixture()
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        #expect(await shipper.flush(timeout: patience), "nothing to flush")
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: patience))
        #expect(try fixture.pending() == [])
        #expect(service.sent.map(\.texts) == [["one"]])
    }

    @Test("A flush that runs out of time is false, and nothing is lost")
    func flushTimesOut() async throws {
        let fixture = try SpoolFixture()
        let gate = Gate()
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService(gate: gate))
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: .milliseconds(1)) == false)
        #expect(try fixture.pending() == ["one"])
        gate.open()
        #expect(await shipper.flush(timeout: patience))
    }

    @Test("A flush during a failure tries again at once, and ends when the service has recovered")
    func flushAfterFailures() async throws {
        let fixture = try SpoolFixture()
        let failure = DeliveryOutcome.transient(DeliveryFailure(code: "HTTP 503", message: ""))
        let service = ScriptedDeliveryService([failure, failure, failure])
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: patience))
        #expect(service.sent.map(\.texts) == [["one"], ["one"], ["one"], ["one"]])
        #expect(try fixture.status().streams.first?.lastError == nil)
    }

    @Test("Without permission a flush ends at once, the reason is in the spool, and nothing is lost")
    func denied() async throws {
        let fixture = try SpoolFixture()
        let service = ScriptedDeliveryService { _, _ in
            .denied(
                DeliveryFailure(
                    code: "AccessDeniedException",
                    message: "allow logs:PutLogEvents",
                    mayHaveArrived: false
                )
            )
        }
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: .seconds(3600)) == false)
        #expect(try fixture.pending() == ["one"])
        let status = try fixture.status()
        #expect(status.streams.first?.lastError == "AccessDeniedException: allow logs:PutLogEvents")
        #expect(status.inDoubt == 0)
    }

    @Test("A flush waits for a healthy stream though another is denied")
    func deniedBesideHealthy() async throws {
        try await onOwnThreads {
            let fixture = try SpoolFixture()
            let gate = Gate()
            let service = ScriptedDeliveryService(gate: gate) { _, batch in
                batch.texts == ["refused"]
                    ? .denied(DeliveryFailure(code: "AccessDeniedException", message: "")) : .accepted(.none)
            }
            let shipper = try LogShipper(fixture.configuration, service: service)
            let other = try CloudWatchLogsHandler(label: "", shipper: shipper, logStreamName: "healthy")
            fixture.logger(shipper).info("refused")
            Logger(label: "") { _ in other }.info("taken")
            async let flush = shipper.flush(timeout: .seconds(3600))
            #expect(try await onOwnThread { gate.waitForArrivals() })
            gate.open()
            #expect(await flush == false)
            #expect(try fixture.pending() == ["refused"])
            #expect(service.sent.contains { $0.texts == ["taken"] })
        }
    }

    @Test("A smaller setting for messages puts nothing aside that is in the spool already")
    func smallerSettingLater() async throws {
        let fixture = try SpoolFixture()
        let long = String(repeating: "x", count: 2_000)
        var bytes = long
        let spool = try Spool(path: fixture.configuration.spool)
        let stream = try spool.streamID(for: SpoolFixture.destination)
        try bytes.withUTF8 { _ = try spool.append(stream: stream, timestamp: WallClock.milliseconds(), message: $0) }
        var smaller = fixture.configuration
        smaller.maximumMessageSize = 256
        smaller.batchSize = 1_024
        let service = ScriptedDeliveryService()
        let second = try LogShipper(smaller, service: service)
        #expect(await second.flush(timeout: patience))
        #expect(service.sent.map(\.texts) == [[long]])
        #expect(try fixture.status().rejected == 0)
    }

    @Test("A missing log stream is created, and the batch sent again")
    func createsDestination() async throws {
        let fixture = try SpoolFixture()
        let missing = DeliveryOutcome.destinationMissing(
            DeliveryFailure(code: "ResourceNotFoundException", message: "")
        )
        let service = ScriptedDeliveryService([missing])
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("one")
        #expect(await shipper.flush(timeout: patience))
        #expect(service.created == [SpoolFixture.destination])
        #expect(service.sent.count == 2)
    }

    @Test("Several batches of a stream are on their way at once, where the setting allows it")
    func severalInFlight() async throws {
        let fixture = try SpoolFixture {
            $0.batchSize = 1_260
            $0.maximumInFlight = 3
        }
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate)
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        // Each takes 126 bytes as the service counts: five batches.
        for number in 0..<50 { logger.info("\(number)\(String(repeating: "x", count: number < 10 ? 99 : 98))") }
        #expect(try await onOwnThread { gate.waitForArrivals(3) })
        #expect(try fixture.status().inDoubt == 3)
        #expect(try fixture.pending().count == 50)
        gate.open()
        #expect(await shipper.flush(timeout: patience))
        #expect(service.sent.map(\.count) == [10, 10, 10, 10, 10])
        #expect(Set(service.sent.flatMap(\.texts)).count == 50)
    }

    @Test("Of a batch in doubt only what the service does not show is sent again, where that is asked for")
    func reconciles() async throws {
        let fixture = try SpoolFixture { $0.reconcileAfter = .zero }
        let timeout = DeliveryOutcome.transient(DeliveryFailure(code: "Timeout", message: ""))
        let service = ScriptedDeliveryService(
            search: { batch in .found(Set(batch.texts.indices.filter { batch.texts[$0] != "b" })) },
            script: { number, _ in number == 1 ? timeout : .accepted(.none) }
        )
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        for text in ["a", "b", "c"] { logger.info("\(text)") }
        #expect(await shipper.flush(timeout: patience))
        #expect(service.sent.map(\.texts) == [["a", "b", "c"], ["b"]])
        #expect(service.lookedUp.map(\.texts) == [["a", "b", "c"]])
        #expect(try fixture.status().delivered == 3)
    }

    @Test("A batch in doubt that has arrived whole is not sent again; one that can not be looked for is")
    func reconcilesAllOrNothing() async throws {
        let timeout = DeliveryOutcome.transient(DeliveryFailure(code: "Timeout", message: ""))
        let denied = LookUpOutcome.failed(.denied(DeliveryFailure(code: "AccessDeniedException", message: "")))
        for (search, sent) in [(LookUpOutcome.found([0]), 1), (denied, 2)] {
            let fixture = try SpoolFixture { $0.reconcileAfter = .zero }
            let service = ScriptedDeliveryService(
                search: { _ in search },
                script: { number, _ in number == 1 ? timeout : .accepted(.none) }
            )
            let shipper = try LogShipper(fixture.configuration, service: service)
            fixture.logger(shipper).info("one")
            #expect(await shipper.flush(timeout: patience))
            #expect(service.sent.count == sent)
            #expect(try fixture.status().delivered == 1)
        }
    }

    @Test("A poison record is found and put aside; the others arrive once")
    func poison() async throws {
        let fixture = try SpoolFixture()
        let service = ScriptedDeliveryService { _, batch in
            batch.texts.contains("poison")
                ? .invalid(DeliveryFailure(code: "InvalidParameterException", message: "")) : .accepted(.none)
        }
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        let texts = (0..<64).map { $0 == 37 ? "poison" : "\($0)" }
        for text in texts { logger.info("\(text)") }
        #expect(await shipper.flush(timeout: patience))
        let accepted = service.sent.filter { !$0.texts.contains("poison") }.flatMap(\.texts)
        #expect(accepted.sorted() == texts.filter { $0 != "poison" }.sorted())
        #expect(service.sent.count <= 13, "a halving a step, and the other half each time")
        #expect(try fixture.status().rejected == 1)
    }

    @Test("What the service refused of a batch is put aside with its reason; the rest is deleted")
    func partialRejection() async throws {
        let fixture = try SpoolFixture()
        let service = ScriptedDeliveryService([.accepted(RefusedEvents(tooOldEnd: 1, tooNewStart: 3))])
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        for text in ["a", "b", "c", "d"] { logger.info("\(text)") }
        #expect(await shipper.flush(timeout: patience))
        let status = try fixture.status()
        #expect(status.rejected == 2)
        #expect(status.delivered == 2)
        // The stream is told of it, once for each reason.
        @Sendable func told() throws -> Set<String> {
            let texts = try service.sent.flatMap(\.texts) + fixture.pending()
            return Set(texts.filter { $0.contains("refused by CloudWatch Logs") })
        }
        try await waitUntil("the stream is told") { try told().count == 2 }
        #expect(await shipper.flush(timeout: patience))
        #expect(try fixture.pending() == [])
        #expect(try told().count == 2)
    }

    @Test("What a shipper leaves in the spool is sent by the next one, with the boundaries of the batch in doubt")
    func nextProcess() async throws {
        let fixture = try SpoolFixture { configuration in
            configuration.batchCount = 3
            configuration.maximumInFlight = 1
        }
        let gate = Gate()
        do {
            let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService(gate: gate))
            let logger = fixture.logger(shipper)
            for number in 0..<4 { logger.info("\(number)") }
            #expect(try await onOwnThread { gate.waitForArrivals() })
            await shipper.shutdown(timeout: .zero)
        }
        #expect(try fixture.pending() == ["0", "1", "2", "3"])
        #expect(try fixture.status().inDoubt == 1)
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        #expect(await shipper.flush(timeout: patience))
        #expect(service.sent.map(\.texts) == [["0", "1", "2"], ["3"]])
        #expect(try fixture.status().inDoubt == 0)
    }

    @Test("A flush of a task that is cancelled ends at once, and what it was for is sent all the same")
    func cancelledFlush() async throws {
        let fixture = try SpoolFixture()
        let gate = Gate()
        let service = ScriptedDeliveryService(gate: gate)
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("one")
        let flush = Task { await shipper.flush(timeout: .seconds(3_600)) }
        #expect(try await onOwnThread { gate.waitForArrivals() })
        flush.cancel()
        #expect(await flush.value == false)
        gate.open()
        #expect(await shipper.flush(timeout: patience))
        #expect(service.sent.map(\.texts) == [["one"]])
    }

    @Test("Of two shippers on one spool one uploads; the other takes over when it ends")
    func twoShippers() async throws {
        let fixture = try SpoolFixture()
        let (first, second) = (ScriptedDeliveryService(), ScriptedDeliveryService())
        let holder = try LogShipper(fixture.configuration, service: first)
        try await waitUntil("the first holds the lease") { try fixture.status().uploader != nil }
        let standby = try LogShipper(fixture.configuration, service: second)
        fixture.logger(standby).info("by the standby")
        #expect(await standby.flush(timeout: patience), "the holder sends what the standby wants sent")
        #expect(first.sent.map(\.texts) == [["by the standby"]])
        await holder.shutdown()
        fixture.logger(holder).info("by the former holder")
        #expect(await standby.flush(timeout: patience))
        #expect(second.sent.map(\.texts) == [["by the former holder"]])
    }

    @Test("A shipper that is superseded stands by, uploads again afterwards, and has not forgotten a flush")
    func superseded() async throws {
        let fixture = try SpoolFixture { $0.maximumInFlight = 1 }
        let gate = Gate()
        let service = ScriptedDeliveryService { number, _ in
            if number == 1 { gate.pass() }
            return .accepted(.none)
        }
        let shipper = try LogShipper(fixture.configuration, service: service)
        defer { gate.open() }
        fixture.logger(shipper).info("one")
        let other = try CloudWatchLogsHandler(label: "l", shipper: shipper, logStreamName: "other")
        Logger(label: "l") { _ in other }.info("two")
        async let flush = shipper.flush(timeout: patience)
        try await waitUntil("the first batch is on its way") { service.sent.count == 1 }

        var lease = try UploadLease.takeOver(Spool(path: fixture.configuration.spool))
        #expect(lease != nil)
        try await waitUntil("the shipper asks who has the lease now for a flush") {
            try SpoolReader(path: fixture.configuration.spool).requestedFlush() > 0
        }
        #expect(service.sent.count == 1)
        lease = nil
        #expect(await flush)
        // What was on its way is in doubt; the other was not sent before.
        #expect(service.sent.prefix(2).map(\.texts) == Array(repeating: service.sent[0].texts, count: 2))
        #expect(service.sent.count == 3 && service.sent[2].texts != service.sent[0].texts)
        #expect(try fixture.pending() == [])
        #expect(try fixture.status().delivered == 2)
    }

    @Test("A setting out of bounds is thrown before anything is opened")
    func invalidConfiguration() throws {
        let fixture = try SpoolFixture { $0.batchCount = 10_001 }
        let error = #expect(throws: ConfigurationError.self) { try LogShipper(fixture.configuration) }
        #expect(error?.description == "batchCount is 10001; it must be from 1 to 10000")
        #expect(throws: SpoolError.self) { try fixture.status() }
    }

    @Test("A spool that can not be opened is a thrown error that names file and cause")
    func unusableSpool() throws {
        let fixture = try SpoolFixture { $0.spool = "/proc/nowhere/spool.db" }
        let error = #expect(throws: SpoolError.self) { try LogShipper(fixture.configuration) }
        #expect(error?.kind == .unwritable)
        #expect(error?.description.contains("/proc/nowhere/spool.db") == true)
    }
}
