import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("ship", .onOwnThreads)
struct ShipTests {
    let endpoint: LocalEndpoint
    var command: Command

    init() throws {
        endpoint = try LocalEndpoint(autoCreate: true)
        command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
    }

    func start(_ arguments: [String] = [], bufferDuration: String = "0.02") throws -> ChildProcess {
        let process = try command.start(["ship", "--buffer-duration", bufferDuration] + arguments)
        process.closeInput()
        return process
    }

    func arrives(_ message: String, in destination: Destination = Command.destination) -> Bool {
        endpoint.wait { $0.events(in: destination).contains { $0.message == message } }
    }

    // MARK: Spools

    @Test("It ships what is there and what comes, until it is stopped; nothing remains: 0")
    func ships() throws {
        try command.fill(["a"])
        let process = try start()
        #expect(arrives("a"))
        try command.fill(["b"])
        #expect(arrives("b"))
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 0)
        #expect(process.text(.standardError) == "logbeam-spool: \(command.spoolPath): shipping\n")
        #expect(try command.pending().isEmpty)
        #expect(endpoint.messages(in: Command.destination) == ["a", "b"])
    }

    @Test("What a program has logged since everything was sent remains: 75")
    func logsOn() throws {
        let gate = Gate()
        endpoint.enqueue(.hangAfterAccepting(gate))
        try command.fill(["a"])
        // So long that nothing is sent before it is stopped.
        let process = try start(["--stop-timeout", "300"], bufferDuration: "3600")
        try process.waitForOutput(.standardError) { $0.contains("shipping") }
        process.kill(SIGTERM)
        #expect(gate.waitForArrivals())
        try command.fill(["b"])
        gate.open()
        #expect(try process.wait().exitCode == 75)
        #expect(process.text(.standardError).contains("records remain in \(command.spoolPath)"))
        #expect(endpoint.messages(in: Command.destination) == ["a"])
    }

    @Test("A pattern: all its spools, also those that come later; those that are gone are let go")
    func pattern() throws {
        for name in ["one", "two"] { try fill(name) }
        let process = try start(["--spool", command.directory.file("*/logs.db*")])
        #expect(arrives("from one") && arrives("from two"))
        try fill("three")
        #expect(arrives("from three"))
        let gone = command.directory.file("two/logs.db")
        try FileManager.default.removeItem(atPath: command.directory.file("two"))
        try process.waitForOutput(.standardError) { $0.contains("\(gone) is gone\n") }
        // It does not hold on to what was deleted.
        let files = "/proc/\(process.processIdentifier)/fd"
        #expect(
            try eventually {
                try FileManager.default.contentsOfDirectory(atPath: files).allSatisfy {
                    (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(files)/\($0)"))?.hasPrefix(gone)
                        != true
                }
            }
        )
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 0)
        #expect(!process.text(.standardError).contains("-wal"))
    }

    @Test("One that is missing, damaged or of a later version is told once and tried again, and holds up no other")
    func unusable() throws {
        try fill("good")
        let later = command.directory.file("later/logs.db")
        try fill("later")
        // The user version (https://www.sqlite.org/fileformat2.html#user_version_number).
        let file = try #require(FileHandle(forUpdatingAtPath: later))
        try file.seek(toOffset: 60)
        try file.write(contentsOf: Data([0, 0, 0, 99]))
        let damaged = command.directory.file("damaged/logs.db")
        try FileManager.default.createDirectory(
            atPath: command.directory.file("damaged"),
            withIntermediateDirectories: true
        )
        try Data("this is something else, and long enough to be a file".utf8).write(to: URL(fileURLWithPath: damaged))
        let missing = command.directory.file("missing/logs.db")
        let process = try start([
            "--spool", command.directory.file("*/logs.db"), "--spool", missing, "--stop-timeout", "200",
        ])
        #expect(arrives("from good"))
        try process.waitForOutput(.standardError) { text in
            [later, damaged, missing].allSatisfy { text.contains("spool \($0): ") }
        }
        // It is made at last.
        try fill("missing")
        #expect(arrives("from missing"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: damaged)).starts(with: Data("this is".utf8)))
        process.kill(SIGTERM)
        // Nobody knows what the two hold.
        #expect(try process.wait().exitCode == 75)
        let text = process.text(.standardError)
        for path in [later, damaged, missing] {
            #expect(text.components(separatedBy: "spool \(path): ").count == 2, "\(text)")
        }
        #expect(text.hasSuffix("stopped by a signal; nobody knows what remains in \(damaged), \(later)\n"), "\(text)")
        #expect(text.contains("\(missing): all is well again\n"))
    }

    @Test("One whose path is a symbolic link is told, and not opened: 73; 75 where records remain in another")
    func link() throws {
        try command.fill(["a"])
        let link = command.directory.file("link.db")
        symlink(command.spoolPath, link)
        for remaining in [[], [command.spoolPath]] {
            let spools = ([link] + remaining).flatMap { ["--spool", $0] }
            let process = try start(spools + ["--stop-timeout", "0"], bufferDuration: "3600")
            try process.waitForOutput(.standardError) { text in
                text.contains("spool \(link): is a symbolic link; name the file itself")
                    && remaining.allSatisfy { text.contains("\($0): shipping\n") }
            }
            process.kill(SIGTERM)
            #expect(try process.wait().exitCode == (remaining.isEmpty ? 73 : 75))
            let text = process.text(.standardError)
            #expect(text.hasSuffix("not opened: \(link)\n") && !text.contains("nobody knows"), "\(text)")
        }
        #expect(try command.pending() == ["a"])
    }

    @Test(
        "An empty file is no spool: it is told, not changed, and nothing remains in it: 0. It is shipped once it is one"
    )
    func emptyFile() throws {
        for isFilled in [false, true] {
            try Data().write(to: URL(fileURLWithPath: command.spoolPath))
            let process = try start()
            try process.waitForOutput(.standardError) { $0.contains("spool \(command.spoolPath): ") }
            if isFilled {
                try command.fill(["a"])
                #expect(arrives("a"))
            }
            process.kill(SIGTERM)
            #expect(try process.wait().exitCode == 0, "\(process.text(.standardError))")
            #expect(isFilled || SpoolSize.of(path: command.spoolPath).total == 0)
        }
    }

    func fill(_ name: String) throws {
        try command.fill(["from \(name)"], spool: command.directory.file("\(name)/logs.db"))
    }

    // MARK: Other uploaders

    @Test("Beside another uploader it stands by, and takes over when that is killed")
    func takesOver() throws {
        let first = try start()
        try command.fill(["a"])
        #expect(arrives("a"))
        let second = try start()
        let standing = "standing by: process \(first.processIdentifier) on "
        try second.waitForOutput(.standardError) { $0.contains(standing) }
        first.kill(SIGKILL)
        try second.waitForOutput(.standardError) { $0.contains("\(command.spoolPath): shipping\n") }
        try command.fill(["b"])
        #expect(arrives("b"))
        #expect(try UploadLease.acquire(Spool(path: command.spoolPath)) == nil)
    }

    // MARK: The end

    @Test("SIGTERM and SIGINT send what is pending before its time", arguments: [SIGTERM, SIGINT])
    func flushes(signal: Int32) throws {
        let process = try start(bufferDuration: "3600")
        try command.fill(["a"])
        try process.waitForOutput(.standardError) { $0.contains(": shipping\n") }
        process.kill(signal)
        #expect(try process.wait().exitCode == 0)
        #expect(endpoint.messages(in: Command.destination) == ["a"])
    }

    @Test("An endpoint that hangs does not hold up its end past the time: 75, and where records remain")
    func hangingEndpoint() throws {
        try command.fill(["a"])
        let gate = Gate()
        endpoint.enqueue(.hangBeforeAccepting(gate))
        let process = try start(["--stop-timeout", "0.3"])
        #expect(gate.waitForArrivals())
        process.kill(SIGTERM)
        // A request would time out after 30 s.
        #expect(try process.wait(within: .seconds(25)).exitCode == 75)
        #expect(process.text(.standardError).hasSuffix("stopped by a signal; records remain in \(command.spoolPath)\n"))
        #expect(try command.pending() == ["a"])
        gate.open()
    }

    @Test("Without any time it sends nothing more, and knows what remains", arguments: [[], ["a"]])
    func noTime(messages: [String]) throws {
        try command.fill(messages)
        let process = try start(["--stop-timeout", "0"], bufferDuration: "3600")
        try process.waitForOutput(.standardError) { $0.contains(": shipping\n") }
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == (messages.isEmpty ? 0 : 75))
        #expect(try command.pending() == messages)
    }

    @Test("A second signal ends it at once: 75")
    func secondSignal() throws {
        try command.fill(["a"])
        let gate = Gate()
        endpoint.enqueue(.hangBeforeAccepting(gate))
        let process = try start(["--stop-timeout", "3600"])
        #expect(gate.waitForArrivals())
        process.kill(SIGTERM)
        // The first was taken: two that are pending at once are one.
        let pending = "/proc/\(process.processIdentifier)/status"
        #expect(
            try eventually {
                try String(contentsOfFile: pending, encoding: .utf8).contains("ShdPnd:\t0000000000000000")
            }
        )
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 75)
        gate.open()
    }

    // MARK: Credentials

    @Test("SIGHUP has it sign with what the credentials file says now")
    mutating func reload() throws {
        let keys = ["AKIDFIRST", "AKIDSECOND"].map { AccessKey(identifier: $0, secret: "secret of \($0)") }
        let endpoint = try LocalEndpoint(accessKeys: keys, autoCreate: true)
        let file = command.directory.file("credentials")
        func write(_ key: AccessKey) throws {
            try "[default]\naws_access_key_id = \(key.identifier)\naws_secret_access_key = \(key.secret)\n"
                .write(toFile: file, atomically: true, encoding: .utf8)
        }
        func signers() -> [String] {
            endpoint.records.requests.map { request in
                keys.map(\.identifier).first { request.headers["authorization"]?.contains($0) == true } ?? "nobody"
            }
        }
        for name in AccessKey.any.environment.keys { command.environment[name] = nil }
        command.environment["AWS_SHARED_CREDENTIALS_FILE"] = file
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        try write(keys[0])
        try command.fill(["a"])
        let process = try start()
        #expect(endpoint.wait { $0.acceptedCount == 1 })
        try write(keys[1])
        try command.fill(["b"])
        #expect(endpoint.wait { $0.acceptedCount == 2 })
        #expect(!signers().contains("AKIDSECOND"))
        process.kill(SIGHUP)
        try process.waitForOutput(.standardError) { $0.contains("reading credentials and profiles anew\n") }
        try command.fill(["c"])
        #expect(endpoint.wait { $0.acceptedCount == 3 })
        #expect(signers().last == "AKIDSECOND")
        #expect(endpoint.records.refusals.isEmpty)
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 0)
    }

    @Test("After SIGHUP what was denied is tried again at once; trouble and its end are told once")
    mutating func reloadAfterDenial() throws {
        let file = command.directory.file("credentials")
        func write(secret: String) throws {
            try "[default]\naws_access_key_id = \(AccessKey.any.identifier)\naws_secret_access_key = \(secret)\n"
                .write(toFile: file, atomically: true, encoding: .utf8)
        }
        for name in AccessKey.any.environment.keys { command.environment[name] = nil }
        command.environment["AWS_SHARED_CREDENTIALS_FILE"] = file
        try write(secret: "wrong")
        try command.fill(["a"])
        let process = try start()
        try process.waitForOutput(.standardError) { $0.contains("group stream: InvalidSignatureException") }
        try write(secret: AccessKey.any.secret)
        process.kill(SIGHUP)
        #expect(arrives("a"))
        try process.waitForOutput(.standardError) { $0.contains("all is well again\n") }
        #expect(process.text(.standardError).components(separatedBy: "InvalidSignatureException").count == 2)
    }

    // MARK: Usage

    @Test(
        "What can not work: 64",
        arguments: [
            ["--stop-timeout", "-1"], ["--buffer-duration", "0"], ["--metrics-port", "65536"], ["--spool", ""],
        ]
    )
    func usage(arguments: [String]) throws {
        #expect(try command.run(["ship"] + arguments).code == 64)
    }
}
