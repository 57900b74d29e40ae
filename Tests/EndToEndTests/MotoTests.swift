import Foundation
import LogbeamCore
import LogbeamTestSupport
import Logging
import Testing

@testable import Logbeam

/// moto takes what is shipped, and boto3 reads it back: neither was written by us.
@Suite("What is shipped is what boto3 reads back")
struct MotoTests {
    /// One server for all: it ends with the tests. Each test has a group of its own.
    private static let server = Result { try MotoServer() }

    private func send(
        _ messages: [String],
        group: String,
        change: (inout LogShipper.Configuration) -> Void = { _ in }
    ) async throws -> [[UInt8]] {
        let moto = try Self.server.get()
        let sender = try Sender(to: moto.url, group: group, change: change)
        sender.log(messages)
        #expect(await sender.shipper.flush(timeout: patience))
        #expect(try await sender.query("SELECT count(*) FROM records").first == "0")
        #expect(try await sender.query("SELECT reason FROM rejected").isEmpty)
        return try await moto.readBack(sender.destination).map(\.bytes)
    }

    private static func expected(_ messages: [String]) -> [[UInt8]] {
        messages.map { Array("INFO test: \($0)".utf8) }
    }

    @Test("10,001 records in one go, one more than a batch holds, in their order, in a group that did not exist")
    func many() async throws {
        let messages = (1...10_001).map { "record \($0)" }
        #expect(try await send(messages, group: "/many") { $0.maximumInFlight = 1 } == Self.expected(messages))
    }

    @Test("characters of every plane, and everything that JSON or a terminal takes for something else")
    func characters() async throws {
        var messages = (0...16).map { plane in
            String(
                String.UnicodeScalarView(
                    [0x0000, 0x0041, 0xfffd, 0xffff].compactMap { Unicode.Scalar(plane << 16 | $0) }
                )
            )
        }
        messages += (0..<0x20).compactMap { Unicode.Scalar($0).map { "<\(Character($0))>" } }
        messages += [
            "\u{7f}\u{80}\u{9f}\u{2028}\u{2029}", "\r\n", "\"\\\"\\\\/\\u0041", "{\"a\":1}", "e\u{301} \u{e9}", " ",
        ]
        var random = SeededGenerator(seed: 1)
        messages += (0..<2_000).map { _ in
            String(
                String.UnicodeScalarView(
                    (0..<20).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0...0x10ffff, using: &random)) }
                )
            )
        }
        #expect(try await send(messages, group: "/characters") == Self.expected(messages))
    }

    @Test("a message of the greatest length, between small ones")
    func long() async throws {
        let room = 1_048_550 - "INFO test: ".utf8.count
        let messages = [
            "before", String(repeating: "é", count: room / 2) + String(repeating: "x", count: room % 2), "after",
        ]
        // Each is a batch, and in the same millisecond the order is that of their arrival.
        let found = try await send(messages, group: "/long") { $0.maximumInFlight = 1 }
        #expect(found == Self.expected(messages), "of \(found.map(\.count)) bytes")
    }

    @Test("two streams of one spool, each with its own records")
    func twoStreams() async throws {
        let moto = try Self.server.get()
        let sender = try Sender(to: moto.url, group: "/two")
        let other = Destination(logGroup: "/two/other", logStream: "other stream, [$LATEST]")
        let handler = try CloudWatchLogsHandler(
            label: "test",
            shipper: sender.shipper,
            logGroupName: other.logGroup,
            logStreamName: other.logStream
        )
        let logger = Logger(label: "test") { _ in handler }
        for number in 1...500 {
            sender.log(["own \(number)"])
            logger.info("other \(number)")
        }
        #expect(await sender.shipper.flush(timeout: patience))
        let own = try await moto.readBack(sender.destination).map(\.message)
        #expect(own == (1...500).map { "INFO test: own \($0)" })
        #expect(try await moto.readBack(other).map(\.message) == (1...500).map { "INFO test: other \($0)" })
    }

    @Test("records in JSON that a parser understands, with all that was logged")
    func json() async throws {
        let messages = ["plain", "\"quoted\" \\ \0 \u{1f} \u{2028} 🛰", ""]
        let bytes = try await send(messages, group: "/json") { $0.format = .json }
        let parsed = try bytes.map { try #require(JSONSerialization.jsonObject(with: Data($0)) as? [String: Any]) }
        #expect(parsed.map { $0["message"] as? String } == messages)
        #expect(parsed.allSatisfy { $0["level"] as? String == "info" && $0["label"] as? String == "test" })
    }

    @Test("batches that fill up are sent without a flush, and their timestamps are the time of logging")
    func timestamps() async throws {
        let moto = try Self.server.get()
        let sender = try Sender(to: moto.url, group: "/timestamps") { configuration in
            configuration.batchCount = 100
            // moto keeps events in the order in which they come.
            configuration.maximumInFlight = 1
        }
        let start = Int64(Date().timeIntervalSince1970 * 1000)
        sender.log((1...1_000).map { "record \($0)" })
        let end = Int64(Date().timeIntervalSince1970 * 1000)
        // No flush: the records leave because their batches are full.
        let deadline = ContinuousClock.now + patience
        while try await sender.query("SELECT count(*) FROM records") != ["0"], ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(50))
        }
        let events = try await moto.readBack(sender.destination)
        #expect(events.map(\.message) == (1...1_000).map { "INFO test: record \($0)" })
        #expect(events.allSatisfy { (start...end).contains($0.timestamp) })
    }
}
