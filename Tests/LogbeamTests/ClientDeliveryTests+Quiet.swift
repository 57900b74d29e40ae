import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Synchronization
import Testing

@testable import Logbeam

/// What is logged by what an upload calls.
extension ClientDeliveryTests {
    @Test("What an upload logs is committed, causes no upload by itself, and goes along with the next")
    func noFeedback() async throws {
        let logger = Mutex<Logger?>(nil)
        let client = Client { number in
            logger.withLock { $0 }?.info("upload \(number)")
            return PutLogEventsResponse()
        }
        let fixture = try SpoolFixture {
            $0.logsClient = client
            $0.bufferDuration = .milliseconds(1)
        }
        let shipper = try LogShipper(fixture.configuration)
        logger.withLock { $0 = fixture.logger(shipper) }
        // Due at once, and older than what comes after it: were it to cause an upload, it would be sent before that.
        fixture.logger(shipper).info("one")
        try await waitUntil("the first upload is acknowledged") { try fixture.pending() == ["upload 1"] }
        let other = try CloudWatchLogsHandler(label: "", shipper: shipper, logStreamName: "other")
        Logger(label: "") { _ in other }.info("two")
        try await waitUntil("the second upload is acknowledged") { try fixture.status().delivered >= 2 }
        #expect(client.messages == [["one"], ["two"]])
        #expect(await shipper.flush(timeout: patience))
        #expect(client.messages[2] == ["upload 1", "upload 2"])
    }

    @Test("What an upload logs by another shipper of the same spool causes no upload either")
    func noFeedbackByOthers() async throws {
        let logger = Mutex<Logger?>(nil)
        let client = Client { number in
            logger.withLock { $0 }?.info("upload \(number)")
            return PutLogEventsResponse()
        }
        let fixture = try SpoolFixture {
            $0.logsClient = client
            $0.bufferDuration = .milliseconds(1)
        }
        let shipper = try LogShipper(fixture.configuration)
        fixture.logger(shipper).info("zero")
        try await waitUntil("the first of them uploads") { try fixture.status().delivered == 1 }
        let bystander = try LogShipper(fixture.configuration)
        logger.withLock { $0 = fixture.logger(bystander) }
        fixture.logger(shipper).info("one")
        try await waitUntil("the second upload is acknowledged") { try fixture.pending() == ["upload 2"] }
        let other = try CloudWatchLogsHandler(label: "", shipper: shipper, logStreamName: "other")
        Logger(label: "") { _ in other }.info("two")
        try await waitUntil("the third upload is acknowledged") { try fixture.status().delivered >= 3 }
        #expect(client.messages == [["zero"], ["one"], ["two"]])
        #expect(await shipper.flush(timeout: patience))
        #expect(client.messages[3] == ["upload 2", "upload 3"])
    }

    @Test("What a task logs that a call of the client has begun, and that outlives it, is a record like any other")
    func quietTask() async throws {
        let logger = Mutex<Logger?>(nil)
        let isOver = Promise<Bool>()
        let client = Client { number in
            if number == 1 {
                let logger = logger.withLock { $0 }
                // A pool of connections, or a loop that renews credentials, begins so: with the first call.
                Task {
                    _ = await isOver.value()
                    logger?.info("tick")
                }
            }
            return .init()
        }
        let fixture = try SpoolFixture {
            $0.logsClient = client
            $0.bufferDuration = .milliseconds(100)
        }
        let shipper = try LogShipper(fixture.configuration)
        logger.withLock { $0 = fixture.logger(shipper) }
        fixture.logger(shipper).info("first")
        try await waitUntil("the first is shipped") { try fixture.status().delivered == 1 }
        isOver.fulfill(true)
        try await waitUntil("what it logged is shipped") { try fixture.status().delivered == 2 }
        withExtendedLifetime(shipper) {}
    }
}
