#if os(Linux)
import Foundation
import LogbeamTestSupport
import Testing

@Suite("The thread that logs", .onOwnThreads)
struct CommitPathTests {
    @Test("never syncs the disk, however often the log is emptied beside it")
    func neverSyncs() throws {
        let directory = try TemporaryDirectory()
        let traceFile = directory.file("trace")
        let process = try ChildProcess(
            "/usr/bin/env",
            [
                "strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,msync,sync_file_range,syncfs",
                "-o", traceFile,
                BuiltProducts.executable("logbeam-spool-exerciser"), "churn", directory.file("spool.db"), "20000",
            ]
        )
        process.closeInput()
        #expect(try process.wait(within: patience).exitCode == 0, "\(process.text(.standardError))")
        #expect(process.text().hasSuffix("drained\n"))
        let appender = try #require(
            process.text().split(separator: "\n").first { $0.hasPrefix("appender ") }?.split(separator: " ").last
        )
        // Each line begins with the id of the thread. Some tell of something else: that a thread has gone.
        let calls = try String(contentsOfFile: traceFile, encoding: .utf8).split(separator: "\n")
            .filter { $0.contains("sync") }
        let byOthers = calls.filter { $0.split(separator: " ").first != appender }
        #expect(calls.count == byOthers.count, "\(calls.filter { $0.split(separator: " ").first == appender })")
        // The upkeep did sync: more than opening and closing alone.
        #expect(byOthers.filter { $0.contains("sync(") }.count > 20)
    }
}
#endif
