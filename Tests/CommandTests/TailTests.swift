import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("tail", .onOwnThreads)
struct TailTests {
    private let command: Command

    init() throws {
        command = try Command()
    }

    private static let time = "2026-11-26T12:00:00.250Z"

    private func fill(_ messages: [String], stream: String = "stream") throws {
        try command.fill(
            messages,
            destination: Destination(logGroup: "group", logStream: stream),
            timestamp: try #require(UTCTime.milliseconds(iso8601: Self.time))
        )
    }

    /// The messages in lines of fields.
    private func messages(_ output: String) -> [String] {
        output.split(separator: "\n").map {
            String($0.split(separator: "\t", omittingEmptySubsequences: false).last ?? "")
        }
    }

    @Test("The newest records are shown, oldest first; as fields, as JSON, and for people")
    func newest() throws {
        try fill((0..<30).map { "line \($0)" })
        try fill(["a\tb\n\u{1B}[31m\r"], stream: "other")
        #expect(try messages(command.run(["tail"]).output).count == 10)
        #expect(
            try messages(command.run(["tail", "-n", "3", "--log-stream", "stream"]).output) == [
                "line 27", "line 28", "line 29",
            ]
        )
        #expect(try command.run(["tail", "-n", "1"]).output == "\(Self.time)\tgroup\tother\ta\\tb\\n\\u001b[31m\\r\n")
        #expect(try command.run(["tail", "-n", "0"]).output.isEmpty)
        #expect(try command.run(["tail", "-n", "-1"]).code == 64)
        let json = try command.run(["tail", "-n", "1", "--json", "--log-stream", "stream"]).output
        #expect(
            json == #"{"time":"\#(Self.time)","log_group":"group","log_stream":"stream","message":"line 29"}"# + "\n"
        )
        var onTerminal = command
        onTerminal.environment["NO_COLOR"] = "1"
        onTerminal.environment["TZ"] = "Asia/Kolkata"
        let shown = try onTerminal.runOnTerminal(["tail", "-n", "2"]).output
        #expect(
            shown.replacing("\r\n", with: "\n") == """
                2026-11-26 17:30:00.250 +0530  group stream  line 29
                2026-11-26 17:30:00.250 +0530  group other  a\\tb
                    \\u001b[31m\\r

                """
        )
    }

    @Test("No spool: 66, also with -f")
    func missing() throws {
        #expect(try command.run(["tail"]).code == 66)
        #expect(try command.run(["tail", "-f"]).code == 66)
    }

    @Test(
        "With -f each record is shown once, in order, as it is committed; a signal ends it",
        arguments: [SIGINT, SIGTERM]
    )
    func follows(signal: Int32) throws {
        try fill(["old 1", "old 2"])
        let tail = try command.start(["tail", "-f", "-n", "1"])
        try tail.waitForOutput { $0.hasSuffix("old 2\n") }
        let writer = try command.start(Command.appendArguments)
        let lines = (0..<20_000).map { "line \($0)" }
        try writer.write("line 0\n")
        try tail.waitForOutput { $0.hasSuffix("line 0\n") }
        try writer.write(lines.dropFirst().joined(separator: "\n") + "\n")
        #expect(try Ended(writer).code == 0)
        try tail.waitForOutput { $0.hasSuffix("line 19999\n") }
        tail.kill(signal)
        #expect(try tail.wait().exitCode == 0)
        #expect(messages(tail.text()) == ["old 2"] + lines)
        #expect(tail.text(.standardError).isEmpty)
    }

    @Test("With -f it ends when nobody reads any more, though nothing is committed")
    func closedOutput() throws {
        try fill(["a", "b"])
        let ended = try command.runShell("set -o pipefail; \"$command\" tail -f | head -n 1")
        #expect(ended.code == 0)
        #expect(messages(ended.output) == ["a"])
        #expect(ended.error.isEmpty)
    }

    @Test("With -f it goes on when the file is replaced, and tells so")
    func replaced() throws {
        try fill(["old"])
        let tail = try command.start(["tail", "-f"])
        try tail.waitForOutput { $0.hasSuffix("old\n") }
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: command.spoolPath + suffix) }
        try fill(["new"])
        try tail.waitForOutput { $0.hasSuffix("new\n") }
        try fill(["newer"])
        try tail.waitForOutput { $0.hasSuffix("newer\n") }
        tail.kill(SIGINT)
        #expect(try tail.wait().exitCode == 0)
        #expect(messages(tail.text()) == ["old", "new", "newer"])
        #expect(tail.text(.standardError) == "logbeam-spool: the spool was replaced; going on with the new one\n")
    }

    @Test("Beside a writer and drains each record is shown once, or counted as gone before it could be")
    func live() throws {
        let endpoint = try LocalEndpoint()
        var command = command
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        try fill(["first"])
        let tail = try command.start(["tail", "-f"])
        try tail.waitForOutput { $0.hasSuffix("first\n") }
        let drains = try command.startShell(
            "while ! [ -e '\(command.spoolPath).stop' ]; do \"$command\" drain || exit; done"
        )
        let lines = (0..<10_000).map { "line \($0)" }
        let writer = try command.start(Command.appendArguments)
        for start in stride(from: 0, to: lines.count, by: 100) {
            try writer.write(lines[start..<(start + 100)].joined(separator: "\n") + "\n")
        }
        #expect(try Ended(writer).code == 0)
        #expect(endpoint.wait { $0.acceptedCount > lines.count })
        try Data().write(to: URL(fileURLWithPath: command.spoolPath + ".stop"))
        #expect(try Ended(drains).code == 0)
        /// How many records it said that it could not show.
        func told() -> Int {
            let counts = tail.text(.standardError).split(separator: "\n").map { line in
                Int(line.drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "," }.filter(\.isNumber)) ?? 0
            }
            return counts.reduce(0, +)
        }
        #expect(eventually { messages(tail.text()).count + told() == lines.count + 1 })
        tail.kill(SIGINT)
        #expect(try tail.wait().exitCode == 0)
        let shown = messages(tail.text())
        #expect(Set(shown).count == shown.count)
        #expect(shown.count + told() == lines.count + 1)
        #expect(Set(shown).subtracting(lines) == ["first"])
    }

    @Test("A reader that does not read does not hold it up past a signal")
    func stalledReader() throws {
        try fill((0..<100).map { "\($0) \(String(repeating: "x", count: 10_000))" })
        let process = try command.startShell(
            "exec 3< <(\"$command\" tail -n 100); echo $!; head -c 1 <&3; wait $!; echo \" ended with $?\""
        )
        let text = try process.waitForOutput { $0.hasSuffix("\n2") }
        kill(try #require(pid_t(text.split(separator: "\n")[0])), SIGTERM)
        try process.waitForOutput { $0.contains("ended with 0") }
    }
}
