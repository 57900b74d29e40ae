import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("append", .onOwnThreads)
struct AppendTests {
    private let command: Command

    init() throws {
        command = try Command()
    }

    private func start(_ options: String...) throws -> ChildProcess {
        try command.start(Command.appendArguments + options)
    }

    /// Runs `append` with a file as its input.
    private func run(_ input: [UInt8], prefix: String = "", options: String = "") throws -> Ended {
        let file = command.directory.file("input")
        try Data(input).write(to: URL(fileURLWithPath: file))
        return try command.runShell(
            "\(prefix) exec \"$command\" \(Command.appendArguments.joined(separator: " ")) \(options) < '\(file)'"
        )
    }

    @Test("100,000 lines arrive, in order")
    func many() throws {
        let lines = (0..<100_000).map { "line \($0)" }
        let process = try start()
        try process.write(lines.joined(separator: "\n") + "\n")
        let ended = try Ended(process)
        #expect(ended.code == 0)
        #expect(ended.output.isEmpty && ended.error.isEmpty)
        #expect(try command.pending() == lines)
        #expect(try command.status().streams.map(\.destination) == [Command.destination])
    }

    @Test("A lone line is committed while the input stays open; one without its end is not")
    func loneLine() throws {
        let process = try start()
        try process.write("one\ntwo")
        #expect(try eventually { try command.pending() == ["one"] })
        try process.write("!\n")
        #expect(try eventually { try command.pending() == ["one", "two!"] })
        #expect(try Ended(process).code == 0)
    }

    @Test("Placeholders in the name of the stream are replaced")
    func placeholders() throws {
        let ended = try command.runShell(
            "echo a | \"$command\" append --log-group group --log-stream '{program}-{{x}}'"
        )
        #expect(ended.code == 0)
        let stream = Destination(logGroup: "group", logStream: "logbeam-spool-{x}")
        #expect(try command.status().streams.map(\.destination) == [stream])
    }

    @Test("The time of a record is that of its line")
    func time() throws {
        let before = WallClock.milliseconds()
        #expect(try run(Array("a\n".utf8)).code == 0)
        let oldest = try #require(try command.status().oldest)
        #expect((before...WallClock.milliseconds()).contains(oldest))
    }

    @Test("CR LF, empty lines and a last line without its end are understood")
    func ends() throws {
        #expect(try run(Array("a\r\n\nb\rc\nlast\r".utf8)).code == 0)
        #expect(try command.pending() == ["a", "", "b\rc", "last\r"])
    }

    @Test("No input makes a spool without records")
    func empty() throws {
        #expect(try run([]).code == 0)
        #expect(try command.status().pending == 0)
    }

    @Test("Standard streams that are closed do no harm, but what can not be read or written is an error")
    func closedStreams() throws {
        let append = "exec \"$command\" \(Command.appendArguments.joined(separator: " "))"
        #expect(try command.runShell("\(append) --tee <&- >&- 2>&-").code == 74)
        #expect(try command.status().pending == 0)
        #expect(try command.runShell("echo a | \(append) >&- 2>&-").code == 0)
        #expect(try command.runShell("echo b | \(append) --tee >&- 2>&-").code == 74)
        #expect(try command.pending() == ["a", "b"])
    }

    @Test("With --tee a line that can be seen is committed")
    func teeOrder() throws {
        let process = try start("--tee")
        for number in 1...20 {
            try process.write("line \(number)\n")
            try process.waitForOutput { $0.hasSuffix("line \(number)\n") }
            #expect(try command.pending().count == number)
        }
        #expect(try Ended(process).code == 0)
    }

    @Test("--tee passes every byte on, and junk is mended in the spool")
    func junk() throws {
        var random = SeededGenerator(seed: 7)
        let bytes = (0..<400_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let output = command.directory.file("output")
        #expect(try run(bytes, options: "--tee > '\(output)'").code == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: output)) == Data(bytes))
        #expect(try command.pending() == LineBufferTests.expected(bytes))
    }

    @Test("A line of 3 MiB becomes consecutive records, and that is told once")
    func longLine() throws {
        let line = "x" + String(repeating: "é", count: 1_572_864)
        let ended = try run(Array("before\n\(line)\nafter\n".utf8))
        #expect(ended.code == 0)
        #expect(ended.error == "logbeam-spool: 1 line longer than 1,048,550 bytes became several records\n")
        let pending = try command.pending()
        #expect(pending.first == "before" && pending.last == "after")
        let pieces = pending.dropFirst().dropLast()
        #expect(pieces.joined() == line)
        #expect(pieces.map(\.utf8.count) == [1_048_549, 1_048_550, 1_048_550, 80])
    }

    // MARK: Ends

    @Test("A signal ends it with everything committed that was written before", arguments: [SIGTERM, SIGINT, SIGHUP])
    func signals(signal: Int32) throws {
        let process = try start("--tee")
        try process.write("first\n")
        try process.waitForOutput { $0 == "first\n" }
        process.kill(SIGSTOP)
        let lines = (0..<1_000).map { "line \($0)" }
        try process.write(lines.joined(separator: "\n") + "\nhalf")
        process.kill(signal)
        process.kill(SIGCONT)
        #expect(try process.wait().exitCode == 0)
        #expect(try command.pending() == ["first"] + lines + ["half"])
        #expect(process.text() == (["first"] + lines + ["half"]).joined(separator: "\n"))
    }

    @Test("A signal ends it though nobody reads what --tee writes")
    func stalledReader() throws {
        let file = command.directory.file("input")
        try String(repeating: "0123456789\n", count: 100_000).write(toFile: file, atomically: false, encoding: .utf8)
        // The reader holds the pipe open and reads nothing, until the command is gone.
        let process = try command.startShell(
            """
            mkfifo '\(file).pipe'; exec 9<>'\(file).pipe'
            "$command" \(Command.appendArguments.joined(separator: " ")) --tee < '\(file)' > '\(file).pipe' &
            read -r; kill -TERM $!; wait $!; exit $?
            """
        )
        #expect(try eventually { try command.pending().count > 6_000 })
        try process.write("\n")
        #expect(try process.wait().exitCode == 0)
    }

    @Test("A signal that was ignored at the start stays ignored")
    func ignoredSignal() throws {
        let arguments = Command.appendArguments.joined(separator: " ")
        let process = try command.startShell("trap '' HUP; exec \"$command\" \(arguments) --tee")
        try process.write("one\n")
        try process.waitForOutput { $0 == "one\n" }
        process.kill(SIGHUP)
        for text in ["two\n", "three\n"] {
            try process.write(text)
            try process.waitForOutput { $0.hasSuffix(text) }
        }
        #expect(try Ended(process).code == 0)
    }

    @Test("SIGKILL in the middle of a stream loses nothing that --tee has shown")
    func killed() throws {
        let process = try start("--tee")
        let writer = Thread {
            var number = 0
            // Ends with the process, when the pipe is broken.
            while (try? process.write("line \(number)\n")) != nil { number += 1 }
        }
        writer.start()
        try process.waitForOutput { $0.utf8.count > 20_000 }
        process.kill(SIGKILL)
        #expect(try process.wait().signal == SIGKILL)
        let shown = process.text().split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        let pending = try command.pending()
        #expect(shown.count > 1_000)
        #expect(Array(pending.prefix(shown.count)) == shown)
        #expect(pending == (0..<pending.count).map { "line \($0)" })
    }

    @Test("It ends with 0 when the reader of --tee is gone, and what was read is committed")
    func closedOutput() throws {
        let lines = (0..<200_000).map { "this is line number \($0)" }
        let file = command.directory.file("input")
        try (lines.joined(separator: "\n") + "\n").write(toFile: file, atomically: false, encoding: .utf8)
        let arguments = Command.appendArguments.joined(separator: " ")
        let ended = try command.runShell("set -o pipefail; \"$command\" \(arguments) --tee < '\(file)' | head -n 3")
        #expect(ended.code == 0)
        #expect(ended.output == lines.prefix(3).joined(separator: "\n") + "\n")
        #expect(ended.error.isEmpty)
        let pending = try command.pending()
        #expect(pending.count > 3 && pending.count < lines.count)
        // The read may have ended inside a line, which is committed as it is.
        #expect(Array(pending.dropLast()) == Array(lines.prefix(pending.count - 1)))
        #expect(lines[pending.count - 1].hasPrefix(try #require(pending.last)))
    }

    // MARK: Failures

    @Test(
        "Lines that the spool does not take go to standard error and are counted, and the exit code is 74",
        .disabled(if: Sanitizer.isThread, "a program with ThreadSanitizer does not run where files may not grow")
    )
    func full() throws {
        let lines = (0..<2_000).map { "\($0) " + String(repeating: "x", count: 120) }
        // The lines of one read need more room in the write-ahead log than a file may have; the count needs less.
        let ended = try run(
            Array((lines.joined(separator: "\n") + "\n").utf8),
            prefix: "ulimit -f 200;",
            options: "--tee"
        )
        #expect(ended.code == 74)
        let prefix = "logbeam-spool: not spooled: "
        let told = ended.error.split(separator: "\n").filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
        let all = try command.pending()
        let pending = all.filter { !$0.hasPrefix("logbeam: ") }
        #expect(all.count == pending.count + 1, "the gap is told in the stream")
        #expect(!told.isEmpty)
        #expect(told.map(String.init) + pending == lines)
        #expect(ended.output == pending.map { $0 + "\n" }.joined())
        #expect(try command.status().dropped == told.count)
        #expect(ended.error.hasSuffix("records are not in the spool, and went to standard error\n"))
    }

    @Test(
        "What was committed to a file that is deleted, where there can be no new one, goes to standard error",
        arguments: [
            "rm '$0'*; mkdir '$0'", "echo text > '$0-new'; rm '$0'; ln -s '$0-new' '$0'",
        ]
    )
    func nameless(script: String) throws {
        let process = try start("--tee")
        try process.write("a\n")
        try process.waitForOutput { $0 == "a\n" }
        #expect(try command.runShell(script.replacingOccurrences(of: "$0", with: command.spoolPath)).code == 0)
        try process.write("b\n")
        try process.waitForOutput { $0 == "a\nb\n" }
        let ended = try Ended(process)
        #expect(ended.code == 74)
        #expect(ended.error.contains("no name any more, and ends with this process"), "\(ended.error)")
        #expect(
            ended.error.hasSuffix(
                """
                logbeam-spool: not spooled: a
                logbeam-spool: not spooled: b
                logbeam-spool: 2 records are not in the spool, and went to standard error

                """
            ),
            "\(ended.error)"
        )
    }

    @Test("What was committed to a file that is deleted right before the end is in the new one")
    func deletedAtTheEnd() throws {
        let process = try start("--tee")
        try process.write("a\nb\n")
        try process.waitForOutput { $0 == "a\nb\n" }
        #expect(try command.runShell("rm '\(command.spoolPath)'*").code == 0)
        let ended = try Ended(process)
        #expect(ended.code == 0)
        #expect(try command.pending() == ["a", "b"])
    }

    @Test("An output that can not be written is an error, but all lines of all files are committed")
    func unwritableOutput() throws {
        // Several reads, and so several chunks.
        let lines = (0..<50_000).map { "this is line number \($0)" }
        let file = command.directory.file("last")
        try "last\n".write(toFile: file, atomically: false, encoding: .utf8)
        let input = Array((lines.joined(separator: "\n") + "\n").utf8)
        let ended = try run(input, options: "--tee - '\(file)' > /dev/full")
        #expect(ended.code == 74)
        let told = "logbeam-spool: can not write to standard output: No space left on device; going on without it\n"
        #expect(ended.error == told)
        #expect(try command.pending() == lines + ["last"])
    }

    @Test(
        "On a terminal no line that the spool does not take can control it",
        .disabled(if: Sanitizer.isThread, "a program with ThreadSanitizer does not run where files may not grow")
    )
    func unspooledOnTerminal() async throws {
        try await onOwnThread {
            let file = command.directory.file("input")
            let lines = (0..<2_000).map { "\($0) \u{1B}[2J\(String(repeating: "x", count: 120))\n" }
            try lines.joined().write(toFile: file, atomically: false, encoding: .utf8)
            let append = "'\(command.executable)' \(Command.appendArguments.joined(separator: " ")) '\(file)'"
            let process = try ChildProcess(
                on: WindowSize(),
                "/bin/bash",
                ["-c", "ulimit -f 200; exec \(append)"],
                environment: command.environment
            )
            #expect(try process.wait().exitCode == 74)
            let shown = process.text()
            #expect(shown.contains(#"not spooled: 0 \u001b[2Jx"#), "\(shown.prefix(500))")
            #expect(!shown.contains("\u{1B}[2J"))
        }
    }
}
