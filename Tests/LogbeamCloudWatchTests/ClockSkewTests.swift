import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamCloudWatch

/// Signatures and clocks, judged by an endpoint that verifies both.
@Suite("Clocks that differ")
struct ClockSkewTests {
    private static let destination = Destination(logGroup: "g", logStream: "s")

    private static func endpoint(ahead seconds: Int64 = 0) throws -> LocalEndpoint {
        let endpoint = try LocalEndpoint(clock: { Int64(Date().timeIntervalSince1970 + Double(seconds)) * 1_000 })
        endpoint.create(destination)
        return endpoint
    }

    private static func isAccepted(_ outcome: DeliveryOutcome) -> Bool {
        if case .accepted = outcome { true } else { false }
    }

    /// 5 minutes are what a signature may be off. The years are those of a machine whose clock starts in 1970, and of one
    /// whose owner mistyped.
    @Test(
        "are corrected at once, for good, and for signatures alone",
        arguments: [360, -360, 7_000, 40 * 31_536_000, -10 * 31_536_000] as [Int64]
    )
    func corrected(seconds: Int64) async throws {
        try await onOwnThread {
            let endpoint = try Self.endpoint(ahead: seconds)
            let service = CloudWatchLogsService(to: endpoint.url)
            let batches = ["one", "two", "three"].map { EventBatch.now($0, to: Self.destination) }
            for batch in batches { #expect(Self.isAccepted(service.send(batch))) }
            let records = endpoint.records
            #expect(records.refusals.map(\.errorType) == ["InvalidSignatureException"])
            #expect(records.requests.count == 4)
            let sent = records.requests.dropFirst().flatMap { $0.events.map(\.timestamp) }
            #expect(sent == batches.flatMap { $0.events.map(\.timestamp) })
        }
    }

    private static func refusal(date: String) -> Fault {
        .answer(
            403,
            headers: ["Date": date, "x-amzn-ErrorType": "InvalidSignatureException"],
            body: #"{"message":"Signature expired"}"#
        )
    }

    @Test(
        "are not corrected by what is no time of AWS",
        arguments: [
            "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 27 Mar 2014 23:59:59 GMT", "Fri, 01 Jan 2100 00:00:01 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 01 Jan 99999999999999999999 00:00:00 GMT",
            "Sat, 01 Jan -2026 00:00:00 GMT", "tomorrow", "",
        ]
    )
    func absurd(date: String) async throws {
        try await onOwnThread {
            let endpoint = try Self.endpoint()
            endpoint.enqueue(Self.refusal(date: date))
            let service = CloudWatchLogsService(to: endpoint.url)
            #expect(service.send(EventBatch.now("x", to: Self.destination)) == .accepted(.none))
            #expect(endpoint.records.requests.count == 2 && endpoint.records.refusals.isEmpty)
        }
    }

    @Test("do not move the time until which an answer asks to wait")
    func retryAfter() async throws {
        try await onOwnThread {
            let endpoint = try Self.endpoint()
            let dates = ["Date": "Sun, 30 Aug 2026 12:36:00 GMT", "Retry-After": "Sun, 30 Aug 2026 12:36:30 GMT"]
            endpoint.enqueue(.answer(503, headers: dates, body: ""))
            let outcome = CloudWatchLogsService(to: endpoint.url).send(EventBatch.now("x", to: Self.destination))
            #expect(outcome.failure?.retryAfter == .seconds(30))
        }
    }

    @Test("that somebody lied about are right again one refusal later, and no call is made more than twice")
    func lie() async throws {
        try await onOwnThread {
            let endpoint = try Self.endpoint()
            endpoint.enqueue(Self.refusal(date: "Tue, 01 Dec 2099 00:00:00 GMT"))
            let service = CloudWatchLogsService(to: endpoint.url)
            let outcome = service.send(EventBatch.now("x", to: Self.destination))
            #expect(outcome.failure?.code == "InvalidSignatureException")
            #expect(endpoint.records.requests.count == 2)
            #expect(service.send(EventBatch.now("x", to: Self.destination)) == .accepted(.none))
            #expect(endpoint.records.requests.count == 3)
        }
    }
}
