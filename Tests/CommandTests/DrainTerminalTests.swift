import Foundation
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("drain on a terminal", .onOwnThreads)
struct DrainTerminalTests {
    private let endpoint: LocalEndpoint
    private let command: Command

    init() throws {
        endpoint = try LocalEndpoint()
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        self.command = command
        endpoint.create(Command.destination)
    }

    @Test("Ctrl-C ends it while the endpoint hangs, and leaves a summary and what remains, and nothing of the progress")
    func interrupted() throws {
        try command.fill(["a", "b"])
        let gate = Gate()
        endpoint.enqueue(.hangBeforeAccepting(gate))
        let window = WindowSize(columns: 100, rows: 24)
        let process = try command.startOnTerminal(["drain"], window)
        #expect(gate.waitForArrivals())
        try process.waitForOutput { $0.contains("0/2 records") }
        try process.write(Key.controlC)
        #expect(try process.wait().exitCode == 75)
        gate.open()
        let screen = Screen(window, process.text())
        #expect(screen.unknown.isEmpty && screen.cursor.column == 0)
        let lines = screen.lines
        #expect(lines.first?.hasPrefix("0 records (0 B) in 0 batches, ") == true, "\(lines)")
        #expect(
            lines.dropFirst().joined().hasPrefix("logbeam-spool: stopped by a signal; 2 records remain in "),
            "\(lines)"
        )
        #expect(try command.pending() == ["a", "b"])
    }

    @Test("The progress keeps to the window, also when that becomes narrower")
    func resized() throws {
        try command.fill(["a"])
        endpoint.setScript { _ in
            .status(429, errorType: "ThrottlingException", message: "slow", headers: ["Retry-After": "200"])
        }
        let window = WindowSize(columns: 120, rows: 24)
        let process = try command.startOnTerminal(["drain"], window)
        try process.waitForOutput { $0.contains("retrying in ") && $0.contains("ThrottlingException: slow") }
        let before = process.text()
        try process.resize(WindowSize(columns: 40, rows: 24))
        // Some drawings later all are of the new width.
        try process.waitForOutput { $0.dropFirst(before.count).components(separatedBy: "\r\u{1B}[K").count > 4 }
        let last = try #require(process.text().components(separatedBy: "\r\u{1B}[K").dropLast().last)
        #expect(last.count == 39 && last.hasPrefix("[--------------------]  0 %  0/1 record"), "\(last)")
        try process.write(Key.controlC)
        #expect(try process.wait().exitCode == 75)
    }
}
