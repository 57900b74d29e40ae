import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("drain of chosen streams, and what it would do", .onOwnThreads)
struct DrainChoiceTests {
    private let endpoint: LocalEndpoint
    private let command: Command

    private static let streams = ["shop/orders-1", "shop/orders-2", "shop/2026/[$LATEST]x", "other/orders-1"].map {
        let parts = $0.split(separator: "/", maxSplits: 1).map(String.init)
        return Destination(logGroup: parts[0], logStream: parts[1])
    }

    init() throws {
        endpoint = try LocalEndpoint(autoCreate: true)
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        self.command = command
        for (number, stream) in Self.streams.enumerated() {
            try command.fill((0...number).map { "\($0)" }, destination: stream)
        }
    }

    @Test("--dry-run of a spool of an earlier version: 65, and what brings it to this one does")
    func earlierVersion() throws {
        let path = command.directory.file("earlier.db")
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../LogbeamSpoolTests/Fixtures/version-2.sql").path
        #expect(try command.runShell("umask 077; sqlite3 -bail '\(path)' < '\(fixture)'").code == 0)
        let ended = try command.run(["drain", "--dry-run", "--spool", path])
        #expect(
            ended.code == 65 && ended.error.hasSuffix("; 'logbeam-spool compact' brings it there\n"),
            "\(ended.error)"
        )
        #expect(try command.run(["compact", "--spool", path]).code == 0)
        #expect(try command.run(["drain", "--dry-run", "--spool", path]).code == 0)
    }

    @Test(
        "Groups and streams by name or pattern, several of them; what others have remains, and that is no failure",
        arguments: [
            (["--log-group", "shop"], [0, 1, 2]),
            (["--log-stream", "orders-1"], [0, 3]),
            (["--log-group", "s*", "--log-stream", "orders-?"], [0, 1]),
            (["--log-stream", "2026/[$LATEST]x", "--log-stream", "orders-2"], [1, 2]),
            (["--log-group", "other", "--log-group", "nothing"], [3]),
            (["--log-stream", "*"], [0, 1, 2, 3]),
        ]
    )
    func chosen(options: [String], expected: [Int]) throws {
        let ended = try command.run(["drain"] + options)
        #expect(ended.code == 0 && ended.error.isEmpty, "\(ended.error)")
        let pending = try command.status().streams
        for (number, stream) in Self.streams.enumerated() {
            let isChosen = expected.contains(number)
            #expect(endpoint.messages(in: stream).count == (isChosen ? number + 1 : 0))
            #expect(pending.first { $0.destination == stream }?.pending == (isChosen ? 0 : number + 1))
        }
    }

    @Test("None that is called so: 66")
    func none() throws {
        for arguments in [["drain"], ["drain", "--dry-run"], ["drain", "--to", "-"]] {
            let ended = try command.run(arguments + ["--log-group", "shopp"])
            #expect(ended.code == 66 && ended.error.contains("has no such log stream"))
        }
        #expect(endpoint.records.requests.isEmpty)
    }

    @Test("What is told to remain is that of the chosen streams")
    func remaining() throws {
        endpoint.setScript { _ in .status(400, errorType: "AccessDeniedException", message: "User may not") }
        let ended = try command.run(["drain", "--log-group", "other"])
        #expect(ended.code == 77 && ended.error.contains("4 records remain in "))
    }

    @Test("A batch in doubt of another stream is left alone")
    func inDoubt() throws {
        let reader = try SpoolReader(path: command.spoolPath)
        let first = try #require(try reader.headers(after: 0).headers.first)
        do {
            let lease = try command.takeLease()
            try lease.begin(BatchRange(stream: first.stream, first: first.id, last: first.id, latest: .max))
        }
        #expect(try command.run(["drain", "--log-group", "other"]).code == 0)
        #expect(endpoint.records.destinations == [Self.streams[3]])
        #expect(try command.status().inDoubt == 1)
        #expect(try command.run(["drain"]).code == 0)
        #expect(endpoint.messages(in: Self.streams[0]) == ["0"])
    }

    @Test("--dry-run tells what would be sent, sends nothing and changes nothing, also beside an uploader")
    func dryRun() throws {
        let day: Int64 = 86_400_000
        try command.fill(["old", "old"], destination: Self.streams[3], timestamp: WallClock.milliseconds() - 20 * day)
        try command.fill(["early"], destination: Self.streams[3], timestamp: WallClock.milliseconds() + day)
        let large = Array(repeating: String(repeating: "x", count: 400_000), count: 3)
        try command.fill(large, destination: Self.streams[0])
        let lease = try command.takeLease()
        try command.fill(["delivered", "delivered"], destination: Self.streams[1])
        let page = try SpoolReader(path: command.spoolPath).headers(after: 0)
        let delivered = page.headers.suffix(2)
        let batch = BatchRange(stream: delivered.first!.stream, first: delivered.first!.id, last: .max, latest: .max)
        try lease.begin(batch)
        try lease.acknowledge(batch, refused: [], delivered: 2)
        let before = try command.status()
        let expected = """
            other\torders-1\t4\t4\t1\t2\t1
            shop\t2026/[$LATEST]x\t3\t3\t1\t0\t0
            shop\torders-1\t4\t1200001\t2\t0\t0
            shop\torders-2\t2\t2\t1\t0\t0

            """
        let ended = try command.run(["drain", "--dry-run"])
        #expect(ended.code == 0 && ended.output == expected, "\(ended.output)\(ended.error)")
        #expect(try command.status() == before && lease.beat())
        let chosen = try command.run(["drain", "--dry-run", "--log-group", "other"])
        #expect(chosen.output == expected.split(separator: "\n")[0] + "\n")
        let json = try command.run(["drain", "--dry-run", "--json", "--log-group", "other"])
        let object =
            #"{"log_group":"other","log_stream":"orders-1","records":4,"bytes":4,"batches":1,"refused":2,"too_early":1}"#
        #expect(json.code == 0 && json.output == "{\"streams\":[\(object)]}\n", "\(json.output)\(json.error)")
        #expect(endpoint.records.requests.isEmpty)
    }

    @Test("The stream is told of what was refused while it drained")
    func tellsRefusals() throws {
        try command.fill(["old"], timestamp: WallClock.milliseconds() - 20 * 86_400_000)
        #expect(try command.run(["drain"]).code == 0)
        let told = endpoint.messages(in: Command.destination)
        #expect(told.count == 1 && told[0].contains("1 record dropped between"))
        #expect(try command.pending().isEmpty)
    }

    @Test("The stream is told of what was refused also where other records have to stay")
    func tellsRefusalsBesideWhatStays() throws {
        let day: Int64 = 86_400_000
        try command.fill(["old"], timestamp: WallClock.milliseconds() - 20 * day)
        try command.fill(["early"], timestamp: WallClock.milliseconds() + day)
        #expect(try command.run(["drain", "--log-group", Command.destination.logGroup]).code == 75)
        let told = endpoint.messages(in: Command.destination)
        #expect(told.count == 1 && told[0].contains("1 record dropped between"), "\(told)")
        #expect(
            try command.status().streams.map(\.pending).reduce(0, +) == 11,
            "the early one, and those of other streams"
        )
        #expect(try command.run(["drain", "--log-group", Command.destination.logGroup]).code == 75)
        #expect(endpoint.messages(in: Command.destination) == told)
    }

    @Test("The stream is told of what was refused also where another stream is denied")
    func tellsRefusalsBesideDenial() throws {
        endpoint.setScript { request in
            request.destination?.logStream == "orders-1"
                ? .status(400, errorType: "AccessDeniedException", message: "User may not") : nil
        }
        try command.fill(["old"], timestamp: WallClock.milliseconds() - 20 * 86_400_000)
        #expect(try command.run(["drain"]).code == 77)
        let told = endpoint.messages(in: Command.destination)
        #expect(told.count == 1 && told[0].contains("1 record dropped between"), "\(told)")
    }
}
