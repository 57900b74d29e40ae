import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("drain --to", .onOwnThreads)
struct DrainToTests {
    /// AWS can not be reached.
    private let command: Command
    private var file: String { command.directory.file("records.jsonl") }

    init() throws {
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
        self.command = command
    }

    private func drain(_ options: String...) throws -> Ended {
        try command.run(["drain", "--to", file] + options)
    }

    private func lines() throws -> [[String: String]] {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.isEmpty || text.hasSuffix("\n"))
        return try text.split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
        }
    }

    private func line(_ message: String, _ time: String = "2026-01-02T03:04:05.006Z") -> [String: String] {
        ["time": time, "log_group": "group", "log_stream": "stream", "message": message]
    }

    private static let time: Int64 = 1_767_323_045_006

    @Test(
        "Each record becomes a line, in order, whatever it holds and however old it is; the spool is empty, the file private"
    )
    func lines_() throws {
        let messages = ["a", "", "\"quoted\" \\ \n \u{1} ü 👍", String(repeating: "long", count: 200_000)]
        try command.fill(messages, timestamp: Self.time)
        try command.fill(["of 1970"], timestamp: 0)
        try command.fill(["of 9999"], timestamp: 253_402_300_799_999)
        let ended = try drain()
        #expect(ended.code == 0 && ended.error.isEmpty && ended.output.isEmpty, "\(ended.error)")
        let expected =
            messages.map { line($0) } + [
                line("of 1970", "1970-01-01T00:00:00.000Z"), line("of 9999", "9999-12-31T23:59:59.999Z"),
            ]
        // A batch is in the order of its times.
        #expect(try Set(lines()) == Set(expected) && lines().count == expected.count)
        #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
        #expect(try command.pending().isEmpty && command.status().delivered == 6 && command.status().rejected == 0)
    }

    @Test("A file that is there is appended to; half a line that a killed drain left is cut off")
    func appends() throws {
        let whole = #"{"time":"2026-01-02T03:04:05.006Z","log_group":"group","log_stream":"stream","message":"before"}"#
        for half in ["", "{", #"{"time":"2026-01"#, whole] {
            try Data("\(whole)\n\(half)".utf8).write(to: URL(fileURLWithPath: file))
            try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: file)
            try command.fill(["after"], timestamp: Self.time)
            #expect(try drain().code == 0)
            // It may be in no spool any more: a line too many is better than one too few.
            #expect(try lines() == [line("before")] + (half == whole ? [line("before")] : []) + [line("after")])
        }
    }

    @Test(
        "A file that is not to be trusted, or is none of ours: 74, and nothing has left the spool or come into the file",
        arguments: ["foreign", "link", "fifo", "writable", "linked", "directory"]
    )
    func refused(what: String) throws {
        let other = command.directory.file("other")
        try Data("precious".utf8).write(to: URL(fileURLWithPath: other))
        chmod(other, 0o600)
        switch what {
        case "foreign": try FileManager.default.copyItem(atPath: other, toPath: file)
        case "link": symlink(other, file)
        case "fifo": mkfifo(file, 0o600)
        case "linked": link(other, file)
        case "directory": mkdir(file, 0o700)
        default:
            try Data().write(to: URL(fileURLWithPath: file))
            chmod(file, 0o666)
        }
        try command.fill(["a"])
        let ended = try drain()
        #expect(ended.code == 74 && ended.error.contains("can not append to \(file): "), "\(ended.error)")
        #expect(try command.pending() == ["a"])
        #expect(try String(contentsOfFile: other, encoding: .utf8) == "precious")
    }

    private func contents() throws -> [String: Data?] {
        let names = try FileManager.default.contentsOfDirectory(atPath: command.directory.path)
        return Dictionary(
            uniqueKeysWithValues: names.map { ($0, FileManager.default.contents(atPath: command.directory.file($0))) }
        )
    }

    @Test(
        "The spool itself and what belongs to it are not written to, whatever path leads there: 64, nothing is changed",
        arguments: [
            "spool.db", "spool.db-wal", "spool.db-shm", "spool.db-journal", "spool.db-uploader",
            "spool.db-uploader-next", "spool.db.journal-1", "spool.db.draft-1", "spool.db.damaged-1",
            "$PWD/spool.db-wal",
            "here/spool.db-wal", "./here/./here/spool.db", "linked.db", "lease",
        ]
    )
    func itself(target: String) throws {
        try command.fill(["a"])
        func run(_ script: String) throws -> Ended {
            try command.runShell("cd '\(command.directory.path)'; umask 077; \(script)")
        }
        _ = try run("ln -s . here; ln -s spool.db linked.db; : > spool.db-uploader; ln spool.db-uploader lease")
        var outputs = ["--to \(target)"]
        if FileManager.default.fileExists(atPath: command.directory.file(target)) {
            outputs.append("--to - >> \(target)")
        }
        let before = try contents()
        for output in outputs {
            for subcommand in ["drain", "export", "rejected export"] {
                let ended = try run("\"$command\" \(subcommand) \(output)")
                #expect(ended.code == 64 && ended.error.contains(" itself, or belongs to it; "), "\(ended.error)")
            }
        }
        #expect(try contents() == before)
        #expect(try command.pending() == ["a"])
    }

    @Test("Two drains do not write into one file at once")
    func locked() throws {
        try command.fill(["a"])
        let descriptor = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        let ended = try drain()
        #expect(ended.code == 74 && ended.error.contains("another process writes to it"))
    }

    @Test("A disk that is full in the midst of a batch: 74, no half line, and the rest stays in the spool")
    func full() throws {
        let messages = (0..<8).map { String(repeating: "\($0)", count: 300_000) }
        try command.fill(messages, timestamp: Self.time)
        // In units of 1,024 bytes: the first batch of three fits, the second does not.
        let ended = try command.runShell("ulimit -f 1500; exec '\(command.executable)' drain --to '\(file)'")
        #expect(ended.code == 74, "\(ended.error)")
        #expect(ended.error.contains("can not write to \(file): File too large; 5 records remain in "))
        #expect(try lines().map { $0["message"] } == Array(messages[..<3]))
        #expect(try drain().code == 0)
        #expect(try lines().map { $0["message"] } == messages)
    }

    @Test("To standard output; a reader that is gone keeps the rest in the spool: 74")
    func standardOutput() throws {
        try command.fill(["a", "b"], timestamp: Self.time)
        let ended = try command.run(["drain", "--to", "-"])
        let begin = #"{"time":"2026-01-02T03:04:05.006Z","log_group":"group","log_stream":"stream","message":""#
        #expect(ended.code == 0 && ended.output == "\(begin)a\"}\n\(begin)b\"}\n")
        try command.fill((0..<8).map { String(repeating: "\($0)", count: 300_000) })
        // Who reads one byte and goes.
        let broken = try command.runShell("$command drain --to - | head -c 1; exit ${PIPESTATUS[0]}")
        #expect(broken.code == 74)
        #expect(broken.error.contains("can not write to standard output: Broken pipe; 8 records remain in "))
    }

    @Test("On a terminal no record can control it")
    func terminal() throws {
        try command.fill(["a\u{9B}31m"], timestamp: Self.time)
        let ended = try command.runOnTerminal(["drain", "--to", "-"])
        #expect(ended.code == 0 && ended.output.contains(#""message":"a\u009b31m"}"#), "\(ended.output)")
        // Nor does the progress come between them.
        #expect(ended.output.hasPrefix(#"{"time":"#) && ended.output.split(separator: "\r\n").count == 1)
    }

    @Test("Standard output that is closed: 74, and the record stays")
    func closedOutput() throws {
        try command.fill(["a"])
        let ended = try command.runShell("$command drain --to - >&-")
        #expect(ended.code == 74)
        #expect(ended.error.contains("can not write to standard output: Bad file descriptor; 1 record remains in "))
        #expect(try command.pending() == ["a"])
    }

    @Test("Standard output that is a file: what is at its end is no part of the first line", arguments: [">", ">>"])
    func unfinishedOutput(redirection: String) throws {
        for (before, after) in [("", ""), ("whole\n", "whole\n"), (#"{"time":"2026"#, #"{"time":"2026"# + "\n")] {
            try command.fill(["a"], timestamp: Self.time)
            try before.write(toFile: file, atomically: false, encoding: .utf8)
            let drain =
                redirection == ">>"
                ? "$command drain --to - >> '\(file)'"
                : "{ printf '\(before.replacing("\n", with: "\\n"))'; $command drain --to -; } > '\(file)'"
            #expect(try command.runShell(drain).code == 0)
            let text = try String(contentsOfFile: file, encoding: .utf8)
            #expect(text.hasPrefix("\(after){\"time\"") && text.hasSuffix("\"a\"}\n"), "\(text)")
        }
    }

    @Test(
        "Standard output that is a file, on a full disk: 74, no half line, nothing else is lost, the rest stays",
        arguments: [">", ">>", "1<>"]
    )
    func fullOutput(redirection: String) throws {
        let messages = (0..<8).map { String(repeating: "\($0)", count: 300_000) }
        try command.fill(messages, timestamp: Self.time)
        try "before\n".write(toFile: file, atomically: false, encoding: .utf8)
        let ended = try command.runShell(
            "ulimit -f 1500; { echo again; $command drain --to -; code=$?; echo after; exit $code; } \(redirection) '\(file)'"
        )
        #expect(ended.code == 74, "\(ended.error)")
        let text = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        let shown = text.map { $0.count > 300_000 ? String($0.suffix(5).prefix(1)) : String($0) }
        #expect(shown == (redirection == ">>" ? ["before"] : []) + ["again", "0", "1", "2", "after"])
        #expect(try command.pending().count == 5)
    }

    @Test("A batch that goes into a file is not broken off by a signal")
    func cancelled() throws {
        let descriptor = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let delivery = LineDelivery(try LineFile("-", standardOutput: descriptor))
        delivery.cancel()
        var batch = EventBatch(destination: Command.destination)
        batch.append(id: 1, timestamp: Self.time, message: "a".utf8)
        #expect(delivery.send(batch) == .accepted(.none))
        #expect(try lines() == [line("a")])
    }

    @Test("A reader that does not read does not hold it up past a signal: 75")
    func slowReader() throws {
        try command.fill((0..<8).map { String(repeating: "\($0)", count: 300_000) })
        let process = try command.startShell(
            "exec 3< <(\"$command\" drain --to -); echo $!; head -c 1 <&3; wait $!; echo \" ended with $?\""
        )
        let text = try process.waitForOutput { $0.hasSuffix("{") }
        kill(try #require(pid_t(text.split(separator: "\n")[0])), SIGTERM)
        try process.waitForOutput { $0.contains("ended with 75") }
        #expect(try command.pending().count == 8)
    }

    @Test("What goes together with it, and what does not")
    func options() throws {
        try command.fill(["a"])
        #expect(try drain("--wait").code == 64)
        let lease = try command.takeLease()
        #expect(try drain().code == 69)
        #expect(try drain("--take-over").code == 0)
        #expect(try lines().map { $0["message"] } == ["a"])
        withExtendedLifetime(lease) {}
    }
}
