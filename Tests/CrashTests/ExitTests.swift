import Foundation
import LogbeamTestSupport
import Testing

@Suite("A service that returns from main")
struct ExitTests {
    /// Nothing is sent before the end by itself.
    private static let patient = ["BUFFER_MS": "3600000"]
    private static let expected = (1...500).map { "INFO demo: order \($0) taken thread=1" }

    @Test("ships everything before it ends")
    func flushes() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let service = try bed.startService(
                logging: 500,
                settings: Self.patient.merging(["EXIT_FLUSH_MS": "60000"]) { $1 }
            )
            #expect(try service.wait().exitCode == 0)
            #expect(bed.shipped() == Self.expected)
            #expect(try bed.pending().isEmpty)
            #expect(service.text(.standardError) == "")
        }
    }

    @Test("ships everything though nothing is left that holds the shipper", arguments: ["0", "1"])
    func released(journal: String) async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let service = try bed.startExerciser("leave", 500, settings: journal == "1" ? ["JOURNAL": "1"] : [:])
            #expect(try service.wait().exitCode == 0)
            #expect(bed.shipped() == (0..<500).map { "\($0)" })
            #expect(try bed.pending().isEmpty)
        }
    }

    @Test(
        "ships everything after a signal that calls exit, and leaves it to its next start after others",
        arguments: [true, false]
    )
    func terminated(isHandled: Bool) async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let messages = (0..<500).map { "\($0)" }
            let service = try bed.startExerciser("wait", 500, settings: isHandled ? ["HANDLES_TERM": "1"] : [:])
            try service.waitForOutput { $0 == "waiting\n" }
            service.kill(SIGTERM)
            let ended = try service.wait()
            #expect(ended.exitCode == (isHandled ? 0 : nil))
            #expect(bed.shipped() == (isHandled ? messages : []))
            if !isHandled { #expect(try bed.startExerciser("leave", 0).wait().exitCode == 0) }
            #expect(bed.shipped() == messages)
        }
    }

    enum Outage: CaseIterable {
        case refused, silent
    }

    @Test(
        "is held up for no longer than it allows while the service is out, and keeps everything",
        arguments: Outage.allCases
    )
    func outage(_ outage: Outage) async throws {
        try await onOwnThread {
            let bed = try TestBed()
            var settings = Self.patient.merging(["EXIT_FLUSH_MS": "300"]) { $1 }
            switch outage {
            // Nobody listens on tcpmux.
            case .refused: settings["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
            case .silent: bed.endpoint.setScript { _ in .hangBeforeAccepting(Gate()) }
            }
            let service = try bed.startService(logging: 500, settings: settings)
            try service.waitForLines(500)
            let start = ContinuousClock.now
            #expect(try service.wait(within: .seconds(120)).exitCode == 0)
            // A request would last 30 s, and the retries for ever.
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(try bed.pending() == Self.expected)
            #expect(bed.shipped().isEmpty)
            let told = service.text(.standardError)
            #expect(
                told.hasSuffix("logbeam: \(bed.spool): ended before everything was sent; the rest stays there\n"),
                "\(told)"
            )
        }
    }

    @Test("ends without a request where it allows no time, and its next start ships what it left")
    func noTime() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let settings = Self.patient.merging(["EXIT_FLUSH_MS": "0"]) { $1 }
            #expect(try bed.startService(logging: 500, settings: settings).wait().exitCode == 0)
            #expect(bed.endpoint.records.requests.isEmpty)
            #expect(try bed.pending() == Self.expected)

            // What it left is older than the buffer may become: nothing has to be logged, and nobody has to flush.
            let next = try bed.startService(from: 501, settings: ["BUFFER_MS": "1"])
            // Not only some number: with two batches on their way, the second may arrive first.
            #expect(
                bed.endpoint.wait {
                    Set($0.events(in: TestBed.stream).map(\.message)).isSuperset(of: Self.expected)
                }
            )
            next.kill(SIGKILL)
            _ = try next.wait()
        }
    }
}
