import Foundation
import LogbeamTestSupport
import Testing

@Suite("A process on a terminal")
struct PseudoTerminalTests {
    private static func shell(_ script: String, _ window: WindowSize = WindowSize()) throws -> ChildProcess {
        try ChildProcess(
            on: window,
            "/bin/bash",
            ["-c", script],
            environment: ["PATH": "/bin:/usr/bin", "TERM": "xterm"]
        )
    }

    @Test("has it as its three streams and as its controlling one, of the size that was asked for")
    func isTerminal() throws {
        let process = try Self.shell(
            "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size </dev/tty; ls /proc/self/fd | wc -l",
            WindowSize(columns: 100, rows: 30)
        )
        #expect(try process.wait().exitCode == 0)
        // The descriptors 0, 1, 2 and the one with which ls reads the folder.
        #expect(process.text() == "30 100\r\n4\r\n")
    }

    @Test("is interrupted by what a person types, and gets its text")
    func typing() throws {
        // Short sleeps: bash may start one just after the signal has come, and minds the signal only when that is over.
        let process = try Self.shell(
            "trap 'echo interrupted; exit 3' INT; read -r line; echo \"got $line\"; while :; do sleep 0.05; done"
        )
        try process.write("ab\n")
        try process.waitForOutput { $0.contains("got ab") }
        try process.write(Key.controlC)
        #expect(try process.wait().exitCode == 3)
        #expect(process.text().hasSuffix("interrupted\r\n"))
    }

    @Test("dies of an interrupt that it does not catch")
    func interrupted() throws {
        let process = try Self.shell("echo ready; exec sleep 1000")
        try process.waitForOutput { $0.contains("ready") }
        try process.write(Key.controlC)
        #expect(try process.wait().signal == SIGINT)
    }

    @Test("reads to the end of what is typed")
    func endOfInput() throws {
        let process = try Self.shell("stty -echo; echo ready; cat")
        try process.waitForOutput { $0 == "ready\r\n" }
        try process.write("x\n" + Key.controlD)
        #expect(try process.wait().exitCode == 0)
        #expect(process.text() == "ready\r\nx\r\n")
    }

    @Test("is told when its window changes")
    func resized() throws {
        let process = try Self.shell("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done")
        try process.waitForOutput { $0.contains("ready") }
        try process.resize(WindowSize(columns: 40, rows: 10))
        #expect(try process.wait().exitCode == 0)
        #expect(process.text() == "ready\r\n10 40\r\n")
    }

    @Test("throws where the program is not there, and dies with its owner")
    func ends() throws {
        #expect(throws: SystemError.self) { try ChildProcess(on: WindowSize(), "/no/such/program") }
        var process: ChildProcess? = try Self.shell("trap '' HUP; echo ready; exec sleep 1000")
        try process?.waitForOutput { $0.contains("ready") }
        let identifier = try #require(process?.processIdentifier)
        process = nil
        #expect(kill(identifier, 0) == -1)
    }
}
