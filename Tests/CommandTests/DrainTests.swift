import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("drain", .onOwnThreads)
struct DrainTests {
    let endpoint: LocalEndpoint
    let command: Command

    init() throws {
        endpoint = try LocalEndpoint()
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        self.command = command
    }

    private static let unavailable = Fault.status(503, errorType: "ServiceUnavailableException", message: "not now")
    private static let denied = Fault.status(400, errorType: "AccessDeniedException", message: "User may not")

    @Test("Everything arrives exactly once, in order within a batch, the spool is empty, and nothing is said")
    func everything() throws {
        let lines = (0..<25_000).map { "line \($0)" }
        let other = Destination(logGroup: "/other/group", logStream: "other stream")
        let process = try command.start(Command.appendArguments)
        try process.write(lines.joined(separator: "\n") + "\n")
        #expect(try Ended(process).code == 0)
        try command.fill(["a", "", "ü"], destination: other)

        let ended = try command.run(["drain"])
        #expect(ended.code == 0)
        #expect(ended.output.isEmpty && ended.error.isEmpty)
        // Of two batches that are on their way at once the later may arrive first.
        let batches = Dictionary(grouping: endpoint.records.events(in: Command.destination), by: \.request).values
        let inOrder = batches.map { $0.map(\.message) }.sorted {
            lines.firstIndex(of: $0[0])! < lines.firstIndex(of: $1[0])!
        }
        #expect(inOrder.flatMap { $0 } == lines)
        #expect(endpoint.messages(in: other) == ["a", " ", "ü"])
        #expect(try command.pending().isEmpty)
        #expect(try command.status().delivered == 25_003)
        #expect(endpoint.records.destinations == [Command.destination, other])
    }

    @Test(
        "More is pending than the process may have memory: that is bounded by what is on its way",
        .disabled(
            if: Sanitizer.isThread || Sanitizer.isAddress,
            "a sanitizer takes more memory than all that is pending"
        )
    )
    func memory() throws {
        let count = 1_100
        try command.fill((0..<count).map { "\($0) " + String(repeating: "m", count: 100_000) })
        // In KiB: a fifth less than what is pending.
        let ended = try command.runShell("export SWIFT_BACKTRACE=enable=no; ulimit -d 90000; exec \"$command\" drain")
        #expect(ended.code == 0, "\(ended.error)")
        #expect(Set(endpoint.messages(in: Command.destination).map { $0.prefix { $0 != " " } }).count == count)
        #expect(try command.pending().isEmpty)
    }

    @Test("What a drain has written stands in the spool's own file when it ends: no log is left beside it")
    func noLog() throws {
        for _ in 0..<8 {
            try command.fill(["a"])
            #expect(try command.run(["drain"]).code == 0)
            #expect(!FileManager.default.fileExists(atPath: command.spoolPath + "-wal"))
            #expect(!FileManager.default.fileExists(atPath: command.spoolPath + "-shm"))
        }
    }

    @Test("An empty spool is drained without a request")
    func empty() throws {
        try command.fill([])
        #expect(try command.run(["drain"]).code == 0)
        #expect(endpoint.records.requests.isEmpty)
    }

    @Test("The options go before the environment")
    func options() throws {
        let key = AccessKey(identifier: "AKIDOTHER", secret: "other-secret")
        let endpoint = try LocalEndpoint(accessKeys: [key], region: "eu-central-1")
        var command = command
        try command.fill(["a"])
        command.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
        let credentials = command.directory.file("credentials")
        try "[other]\naws_access_key_id = \(key.identifier)\naws_secret_access_key = \(key.secret)\n"
            .write(toFile: credentials, atomically: false, encoding: .utf8)
        command.environment["AWS_SHARED_CREDENTIALS_FILE"] = credentials
        let ended = try command.run([
            "drain", "--endpoint-url", endpoint.url, "--region", "eu-central-1", "--profile", "other", "--timeout",
            "50",
        ])
        #expect(ended.code == 0, "\(ended.error)")
        #expect(endpoint.messages(in: Command.destination) == ["a"])
    }

    @Test("What fails for a while is tried again, and told once")
    func transient() throws {
        try command.fill(["a", "b"])
        endpoint.create(Command.destination)
        endpoint.enqueue(Self.unavailable, Self.unavailable)
        let ended = try command.run(["drain"])
        #expect(ended.code == 0)
        #expect(endpoint.messages(in: Command.destination) == ["a", "b"])
        #expect(ended.error == "logbeam-spool: trying again: ServiceUnavailableException: not now\n")
    }

    @Test("Retry-After is honoured: that drain looks for new records meanwhile is no reason to send")
    func retryAfter() throws {
        try command.fill(["a"])
        endpoint.create(Command.destination)
        let arrivals = Monitor<[ContinuousClock.Instant]>([])
        endpoint.setScript { _ in
            let isFirst = arrivals.withLock {
                $0.append(.now)
                return $0.count == 1
            }
            guard isFirst else { return nil }
            return .status(429, errorType: "ThrottlingException", headers: ["Retry-After": "3"])
        }
        #expect(try command.run(["drain"]).code == 0)
        let times = arrivals.withLock { $0 }
        try #require(times.count == 2)
        #expect(times[1] - times[0] >= .seconds(3))
    }

    // MARK: Records remain

    @Test("Permission denied ends it at once with 77, the reason and the remedy")
    func denied() throws {
        try command.fill(["a", "b"])
        endpoint.setScript { _ in Self.denied }
        let ended = try command.run(["drain"])
        #expect(ended.code == 77)
        #expect(ended.error.contains("2 records remain in \(command.spoolPath)"))
        #expect(ended.error.contains("group stream is refused: AccessDeniedException: User may not; allow this action"))
        #expect(try command.pending() == ["a", "b"])
    }

    @Test("One stream that is denied does not hold up another")
    func deniedStream() throws {
        let other = Destination(logGroup: "g", logStream: "other")
        try command.fill(["a"])
        try command.fill(["b"], destination: other)
        endpoint.setScript { $0.destination == Command.destination ? Self.denied : nil }
        endpoint.create(other)
        #expect(try command.run(["drain"]).code == 77)
        #expect(endpoint.messages(in: other) == ["b"])
        #expect(try command.pending() == ["a"])
    }

    @Test("Without credentials or region it ends with 77", arguments: ["AWS_SECRET_ACCESS_KEY", "AWS_REGION"])
    func unconfigured(variable: String) throws {
        var command = command
        command.environment[variable] = nil
        command.environment["AWS_ENDPOINT_URL"] = nil
        command.environment["AWS_EC2_METADATA_DISABLED"] = "true"
        try command.fill(["a"])
        let ended = try command.run(["drain", "--timeout", "50"])
        #expect(ended.code == 77)
        #expect(ended.error.contains(variable))
    }

    @Test("An endpoint that is down: 75 when the time is over, and all is still pending")
    func down() throws {
        try command.fill(["a", "b", "c"])
        // Where the processor is busy, a short time is over before the first request has failed.
        var error = ""
        for seconds in ["1", "10", "100"] where !error.contains("the last failure was") {
            let ended = try command.run(["drain", "--endpoint-url", "http://127.0.0.1:1", "--timeout", seconds])
            #expect(ended.code == 75)
            error = ended.error
        }
        #expect(error.contains("the time is over; 3 records remain in \(command.spoolPath); run drain again"))
        #expect(error.contains("the last failure was ConnectionError: "))
        #expect(try command.pending() == ["a", "b", "c"])
    }

    @Test("An endpoint that hangs does not hold it up past the time")
    func hanging() throws {
        try command.fill(["a"])
        endpoint.create(Command.destination)
        let gate = Gate()
        endpoint.enqueue(.hangBeforeAccepting(gate))
        let process = try command.start(["drain", "--timeout", "3"])
        #expect(gate.waitForArrivals())
        // The timeout of a request would be 30 s.
        #expect(try process.wait(within: .seconds(20)).exitCode == 75)
        #expect(try command.pending() == ["a"])
        gate.open()
    }

    @Test("A signal ends it, also while the endpoint hangs", arguments: [SIGINT, SIGTERM])
    func signals(signal: Int32) throws {
        try command.fill(["a"])
        endpoint.create(Command.destination)
        let gate = Gate()
        endpoint.enqueue(.hangBeforeAccepting(gate))
        let process = try command.start(["drain"])
        #expect(gate.waitForArrivals())
        process.kill(signal)
        #expect(try process.wait(within: .seconds(20)).exitCode == 75)
        #expect(process.text(.standardError).contains("stopped by a signal; 1 record remains"))
        #expect(!process.text(.standardError).contains("shipped"))
        gate.open()
    }

    @Test("A signal ends it while it waits to try again")
    func signalWhileWaiting() throws {
        try command.fill(["a"])
        endpoint.create(Command.destination)
        endpoint.setScript { _ in
            .status(429, errorType: "ThrottlingException", message: "slow", headers: ["Retry-After": "200"])
        }
        let process = try command.start(["drain"])
        try process.waitForOutput(.standardError) { $0.contains("ThrottlingException") }
        process.kill(SIGTERM)
        #expect(try process.wait(within: .seconds(20)).exitCode == 75)
        #expect(process.text(.standardError).contains("the last failure was ThrottlingException: slow"))
    }

    @Test("Records too far ahead of time remain: 75, and the others are sent")
    func early() throws {
        let hour: Int64 = 3_600_000
        endpoint.create(Command.destination)
        try command.fill(["a"])
        try command.fill(["later"], timestamp: WallClock.milliseconds() + 5 * hour)
        let ended = try command.run(["drain"])
        #expect(ended.code == 75)
        #expect(ended.error.contains("1 record remains") && ended.error.contains("more than 2 hours ahead"))
        #expect(ended.error.contains("by the clock of this machine") && ended.error.contains("logbeam-spool doctor"))
        #expect(endpoint.messages(in: Command.destination) == ["a"])
    }

    @Test("Records that the service never takes are told, with where to look")
    func rejected() throws {
        try command.fill(["old"], timestamp: WallClock.milliseconds() - 20 * 86_400_000)
        let ended = try command.run(["drain"])
        #expect(ended.code == 0)
        #expect(
            ended.error == """
                logbeam-spool: 1 record that CloudWatch Logs does not take was moved to the table rejected; \
                see them with: logbeam-spool rejected list --spool \(command.spoolPath)

                """
        )
        #expect(try command.status().rejected == 1)
    }

    // MARK: Terminal

    @Test("On a terminal it shows a line of progress and ends with a summary")
    func progress() throws {
        try command.fill((0..<20).map { "line \($0)" })
        endpoint.create(Command.destination)
        let ended = try command.runOnTerminal(["drain"])
        #expect(ended.code == 0)
        #expect(ended.output.contains("\r\u{1B}[K[--------------------]  0 %  0/20 records  0 B"))
        #expect(ended.output.contains("\r\u{1B}[K20 records (130 B) in 1 batch, "))
        #expect(ended.output.hasSuffix(" s\r\n"))
    }

    @Test("On a terminal it shows what it waits for, within the width of the terminal")
    func retryOnTerminal() throws {
        try command.fill(["a"])
        endpoint.create(Command.destination)
        endpoint.enqueue(
            .status(503, errorType: "ServiceUnavailableException", message: "not now", headers: ["Retry-After": "1"])
        )
        let ended = try command.runOnTerminal(["drain"], WindowSize(columns: 60))
        #expect(ended.code == 0)
        let lines = ended.output.split(separator: "\r").map { $0.replacingOccurrences(of: "\u{1B}[K", with: "") }
        #expect(lines.contains("[--------------------]  0 %  0/1 record  retrying in 1 s: S"))
        #expect(lines.allSatisfy { $0.count < 60 })
        #expect(!ended.output.contains("trying again"))
    }

    @Test("Ended in the midst, it says what was shipped and what remains: 75", arguments: [false, true])
    func stoppedInTheMidst(onTerminal: Bool) throws {
        // Three go into a batch, of which there are as many as are on their way at once.
        try command.fill((0..<9).map { String(repeating: "\($0)", count: 300_000) })
        endpoint.create(Command.destination)
        let gate = Gate()
        endpoint.setScript { $0.number == 1 ? nil : .hangBeforeAccepting(gate) }
        let process = try onTerminal ? command.startOnTerminal(["drain"]) : command.start(["drain"])
        #expect(gate.waitForArrivals())
        #expect(try eventually { try command.status().pending == 6 })
        if onTerminal { try process.write(Key.controlC) } else { process.kill(SIGTERM) }
        #expect(try process.wait(within: .seconds(25)).exitCode == 75)
        let text = process.text(onTerminal ? .standardOutput : .standardError)
        #expect(text.contains(onTerminal ? "\r\u{1B}[K3 records (900 kB) in 1 batch, " : ": 3 records shipped; "))
        #expect(text.contains("stopped by a signal; 6 records remain in \(command.spoolPath); run drain again"))
        gate.open()
    }

    @Test("A terminal that can do nothing but print lines gets no progress")
    func dumbTerminal() throws {
        var command = command
        command.environment["TERM"] = "dumb"
        try command.fill(["a"])
        let ended = try command.runOnTerminal(["drain"])
        #expect(ended.code == 0)
        #expect(ended.output.isEmpty)
    }
}
