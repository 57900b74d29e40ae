import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("export and import", .onOwnThreads)
struct ExportImportTests {
    private let command: Command

    init() throws {
        command = try Command()
    }

    private var target: String { command.directory.file("target.db") }

    private func records(_ path: String) throws -> [StoredRecord] {
        var records: [StoredRecord] = []
        try StoredRecords(path: path).forEachPage { page throws(SpoolError) in
            records += page
            return false
        }
        return records
    }

    /// All but the ids, which are new after an import.
    private func contents(_ path: String) throws -> [StoredRecord] {
        try records(path).map {
            var record = $0
            record.id = 0
            return record
        }
    }

    private func write(_ lines: [String], to name: String = "lines.jsonl") throws -> String {
        let path = command.directory.file(name)
        try lines.map { $0 + "\n" }.joined().write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }

    private static func line(_ number: Int, time: String = "2026-11-26T12:00:00Z") -> String {
        #"{"time":"\#(time)","log_group":"g","log_stream":"s","message":"record \#(number)"}"#
    }

    @Test("What was exported comes back to the byte, with its time and its stream")
    func roundTrip() throws {
        let nasty = [
            "", " ", "a\nb\r\n", "\0", "\u{1}\u{1F}\u{7F}\u{85}\u{2028}\u{202E}", "\"\\/\u{8}\u{C}\t", "é€😀👩‍👩‍👧‍👦",
            "{\"time\":1}", String(repeating: "\0", count: 1_048_550), String(repeating: "😀", count: 262_137),
            "\u{FFFD}\u{FFFE}\u{10FFFF}",
        ]
        for (index, time) in ([0, 1, 253_402_300_799_999, -1, 1_795_694_400_123] as [Int64]).enumerated() {
            let stream = "strange \" \\ é stream \(index)"
            try command.fill(nasty, destination: Destination(logGroup: "a/b", logStream: stream), timestamp: time)
        }
        let file = command.directory.file("export.jsonl")
        let ended = try command.run(["export", "--to", file])
        #expect(ended.code == 0 && ended.output.isEmpty && ended.error.isEmpty)
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.filter { $0 == "\n" }.count == 5 * nasty.count)

        let imported = try command.run(["import", "--spool", target, file])
        #expect(imported.code == 0)
        #expect(imported.error == "logbeam-spool: 55 records imported\n")
        #expect(try contents(target) == contents(command.spoolPath))
        #expect(try command.run(["export", "--spool", target]).output == text)
    }

    @Test("What is not UTF-8 in the spool is exported with U+FFFD")
    func invalid() throws {
        try command.fill(["x"])
        _ = try command.runShell(
            "sqlite3 '\(command.spoolPath)' \"UPDATE records SET message = CAST(x'61ff62' AS TEXT)\""
        )
        #expect(try command.run(["export"]).output.contains(#""message":"a\#u{FFFD}b"}"#))
    }

    @Test("Filters choose log streams, and an existing file is not written over")
    func options() throws {
        try command.fill(["a"])
        try command.fill(["b"], destination: Destination(logGroup: "group", logStream: "other"))
        #expect(try command.run(["export", "--log-stream", "other"]).output.contains("\"b\""))
        #expect(try command.run(["export", "--log-group", "none"]).output.isEmpty)
        let file = try write(["keep"])
        let ended = try command.run(["export", "--to", file])
        #expect(ended.code == 74)
        #expect(
            ended.error
                == "logbeam-spool: can not make \(file): it exists already; choose another name, or delete it\n"
        )
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "keep\n")
        #expect(try command.runShell("\"$command\" export > /dev/full").code == 74)
    }

    @Test("An export that can not be ended leaves nothing, and the same command succeeds when it can")
    func unfinished() throws {
        try command.fill((0..<30).map { "\($0) \(String(repeating: "x", count: 100_000))" })
        let directory = try TemporaryDirectory()
        let file = directory.file("export.jsonl")
        let export = "exec $command export --to '\(file)'"
        let ended = try command.runShell("ulimit -f 1500; \(export)")
        #expect(ended.code == 74)
        #expect(ended.error == "logbeam-spool: can not write to \(file): File too large\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
        #expect(try command.runShell(export).code == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["export.jsonl"])
        #expect(try command.run(["import", "--spool", target, file]).code == 0)
        #expect(try contents(target) == contents(command.spoolPath))
    }

    @Test("A log stream that the spool does not know: 66, and no file is made", arguments: ["stream", "group"])
    func unknownStream(option: String) throws {
        try command.fill(["a"])
        let file = command.directory.file("records.jsonl")
        let ended = try command.run(["export", "--to", file, "--log-\(option)", "typo"])
        #expect(ended.code == 66 && ended.error.contains("no such log stream"))
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test("An export that nobody reads any more ends, and one on a terminal controls nothing")
    func readers() throws {
        try command.fill(Array(repeating: String(repeating: "x", count: 1_000), count: 3_000))
        let ended = try command.runShell("set -o pipefail; \"$command\" export | head -n 1")
        #expect(ended.code == 0 && ended.error.isEmpty)
        let other = Destination(logGroup: "group", logStream: "other")
        try command.fill(["\u{1B}[2J\u{9B}2J\u{202E}"], destination: other)
        let shown = try command.runOnTerminal(["export", "--log-stream", "other"])
        #expect(shown.output.contains(#""message":"\u001b[2J\u009b2J\u202e"}"#))
    }

    @Test("Beside writers and an upload: nothing is there twice, and nothing is missing that was not shipped")
    func live() throws {
        let endpoint = try LocalEndpoint()
        var command = command
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        let lines = (0..<30_000).map { "line \($0)" }
        try command.fill(Array(lines[..<10]))
        let writer = try command.start(Command.appendArguments)
        try writer.write(lines[10...].joined(separator: "\n") + "\n")
        #expect(try eventually { try command.status().pending > 25_000 })
        let drain = try command.start(["drain"])
        let export = try command.run(["export"])
        #expect(export.code == 0 && export.error.isEmpty)
        #expect(try Ended(writer).code == 0)
        #expect(try drain.wait().exitCode == 0)
        let exported = try export.output.split(separator: "\n").map { line in
            try Array(line.utf8).withUnsafeBufferPointer { try JSONLines.readRecord($0).message }
        }
        #expect(Set(exported).count == exported.count)
        #expect(Set(exported).union(endpoint.messages(in: Command.destination)).count == lines.count)
    }

    // MARK: Import

    @Test(
        "Lines that are no records are told with their numbers and kept out, the others are taken, and the exit code is 65"
    )
    func badLines() throws {
        let file = try write([
            Self.line(1), "nonsense", "", "  \t", #"{"time":1,"log_group":"g","log_stream":"s"}"#,
            #"{"time":1,"log_group":"g","message":"x"}"#, #"{"log_group":"g","log_stream":"s","message":"x"}"#,
            #"{"time":1,"log_group":"a b","log_stream":"s","message":"x"}"#,
            Self.line(2, time: "2026-11-26T14:00:00+02:00"),
        ])
        let ended = try command.run(["import", file])
        #expect(ended.code == 65)
        let told = ended.error.split(separator: "\n").map { $0.replacing("logbeam-spool: ", with: "") }
        #expect(
            told == [
                "line 2 of \(file) is no record: it is no JSON object",
                "line 5 of \(file) is no record: it has no message",
                "line 6 of \(file) is no record: it has no log_stream",
                "line 7 of \(file) is no record: it has no time",
                "line 8 of \(file) is no record: log_group can not be used", "2 records imported",
                "5 lines are no records, and were kept out",
            ]
        )
        #expect(try Set(contents(command.spoolPath).map(\.timestamp)).count == 1)
    }

    @Test("No more than 20 bad lines are told one by one, and a file of anything does no harm")
    func manyBadLines() throws {
        var random = SeededGenerator(seed: 5)
        let file = command.directory.file("junk")
        try Data((0..<300_000).map { _ in UInt8.random(in: 0...255, using: &random) }).write(
            to: URL(fileURLWithPath: file)
        )
        let ended = try command.run(["import", file])
        #expect(ended.code == 65)
        #expect(ended.error.split(separator: "\n").count == 22)
        #expect(try contents(command.spoolPath).isEmpty)
    }

    @Test("A file that can not be read is told, and the others are taken")
    func unreadable() throws {
        let file = try write([Self.line(1)])
        let ended = try command.run(["import", "/nowhere", file])
        #expect(ended.code == 74)
        #expect(ended.error.contains("can not read /nowhere: No such file or directory"))
        #expect(try contents(command.spoolPath).count == 1)
    }

    @Test("A line that is too long is one line, wherever it is")
    func longLine() throws {
        let length = JSONLines.longestLine + 300_000
        let lines = [
            Self.line(1), String(repeating: "x", count: length), String(repeating: " ", count: length),
            String(repeating: " ", count: length) + Self.line(2), "x", Self.line(3),
        ]
        let file = try write(lines)
        let ended = try command.run(["import", file])
        #expect(ended.code == 65)
        let told = ended.error.split(separator: "\n").map { $0.replacing("logbeam-spool: ", with: "") }
        #expect(
            told == [
                "line 2 of \(file) is no record: it is no JSON object",
                "line 4 of \(file) is no record: it is longer than any record",
                "line 5 of \(file) is no record: it is no JSON object", "2 records imported",
                "3 lines are no records, and were kept out",
            ]
        )
        let other = try write(["x"])
        #expect(try command.run(["import", other]).error.hasSuffix("1 line is no record, and was kept out\n"))
    }

    @Test("It goes on though nobody reads any more what it complains of")
    func unreadComplaints() throws {
        let file = try write(["x", Self.line(1)])
        let ended = try command.runShell(
            "mkfifo '\(file).pipe'; exec 8<>'\(file).pipe' 9>'\(file).pipe' 8<&-; $command import '\(file)' 2>&9"
        )
        #expect(ended.code == 65)
        #expect(try contents(command.spoolPath).count == 1)
    }

    @Test("A signal ends an import of standard input too, which is not at its end then")
    func stoppedInput() throws {
        let process = try command.start(["import", "-"])
        try process.write(Self.line(1) + "\n{\"time\":")
        #expect(eventually { (try? command.status())?.pending == 1 })
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 75)
        let told = process.text(.standardError).split(separator: "\n")
        #expect(told.count == 2 && told[0] == "logbeam-spool: 1 record imported", "\(told)")
    }

    @Test("Standard input is imported too, and a last line without its end")
    func standardInput() throws {
        let process = try command.start(["import", "-"])
        try process.write(Self.line(1) + "\n" + Self.line(2))
        #expect(try Ended(process).code == 0)
        #expect(try contents(command.spoolPath).count == 2)
    }

    @Test("Beside an upload, each record that is imported arrives once")
    func shipped() throws {
        let endpoint = try LocalEndpoint()
        var command = command
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        let file = try write(
            (0..<20_000).map { Self.line($0, time: UTCTime(millisecondsSinceEpoch: WallClock.milliseconds()).iso8601) }
        )
        try command.fill(["first"])
        let importer = try command.start(["import", file])
        let drains = try command.startShell(
            "while kill -0 \(importer.processIdentifier) 2> /dev/null; do \"$command\" drain || exit; done; exec \"$command\" drain"
        )
        #expect(try Ended(importer).code == 0)
        #expect(try Ended(drains).code == 0)
        let arrived = endpoint.messages(in: Destination(logGroup: "g", logStream: "s"))
        #expect(arrived.count == 20_000 && Set(arrived).count == 20_000)
    }

    @Test("After a signal the same command goes on where it stopped, and then the file is forgotten")
    func stopped() throws {
        let long = String(repeating: "x", count: 20_000)
        let file = try write((0..<1_500).map { Self.line($0).replacing("\"}", with: "\(long)\"}") })
        // It comes no further than the spool has room.
        let process = try command.start(["import", "--max-spool-size", "16777216", file])
        try process.waitForOutput(.standardError) { $0.contains("waiting for room") }
        process.kill(SIGTERM)
        #expect(try Ended(process).code == 75)
        let first = try messages().count
        #expect(first > 0 && first < 1_500)
        let ended = try command.run(["import", file])
        #expect(ended.code == 0)
        #expect(ended.error.hasPrefix("logbeam-spool: \((1_500 - first).grouped) records imported, after "))
        #expect(try messages() == (0..<1_500).map { "record \($0)\(long)" })
        #expect(try unfinishedImports() == [])
    }

    private func unfinishedImports() throws -> [String] {
        try SQLiteShell.query("SELECT name FROM counters WHERE name LIKE 'import%'", in: command.spoolPath)
    }

    private func messages() throws -> [String] {
        try contents(command.spoolPath).map { String(decoding: $0.message, as: UTF8.self) }
    }

    @Test("After a signal in the second file the same command doubles nothing of the first")
    func stoppedInSecond() throws {
        let long = String(repeating: "x", count: 20_000)
        let expected = ["record 1", "record 2"] + (3..<1_500).map { "record \($0)\(long)" }
        let files = [
            try write([Self.line(1), Self.line(2)], to: "first"),
            try write((3..<1_500).map { Self.line($0).replacing("\"}", with: "\(long)\"}") }, to: "second"),
        ]
        // It comes no further than the spool has room.
        let process = try command.start(["import", "--max-spool-size", "16777216"] + files)
        try process.waitForOutput(.standardError) { $0.contains("waiting for room") }
        process.kill(SIGTERM)
        #expect(try Ended(process).code == 75)
        let first = try messages()
        #expect(first.count > 2 && first == Array(expected.prefix(first.count)))
        #expect(try command.run(["import"] + files).code == 0)
        #expect(try messages() == expected)
        #expect(try unfinishedImports() == [])
        // That was its end: now they are imported again.
        #expect(try command.run(["import", files[0]]).code == 0)
        #expect(try messages().count == expected.count + 2)
    }

    @Test("After a file that could not be read the same command doubles none of the others")
    func missingFile() throws {
        let missing = command.directory.file("missing")
        let files = [try write([Self.line(1)], to: "a"), missing, try write([Self.line(3)], to: "b")]
        #expect(try command.run(["import"] + files).code == 74)
        #expect(try messages() == ["record 1", "record 3"])
        _ = try write([Self.line(2)], to: "missing")
        #expect(try command.run(["import"] + files).code == 0)
        #expect(try messages() == ["record 1", "record 3", "record 2"])
        #expect(try unfinishedImports() == [])
    }

    @Test("Two imports of a file at once do not double it: the second ends with 69")
    func importedElsewhere() throws {
        let file = try write([Self.line(1)])
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        let ended = try command.run(["import", file])
        #expect(ended.code == 69)
        #expect(ended.error.hasSuffix("another process imports \(file) already, or writes to it\n"), "\(ended.error)")
        #expect(try messages() == [])
        flock(descriptor, LOCK_UN)
        #expect(try command.run(["import", file]).code == 0)
        #expect(try messages() == ["record 1"])
    }
}
