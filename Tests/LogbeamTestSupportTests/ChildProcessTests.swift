import Foundation
import LogbeamTestSupport
import Testing

@Suite("ChildProcess runs, measures, reads and kills")
struct ChildProcessTests {
    private static let shell = "/bin/sh"

    @Test("gives back both outputs, however long, and the exit code")
    func reads() throws {
        let script = "head -c 300000 /dev/zero; echo problem >&2; exit 3"
        let process = try ChildProcess(Self.shell, ["-c", script])
        #expect(try process.wait().exitCode == 3)
        #expect(process.output() == [UInt8](repeating: 0, count: 300_000))
        #expect(process.text(.standardError) == "problem\n")
    }

    @Test("passes arguments, environment and input, and nothing else")
    func passes() throws {
        // Open here, and none of the child's business.
        let files = try (0..<3).map { _ in try FileHandle(forReadingFrom: URL(fileURLWithPath: "/dev/null")) }
        let script =
            #"cat; echo "$1 $NAME"; env | grep -c -v -E '^(NAME|PWD|OLDPWD|SHLVL|_|.SAN_OPTIONS)='; ls /proc/self/fd | wc -l"#
        let process = try ChildProcess(
            Self.shell,
            ["-c", script, "sh", "a b"],
            environment: ["NAME": "v", "PATH": "/bin:/usr/bin"]
        )
        try process.write("in ")
        process.closeInput()
        #expect(try process.wait().exitCode == 0)
        // One variable more, PATH; and of descriptors 0, 1, 2 and the one with which ls reads the folder.
        #expect(process.text() == "in a b v\n1\n4\n")
        withExtendedLifetime(files) {}
    }

    @Test("tells the signal that ended it")
    func kills() throws {
        let process = try ChildProcess(Self.shell, ["-c", "echo ready; exec sleep 1000"])
        try process.waitForOutput { $0 == "ready\n" }
        process.kill(SIGTERM)
        let termination = try process.wait()
        #expect(termination.signal == SIGTERM)
        #expect(termination.exitCode == nil)
        process.kill(SIGKILL)
    }

    @Test("measures processor time and memory")
    func measures() throws {
        let script = "x = bytearray(b'x') * 50_000_000\nimport time\nwhile time.process_time() < 0.2: pass"
        let termination = try ChildProcess("/usr/bin/python3", ["-c", script]).wait()
        #expect(termination.cpuTime >= .milliseconds(200))
        #expect(termination.cpuTime < .seconds(60))
        #expect(termination.peakResidentBytes > 50_000_000)
        // That of the tests is counted with it. A number of kibibytes, taken for one of pages, would be far above.
        #expect(termination.peakResidentBytes < 5_000_000_000 || Sanitizer.isAddress || Sanitizer.isThread)
    }

    @Test("is killed and reaped with its owner")
    func endsWithOwner() throws {
        var process: ChildProcess? = try ChildProcess(Self.shell, ["-c", "trap '' TERM; echo ready; exec sleep 1000"])
        try process?.waitForOutput { $0 == "ready\n" }
        let identifier = try #require(process?.processIdentifier)
        #expect(kill(identifier, 0) == 0)
        process = nil
        #expect(kill(identifier, 0) == -1)
        #expect(errno == ESRCH)
    }

    @Test("throws where a write meets nobody, and does not die of it")
    func brokenPipe() throws {
        let process = try ChildProcess(Self.shell, ["-c", "exit 0"])
        _ = try process.wait()
        #expect(throws: SystemError.self) { try process.write("x") }
    }

    @Test("throws where the program is not there")
    func missing() {
        #expect(throws: SystemError.self) { try ChildProcess("/no/such/program") }
    }

    @Test("throws where the output that is waited for never comes")
    func outputNeverComes() throws {
        let process = try ChildProcess(Self.shell, ["-c", "echo other"])
        let error = #expect(throws: ChildProcessError.self) { try process.waitForOutput { $0 == "this" } }
        #expect(error?.description.contains("other") == true)
    }

    @Test("finds the executables of this build, and says so where one is not there")
    func builtProducts() throws {
        let path = try BuiltProducts.executable("logbeam-spool")
        #expect(FileManager.default.isExecutableFile(atPath: path))
        #expect(throws: ChildProcessError.self) { try BuiltProducts.executable("no-such-product") }
    }
}
