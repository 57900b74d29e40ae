import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("rejected", .onOwnThreads)
struct RejectedTests {
    private let command: Command
    /// Two that are too old and one that is invalid, and one that is pending.
    private let ids: [String]

    init() throws {
        command = try Command()
        let old = try #require(UTCTime.milliseconds(iso8601: "2001-02-03T04:05:06Z"))
        try command.fill(["old 1", "old\n2"], timestamp: old)
        try command.fill(["bad \u{1B}[31m"], destination: Destination(logGroup: "group", logStream: "other"))
        let pending = try StoredRecords(path: command.spoolPath).page(after: 0).records
        try command.takeLease().reject(
            zip(pending, [RejectionReason.tooOld, .tooOld, .invalid]).map { RefusedRecord(id: $0.id, reason: $1) }
        )
        try command.fill(["pending"])
        ids = pending.map { "\($0.id)" }
    }

    private func list(_ options: String...) throws -> [String] {
        let ended = try command.run(["rejected", "list"] + options)
        #expect(ended.code == 0)
        return ended.output.split(separator: "\n").map { String($0.split(separator: "\t")[0]) }
    }

    @Test("list shows each with its reason, in fields, as JSON and for people")
    func list() throws {
        #expect(try list() == ids)
        #expect(try list("--reason", "too old") == Array(ids[..<2]))
        #expect(try list("--log-stream", "other") == [ids[2]])
        #expect(try list("--log-group", "none") == [])
        #expect(try list(ids[1], "--reason", "too old") == [ids[1]])
        let fields = try command.run(["rejected", "list", ids[1]]).output.split(separator: "\t").map(String.init)
        #expect(Array(fields[1..<5]) == ["2001-02-03T04:05:06.000Z", "group", "stream", "too old"])
        #expect(fields.last == "5\n")
        let json = try command.run(["rejected", "list", ids[1], "--json"]).output
        #expect(json.hasPrefix("{\"id\":\(ids[1]),\"time\":\"2001-02-03T04:05:06.000Z\",\"log_group\":\"group\","))
        #expect(json.hasSuffix(",\"bytes\":5}\n"))
        let shown = try command.runOnTerminal(["rejected", "list"], WindowSize(columns: 120)).output
        #expect(shown.contains("LOG GROUP") && shown.contains("too old") && shown.contains("5 B"))
    }

    @Test("show shows one whole, and controls nothing")
    func show() throws {
        let fields = try command.run(["rejected", "show", ids[2]])
        #expect(fields.output.hasPrefix("id\t\(ids[2])\n"))
        #expect(fields.output.hasSuffix("message\tbad \\u001b[31m\n"))
        let json = try command.run(["rejected", "show", ids[1], "--json"]).output
        #expect(json.hasPrefix("{\"id\":\(ids[1]),") && json.hasSuffix(#""message":"old\n2"}"# + "\n"))
        let shown = try command.runOnTerminal(["rejected", "show", ids[1]]).output.replacing("\r\n", with: "\n")
        #expect(shown.hasSuffix("\n\nold\n2\n"))
        let missing = try command.run(["rejected", "show", "17"])
        #expect(missing.code == 66)
        #expect(missing.error.contains("no rejected record 17"))
    }

    @Test("export writes them with their reasons, and import reads what it wrote")
    func export() throws {
        let file = command.directory.file("rejected.jsonl")
        #expect(try command.run(["rejected", "export", "--to", file]).code == 0)
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[1].contains(#""message":"old\n2","reason":"too old","rejected_at":"2"#))
        #expect(lines[1].hasSuffix(",\"id\":\(ids[1])}"), "as list and show have it")
        let target = command.directory.file("target.db")
        #expect(try command.run(["import", "--spool", target, file]).code == 0)
        #expect(try StoredRecords(path: target).page(after: 0).records.map(\.message.count) == [5, 5, 9])
        #expect(try list() == ids)
    }

    @Test("requeue makes them pending again, with --now under the present time")
    func requeue() throws {
        let before = WallClock.milliseconds()
        let ended = try command.run(["rejected", "requeue", "--reason", "too old", "--now"])
        #expect(ended.code == 0 && ended.output == "2\n")
        #expect(try list() == [ids[2]])
        #expect(try command.run(["rejected", "requeue", ids[2], "--json"]).output == "{\"requeued\":1}\n")
        let records = try StoredRecords(path: command.spoolPath).page(after: 0).records
        #expect(
            records.map { String(decoding: $0.message, as: UTF8.self) } == [
                "pending", "old 1", "old\n2", "bad \u{1B}[31m",
            ]
        )
        #expect(records[1...2].allSatisfy { $0.timestamp >= before })
        #expect(records.last?.destination.logStream == "other")
        #expect(try command.runOnTerminal(["rejected", "requeue", "--all"]).output == "0 records pending again\r\n")
    }

    @Test("What is requeued is shipped, beside a service that uploads")
    func shipped() throws {
        let endpoint = try LocalEndpoint()
        var command = command
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        let gate = Gate()
        endpoint.create(Command.destination)
        endpoint.enqueue(.hangAfterAccepting(gate))
        let drain = try command.start(["drain"])
        #expect(gate.waitForArrivals())
        #expect(try command.run(["rejected", "requeue", "--all", "--now"]).output == "3\n")
        gate.open()
        #expect(try drain.wait().exitCode == 0)
        #expect(try command.run(["drain"]).code == 0)
        // The stream is told of the refusals too.
        let arrived = endpoint.messages(in: Command.destination).filter { !$0.hasPrefix("logbeam: ") }
        #expect(Set(arrived).isSuperset(of: ["pending", "old 1", "old\n2"]) && arrived.count == 3)
    }

    @Test("purge asks first, and deletes nothing without a yes")
    func asks() throws {
        let refused = try command.run(["rejected", "purge", "--all"])
        #expect(refused.code == 64)
        #expect(refused.error.contains("delete 3 rejected records of \(command.spoolPath) for good"))
        for (answer, left) in [("n\n", 3), ("\n", 3), ("y\n", 1)] {
            let process = try command.startOnTerminal(["rejected", "purge", "--reason", "too old"])
            try process.waitForOutput { $0.contains("[y/N]") }
            try process.write(answer)
            let code = try process.wait().exitCode
            #expect(code == (left == 3 ? ExitStatus.declined.rawValue : 0))
            #expect(try list().count == left)
        }
    }

    @Test("What is purged is counted, and shown by status")
    func purge() throws {
        let ended = try command.run(["rejected", "purge", "--yes", ids[0], ids[2]])
        #expect(ended.code == 0 && ended.output == "2\n" && ended.error.isEmpty)
        #expect(try list() == [ids[1]])
        let none = ["rejected", "purge", "--yes", "--log-group", "none", "--json"]
        #expect(try command.run(none).output == "{\"purged\":0}\n")
        let status = try command.status()
        #expect(status.dropped == 2 && status.rejected == 1)
        #expect(status.streams.allSatisfy { $0.gaps.map(\.reason) == ["rejected, and purged"] })
        #expect(try command.run(["status"]).output.contains("rejected, and purged"))
    }

    @Test(
        "Who does not say which records are meant changes none",
        arguments: [
            ["requeue"], ["purge", "--yes"], ["requeue", "--all", "--reason", "x"], ["purge", "--all", "17"],
            ["purge", "x"],
        ]
    )
    func unsaid(arguments: [String]) throws {
        #expect(try command.run(["rejected"] + arguments).code == 64)
        #expect(try list() == ids)
    }

    @Test("An id that is not there is told, and nothing is changed")
    func unknown() throws {
        #expect(try command.run(["rejected", "requeue", ids[0], "17"]).code == 66)
        #expect(try command.run(["rejected", "purge", "--yes", ids[0], "--reason", "invalid"]).code == 66)
        let file = command.directory.file("rejected.jsonl")
        for reading in [["list"], ["list", "--json"], ["export", "--to", file]] {
            let ended = try command.run(["rejected"] + reading + [ids[0], "17"])
            #expect(ended.code == 66 && ended.output.isEmpty)
            #expect(ended.error.contains("no rejected record 17"))
        }
        #expect(!FileManager.default.fileExists(atPath: file))
        #expect(try list() == ids)
    }

    @Test("No spool: 66, and none is made", arguments: ["list", "export", "requeue --all", "purge --all --yes"])
    func missing(arguments: String) throws {
        let path = command.directory.file("missing.db")
        let ended = try command.run(
            ["rejected"] + arguments.split(separator: " ").map(String.init) + ["--spool", path]
        )
        #expect(ended.code == 66)
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("What was exported can be purged by the ids in the file, and what is rejected later stays")
    func purgeExported() throws {
        let file = command.directory.file("rejected.jsonl")
        #expect(try command.run(["rejected", "export", "--to", file]).code == 0)
        let pending = try StoredRecords(path: command.spoolPath).page(after: 0).records
        try command.takeLease().reject(pending.map { RefusedRecord(id: $0.id, reason: .invalid) })
        let ids = #"sed 's/.*"id":\([0-9]*\)}$/\1/'"#
        let purge = "\(ids) '\(file)' | xargs -r \"$command\" rejected purge --yes"
        #expect(try command.runShell(purge).output == "3\n")
        #expect(try list() == pending.map { "\($0.id)" })
    }
}
