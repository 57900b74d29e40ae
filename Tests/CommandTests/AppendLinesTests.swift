import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("append, by what a line is", .onOwnThreads)
struct AppendLinesTests {
    private let command: Command

    init() throws {
        command = try Command()
    }

    private func append(_ input: String, _ options: [String]) throws -> Ended {
        let process = try command.start(Command.appendArguments + options)
        try process.write(input)
        return try Ended(process)
    }

    private func file(_ name: String, _ text: String) throws -> String {
        let path = command.directory.file(name)
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }

    private func times() throws -> [Int64] {
        try StoredRecords(path: command.spoolPath).page(after: 0).records.map(\.timestamp)
    }

    // MARK: Files

    @Test("Files and standard input are taken in their order, and each ends its last line")
    func files() throws {
        let (first, last) = (try file("first", "a\nb"), try file("last", "d\n"))
        let ended = try append("c", ["--tee", first, "-", last])
        #expect(ended.code == 0)
        #expect(try command.pending() == ["a", "b", "c", "d"])
        #expect(ended.output == "a\nbcd\n")
    }

    @Test("A file that can not be read is told, the others are taken, and the exit code is 74")
    func unreadable() throws {
        let last = try file("last", "a\n")
        let missing = command.directory.file("missing")
        let ended = try append("", [missing, command.directory.path, last])
        #expect(ended.code == 74)
        #expect(try command.pending() == ["a"])
        #expect(
            ended.error == """
                logbeam-spool: can not read \(missing): No such file or directory
                logbeam-spool: can not read \(command.directory.path): Is a directory

                """
        )
    }

    @Test("A signal ends the waiting for whoever writes into a named pipe")
    func namedPipe() throws {
        let pipe = command.directory.file("pipe")
        let process = try command.startShell(
            "mkfifo '\(pipe)'; echo ready; exec \"$command\" \(Command.appendArguments.joined(separator: " ")) '\(pipe)'"
        )
        #expect(eventually { (try? command.status())?.streams.count == 1 })
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 0)
    }

    // MARK: JSON

    @Test("JSON lines go to the stream that they name, and what is none is taken as it is, and told")
    func json() throws {
        let ended = try append(
            """
            {"time":"2026-11-26T12:00:00Z","message":"a","log_stream":"other"}
            Traceback
            {"message":"b\\nc","level":"info"}

            """,
            ["--format", "json", "--tee"]
        )
        #expect(ended.code == 0)
        let records = try StoredRecords(path: command.spoolPath).page(after: 0).records
        #expect(records.map { String(decoding: $0.message, as: UTF8.self) } == ["a", "Traceback", "b\nc"])
        #expect(records.map(\.destination.logStream) == ["other", "stream", "stream"])
        #expect(records.map(\.destination.logGroup) == ["group", "group", "group"])
        #expect(records.first?.timestamp == UTCTime.milliseconds(iso8601: "2026-11-26T12:00:00Z"))
        #expect(ended.output.hasPrefix("{\"time\":\"2026-11-26T12:00:00Z\""))
        #expect(ended.error.hasPrefix("logbeam-spool: 1 line could not be read as JSON objects with message, time"))
    }

    // MARK: Several lines

    @Test("A record of several lines is committed, and then echoed, when the next one begins")
    func multiline() throws {
        let process = try command.start(
            Command.appendArguments + ["--multiline-start", "^[^ ]", "--multiline-wait", "60", "--tee"]
        )
        try process.write("one\n more\ntw")
        try process.write("o\nthree\n  m")
        try process.waitForOutput { $0 == "one\n more\ntwo\n" }
        #expect(try command.pending() == ["one\n more", "two"])
        try process.write("ore")
        #expect(try Ended(process).code == 0)
        #expect(try command.pending() == ["one\n more", "two", "three\n  more"])
        #expect(process.text() == "one\n more\ntwo\nthree\n  more")
    }

    @Test("A record waits for more lines no longer than --multiline-wait, and half a line until it is whole")
    func waiting() throws {
        let process = try command.start(
            Command.appendArguments + ["--multiline-start", "^[^ ]", "--multiline-wait", "0.05"]
        )
        try process.write("one\n more\nhalf")
        #expect(try eventually { try command.pending() == ["one\n more"] })
        try process.write(" a line\n")
        #expect(try eventually { try command.pending() == ["one\n more", "half a line"] })
        #expect(try Ended(process).code == 0)
    }

    @Test("A record that does not end is bounded, and that is told")
    func endless() throws {
        let line = " " + String(repeating: "x", count: 99_999)
        // However slow the machine is: it is not the time that ends the record.
        let ended = try append(
            "a\n" + repeatElement(line + "\n", count: 25).joined(),
            ["--multiline-start", "^[^ ]", "--multiline-wait", "60"]
        )
        #expect(ended.code == 0)
        #expect(ended.error == "logbeam-spool: 1 record longer than 1,048,550 bytes became several records\n")
        let pending = try command.pending()
        #expect(pending.count == 3)
        #expect(pending.joined().filter { $0 == "x" }.count == 25 * 99_999)
    }

    // MARK: Times

    @Test("A line has its own time, or that of the line before it, or the present")
    func timestamps() throws {
        var command = command
        command.environment["TZ"] = "Asia/Kolkata"
        let present = WallClock.milliseconds()
        let process = try command.start(Command.appendArguments + ["--timestamp", "%Y-%m-%d %H:%M:%S,%f"])
        try process.write("starting\n2026-11-26 12:00:00,250 a\n  at b\nx 2026-11-26 12:00:01,000 c\n")
        #expect(try Ended(process).code == 0)
        let time = try #require(UTCTime.milliseconds(iso8601: "2026-11-26T06:30:00.250Z"))
        let times = try times()
        #expect(Array(times.dropFirst()) == [time, time, time + 750])
        #expect(times[0] >= present)
    }

    @Test("Lines join by their times as the awslogs agent had it, and UTC is an option")
    func byTimestamp() throws {
        var command = command
        command.environment["TZ"] = "Asia/Kolkata"
        let options = [
            "--timestamp", "%b %d %H:%M:%S %Y", "--multiline-start", "{datetime_format}", "--time-zone", "utc",
        ]
        let process = try command.start(Command.appendArguments + options)
        try process.write("Nov 26 12:00:00 2026 a\nb\n\nc Nov 26 12:00:05 2026\n")
        #expect(try Ended(process).code == 0)
        #expect(try command.pending() == ["Nov 26 12:00:00 2026 a\nb\n", "c Nov 26 12:00:05 2026"])
        let time = try #require(UTCTime.milliseconds(iso8601: "2026-11-26T12:00:00Z"))
        #expect(try times() == [time, time + 5_000])
    }

    @Test("Times that CloudWatch Logs does not take are told, and so is a format that finds none")
    func outside() throws {
        let old = try append("2001-01-01 x\n2001-01-02 x\n2999-01-01 x\n", ["--timestamp", "%Y-%m-%d"])
        #expect(
            old.error == """
                logbeam-spool: 2 records older than 14 days, which CloudWatch Logs does not take
                logbeam-spool: 1 record more than 2 hours in the future, which CloudWatch Logs does not take yet

                """
        )
        let none = try append("2001-01-01 x\n", ["--timestamp", "%d.%m.%Y"])
        #expect(none.error == "logbeam-spool: 1 line had no time as --timestamp has it\n")
        #expect(none.code == 0)
    }

    @Test(
        "Options that can not work end with 64 and say why",
        arguments: [
            (["--multiline-start", "(a)\\1"], "no back references"),
            (["--multiline-start", "("], "--multiline-start is \"(\""),
            (["--multiline-start", "{datetime_format}"], "needs --timestamp"),
            (["--timestamp", "%H"], "a day and a month"),
            (["--format", "json", "--timestamp", "%F"], "goes together"), (["--multiline-wait", "0"], "0.01 to 60"),
            (["--multiline-wait", "nan"], "0.01 to 60"), (["--format", "xml"], "--format"),
        ]
    )
    func usage(options: [String], told: String) throws {
        let ended = try command.run(Command.appendArguments + options)
        #expect(ended.code == 64)
        #expect(ended.error.contains(told))
        #expect(!FileManager.default.fileExists(atPath: command.spoolPath))
    }

    // MARK: SIGKILL

    struct Kill: Sendable, CustomTestStringConvertible {
        var look: String
        var options: [String]
        var killsProducer: Bool

        static let all = [
            ("lines", []), ("multiline", ["--multiline-start", "^record"]), ("json", ["--format", "json"]),
        ]
        .flatMap { look, options in
            [true, false].map { Kill(look: look, options: options, killsProducer: $0) }
        }

        var testDescription: String { "\(look), \(killsProducer ? "the producer" : "append")" }

        /// The numbers of the whole records in a text, as they were written.
        func numbers(in text: String) -> [Int] {
            let whole = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            return whole.compactMap { line in
                let digits = line.drop { !$0.isNumber }.prefix { $0.isNumber }
                return line.contains("record ") ? Int(digits) : nil
            }
        }
    }

    @Test(
        "What a program in another language wrote and --tee has shown survives SIGKILL of either",
        arguments: Kill.all
    )
    func killed(_ kill: Kill) throws {
        let pipe = command.directory.file("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "Python/produce.py"
        )
        let process = try command.start(Command.appendArguments + kill.options + ["--tee", pipe])
        let producer = try ChildProcess("/usr/bin/env", ["python3", script.path, pipe, kill.look])
        try process.waitForOutput { $0.utf8.count > 100_000 }
        if kill.killsProducer {
            producer.kill(SIGKILL)
            #expect(try process.wait().exitCode == 0)
        } else {
            process.kill(SIGKILL)
            #expect(try process.wait().signal == SIGKILL)
            producer.kill(SIGKILL)
        }
        _ = try producer.wait()

        let shown = kill.numbers(in: process.text())
        let pending = try command.pending()
        #expect(shown.count > 1_000)
        #expect(shown == Array(0..<shown.count))
        #expect(pending.count >= shown.count)
        for (number, message) in pending.enumerated().dropLast() {
            let detail = kill.look == "multiline" ? String(repeating: "\n  at frame", count: number % 4) : ""
            try #require(message == "record \(number)\(detail)")
        }
    }
}
