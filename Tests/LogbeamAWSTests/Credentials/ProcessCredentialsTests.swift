import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("Credential process")
struct ProcessCredentialsTests {
    private let environment = ProcessEnvironment(["PATH": "/usr/bin:/bin", "MARK": "here"])

    private func output(
        _ script: String,
        timeLimit: Duration = patience,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) async throws -> String {
        let environment = environment
        return try await onOwnThread {
            String(
                decoding: try CommandOutput.of(
                    ["/bin/sh", "-c", script],
                    environment: environment,
                    timeLimit: timeLimit,
                    isCancelled: isCancelled
                ),
                as: UTF8.self
            )
        }
    }

    @Test("gets the environment, nothing to read, no descriptor of ours, and its signals by default")
    func surroundings() async throws {
        #expect(try await output("printf %s $MARK") == "here")
        #expect(try await output("cat; echo read") == "read\n")
        // An open descriptor that nobody has marked to be closed.
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        #expect(
            try await output("echo /proc/self/fd/*")
                == "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n"
        )
        #expect(try await output("grep SigBlk /proc/self/status") == "SigBlk:\t0000000000000000\n")
        #expect(try await output("echo secret >&2; echo out") == "out\n")
    }

    @Test("says how it ended if it failed, and none of what it wrote")
    func failures() async throws {
        func failure(_ script: String, timeLimit: Duration = patience, isCancelled: Bool = false) async -> String {
            do {
                let text = try await output(script, timeLimit: timeLimit, isCancelled: { isCancelled })
                return "no failure: \(text)"
            } catch {
                return "\(error)"
            }
        }
        #expect(await failure("echo secret; echo secret >&2; exit 3") == "it ends with exit code 3")
        #expect(await failure("kill -9 $$") == "it is killed by signal 9")
        #expect(await failure("exec cat /dev/zero") == "it prints more than 65536 bytes")
        #expect(await failure("sleep 1000", timeLimit: .milliseconds(10)) == "it takes longer than 0 seconds")
        #expect(
            await failure("exec >&-; sleep 1000", timeLimit: .milliseconds(300)) == "it takes longer than 0 seconds"
        )
        #expect(await failure("sleep 1000", isCancelled: true) == "it was broken off")
        await #expect(throws: CommandOutput.Failure(description: "it cannot be started: No such file or directory")) {
            try await onOwnThread {
                try CommandOutput.of(["/nowhere/program"], environment: ProcessEnvironment([:])) { false }
            }
        }
    }

    @Test("is ended with all that it has started")
    func group() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("pid")
        // The grandchild holds the output open.
        _ = try? await output("sleep 1000 & echo $! > \(file).new; mv \(file).new \(file); wait") {
            FileManager.default.fileExists(atPath: file)
        }
        let text = try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        let process = try #require(pid_t(text))
        // It is a zombie of the process that takes orphans until that one has reaped it.
        let deadline = ContinuousClock.now + patience
        func isAlive() -> Bool {
            guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8) else {
                return false
            }
            return !status.contains("State:\tZ")
        }
        while isAlive(), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
        #expect(!isAlive())
    }

    @Test("leaves no child behind")
    func children() async throws {
        for script in ["exit 0", "exit 1", "exec cat /dev/zero"] {
            let directory = try TemporaryDirectory()
            let file = directory.file("pid")
            _ = try? await output("echo $$ > \(file); \(script)")
            let text = try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
            let process = try #require(pid_t(text))
            var status: Int32 = 0
            // Reaped already: no child of ours any more.
            #expect(waitpid(process, &status, WNOHANG) == -1)
        }
    }

    @Test(
        "must print credentials of version 1",
        arguments: [
            (#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S"}"#, nil),
            (#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S", "Expiration": null}"#, nil),
            (#"{"Version": 2, "AccessKeyId": "A", "SecretAccessKey": "S"}"#, "what it prints has not \"Version\": 1"),
            (#"{"Version": "1", "AccessKeyId": "A", "SecretAccessKey": "S"}"#, "what it prints has not \"Version\": 1"),
            (#"{"Version": 1, "AccessKeyId": "A"}"#, "its answer has no SecretAccessKey"),
            (#"{"Version": 1, "AccessKeyId": 1, "SecretAccessKey": "S"}"#, "its answer has no AccessKeyId"),
            (
                #"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S", "Expiration": "soon"}"#,
                "the Expiration in its answer is no time"
            ),
            (
                #"{"Version": 1, "AccessKeyId": "A", "Secr"#,
                "what it prints is no JSON object; run it by hand to see what it says"
            ),
            ("", "what it prints is no JSON object; run it by hand to see what it says"),
            (
                #"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S", "Expiration": "2020-01-01T00:00:00Z"}"#,
                "those of profile [default] ended at 2020-01-01T00:00:00.000Z; renew them there"
            ),
        ] as [(String, String?)]
    )
    func answers(_ answer: String, _ reason: String?) async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(answer, to: "answer")
        let config = try directory.write("[default]\ncredential_process = cat '\(file)'\n", to: "config")
        let variables = ["AWS_CONFIG_FILE": config, "PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true"]
        try await onOwnThread {
            let chain = CredentialsChain(environment: ProcessEnvironment(variables))
            guard let reason else {
                let found = try chain.resolve(at: 1_800_000_000)
                #expect(found.credentials == Credentials(accessKeyID: "A", secretAccessKey: "S"))
                #expect(found.description == "credential_process (profile [default])")
                return
            }
            let error = #expect(throws: CredentialsError.self) { try chain.resolve(at: 1_800_000_000) }
            #expect(error?.description.hasSuffix(reason) == true, "\(error?.description ?? "")")
        }
    }
}
