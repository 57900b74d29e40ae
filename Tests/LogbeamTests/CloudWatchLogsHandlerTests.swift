import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Synchronization
import Testing

@Suite struct CloudWatchLogsHandlerTests {
    private struct Trouble: Error {}

    @Test("A record is a committed row when log() returns")
    func committedOnReturn() throws {
        let fixture = try SpoolFixture()
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        for number in 1...50 {
            logger.info("record \(number)")
            // Another connection sees only what is committed.
            #expect(try fixture.pending().last == "record \(number)")
        }
        #expect(try fixture.pending().count == 50)
    }

    @Test("Metadata: the log statement wins over the provider, and the provider over the handler")
    func metadataPrecedence() throws {
        let fixture = try SpoolFixture { $0.format = .text }
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        var handler = CloudWatchLogsHandler(
            label: "app",
            shipper: shipper,
            metadataProvider: Logger.MetadataProvider { ["b": "provider", "c": "provider"] }
        )
        handler.metadata = ["a": "handler", "b": "handler"]
        handler[metadataKey: "c"] = "handler"
        #expect(handler[metadataKey: "c"] == "handler")
        let logger = Logger(label: "app") { [handler] _ in handler }
        logger.notice("hello", metadata: ["c": "event", "d": "two words"])
        #expect(try fixture.pending() == [#"NOTICE app: hello a=handler b=provider c=event d="two words""#])
    }

    @Test("The error of the log statement is rendered")
    func error() throws {
        let fixture = try SpoolFixture { $0.format = .text }
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        fixture.logger(shipper).error("failed", error: Trouble())
        let line = try #require(try fixture.pending().first)
        #expect(line.hasPrefix("ERROR label: failed error.message="))
        #expect(line.contains("Trouble"))
    }

    @Test("A handler is a value: changing a copy leaves the original alone")
    func valueSemantics() throws {
        let fixture = try SpoolFixture()
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let original = fixture.logger(shipper)
        var copy = original
        copy[metadataKey: "key"] = "value"
        copy.logLevel = .trace
        #expect(original[metadataKey: "key"] == nil)
        #expect(original.logLevel == .info)
        original.debug("below the level")
        #expect(try fixture.pending() == [])
    }

    @Test(
        "Messages of every kind come back as they were",
        arguments: [
            "", " ", "plain", "two\nlines", "nul \u{0} inside", #"quotes " and \ backslashes"#, "\u{1}\u{1F}\u{7F}",
            "é ü 漢字 😀 👩‍👩‍👧 \u{10FFFF}", String(repeating: "x", count: 1_048_550),
        ]
    )
    func bytes(message: String) throws {
        let fixture = try SpoolFixture()
        // The longest is a full batch by itself: it is sent, and stays on its way.
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService(gate: Gate()))
        fixture.logger(shipper).info("\(message)")
        #expect(try fixture.pending() == [message])
    }

    @Test("A message over the limit is cut on the boundary of a character, and says how much was cut")
    func truncation() throws {
        let fixture = try SpoolFixture { $0.maximumMessageSize = 256 }
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        logger.info("\(String(repeating: "x", count: 256))")
        logger.info("\(String(repeating: "😀", count: 65))")
        let pending = try fixture.pending()
        #expect(pending[0] == String(repeating: "x", count: 256))
        #expect(pending[1].utf8.count <= 256)
        let kept = pending[1].prefix { $0 == "😀" }
        #expect(pending[1] == kept + " [truncated: \(260 - kept.utf8.count) bytes cut]")
        #expect(kept.count > 50)
    }

    @Test("A message over the limit is split on demand: parts with one timestamp that make up the message, all or none")
    func splitting() async throws {
        let fixture = try SpoolFixture {
            $0.maximumMessageSize = 256
            $0.oversize = .split
            // What is not held up must not fail on a busy machine either.
            $0.commitTimeout = .seconds(3)
        }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let logger = fixture.logger(shipper)
        let (short, long) = (String(repeating: "x", count: 256), String(repeating: "é", count: 300))
        logger.info("\(short)")
        logger.info("\(long)")
        logger.info("\(long)")
        let pending = try fixture.pending()
        #expect(pending.count == 7)
        #expect(pending[0] == short)
        let heads = pending.dropFirst().map { $0.prefix(33) }
        let ids = Set(heads.map { $0.dropFirst(15).prefix(16) })
        #expect(ids.count == 2, "one for each message: \(heads)")
        #expect(heads.prefix(3).map { $0.prefix(15) } == (1...3).map { "[part 0\($0)/03 of " })
        #expect(pending[1...3].map { String($0.dropFirst(33)) }.joined() == long)
        #expect(pending.allSatisfy { $0.utf8.count <= 256 })

        let blocker = try await onOwnThread { try SQLiteShell.lock(fixture.configuration.spool) }
        logger.info("\(long)")
        try blocker.write("ROLLBACK;\n.quit\n")
        _ = try await onOwnThread { try blocker.wait() }
        // The gap is told by a record, whenever the uploader gets to it.
        #expect(try fixture.pending().filter { !$0.hasPrefix("logbeam: ") } == pending)

        #expect(await shipper.flush(timeout: patience))
        let batch = try #require(service.sent.first)
        #expect(batch.texts.filter { !$0.hasPrefix("logbeam: ") } == pending)
        #expect(Set(batch.events[1...3].map(\.timestamp)).count == 1)
        try await waitUntil("the loss is counted as one record") { try fixture.status().dropped == 1 }
    }

    @Test("The parts of a message fill a batch: they are sent without waiting for its age")
    func splittingFillsBatch() async throws {
        let fixture = try SpoolFixture {
            $0.batchCount = 4
            $0.maximumMessageSize = 256
            $0.oversize = .split
        }
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        fixture.logger(shipper).info("\(String(repeating: "x", count: 800))")
        #expect(try await onOwnThread { service.waitForBatches(1) })
        #expect(service.sent.first?.count == 4)
        withExtendedLifetime(shipper) {}
    }

    @Test("A handler can log into another stream through the same shipper")
    func secondStream() async throws {
        let fixture = try SpoolFixture()
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service)
        let audit = try CloudWatchLogsHandler(label: "audit", shipper: shipper, logStreamName: "audit")
        fixture.logger(shipper).info("ordinary")
        Logger(label: "audit") { _ in audit }.info("audited")
        #expect(await shipper.flush(timeout: patience))
        let sent = Dictionary(uniqueKeysWithValues: service.sent.map { ($0.destination, $0.texts) })
        #expect(sent[SpoolFixture.destination] == ["ordinary"])
        #expect(sent[Destination(logGroup: "group", logStream: "audit")] == ["audited"])
    }

    @Test("A handler for another stream takes metadata from a provider of its own")
    func secondStreamMetadata() throws {
        let fixture = try SpoolFixture { $0.format = .text }
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let audit = try CloudWatchLogsHandler(
            label: "audit",
            shipper: shipper,
            logGroupName: "audits",
            logStreamName: "audit",
            metadataProvider: Logger.MetadataProvider { ["user": "482"] }
        )
        Logger(label: "audit") { _ in audit }.info("audited")
        #expect(try fixture.pending().map { $0.contains("user=482") } == [true])
    }

    @Test("A stream name that CloudWatch Logs does not take is an error that names setting, value and bound")
    func invalidStream() throws {
        let fixture = try SpoolFixture()
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let error = #expect(throws: ConfigurationError.self) {
            try CloudWatchLogsHandler(label: "l", shipper: shipper, logStreamName: "a:b")
        }
        #expect(error?.setting == "logStreamName")
        #expect(error?.value.contains("a:b") == true)
    }

    @Test("Many threads log at once, and nothing is lost")
    func threads() async throws {
        let fixture = try SpoolFixture()
        let shipper = try LogShipper(fixture.configuration, service: ScriptedDeliveryService())
        let logger = fixture.logger(shipper)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 0..<8 {
                group.addTask {
                    try await onOwnThread {
                        for number in 0..<200 { logger.info("\(thread)-\(number)") }
                    }
                }
            }
            try await group.waitForAll()
        }
        let pending = try fixture.pending()
        #expect(Set(pending).count == 1600)
        for thread in 0..<8 {
            #expect(pending.filter { $0.hasPrefix("\(thread)-") } == (0..<200).map { "\(thread)-\($0)" })
        }
    }
}
