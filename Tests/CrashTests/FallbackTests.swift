import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("A record that the spool can not take")
struct FallbackTests {
    @Test("goes to standard error, the service goes on, and the gap is counted once the spool takes writes again")
    func lockedSpool() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            // Long enough that no other record is lost because the machine is busy.
            var settings = TestBed.cutOff
            settings["COMMIT_MS"] = "5000"
            let service = try bed.startService(threads: 4, settings: settings)
            try service.waitForLines(100)
            let lock = try SQLiteShell.lock(bed.spool)
            try service.waitForLines(8, of: .standardError)
            try lock.write("ROLLBACK;\n.quit\n")
            #expect(try lock.wait().exitCode == 0)

            let reported = service.output().count
            try service.waitForOutput { $0.utf8.count > reported + 10_000 }
            // The uploader notes the gap when it next looks.
            let deadline = ContinuousClock.now + patience
            var noted: [String] = []
            var expected: [String] = []
            repeat {
                usleep(20_000)
                noted = try bed.query("SELECT records, reason FROM gaps")
                expected = ["\(try Self.losses(of: service).count)|spool locked"]
            } while noted != expected && ContinuousClock.now < deadline
            #expect(noted == expected)
            service.kill(SIGKILL)
            _ = try service.wait()

            let losses = try Self.losses(of: service)
            let kept = Set(try bed.pending())
            #expect(kept.isDisjoint(with: losses))
            #expect(kept.union(losses).isSuperset(of: TestBed.logged(by: service)))
            let told = kept.filter { $0.hasPrefix("logbeam: ") }
            #expect(told.count == 1 && told.allSatisfy { $0.hasSuffix(": spool locked") })
        }
    }

    @Test(
        "goes to standard error where neither a journal nor the spool may grow, and nothing else does",
        .disabled(if: Sanitizer.isThread, "a program with ThreadSanitizer does not run where files may not grow")
    )
    func fullJournal() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let settings = TestBed.cutOff.merging(["JOURNAL": "1"]) { $1 }
            let service = try ChildProcess(
                "/bin/bash",
                [
                    "-c", #"ulimit -f 200; exec "$0" "$@""#,
                    BuiltProducts.executable("logbeam-demo-service"),
                    bed.spool, TestBed.stream.logGroup, TestBed.stream.logStream, "8000", "4",
                ],
                environment: bed.environment.merging(settings) { $1 }
            )
            #expect(try service.wait().exitCode == 0)
            // Here files may grow again: what the journal holds is taken in.
            #expect(try SpoolStatus.read(path: bed.spool).journals == [])
            let losses = try Self.losses(of: service)
            let pending = try bed.pending().filter { !$0.hasPrefix("logbeam: ") }
            #expect(!losses.isEmpty && !pending.isEmpty)
            #expect(Set(pending).count == pending.count)
            #expect(Set(pending).isDisjoint(with: losses))
            // The difference alone is told: the sets are long.
            let told = Set(pending).union(losses)
            #expect(told.symmetricDifference(TestBed.logged(by: service)) == [])
        }
    }

    @Test(
        "does not end the service, though nobody reads its standard error any more",
        .disabled(if: Sanitizer.isThread, "a program with ThreadSanitizer does not run where files may not grow")
    )
    func closedStandardError() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            var environment = bed.environment
            environment["EXIT_FLUSH_MS"] = "0"
            // No file may grow beyond 200 KiB, as on a full disk; and the reader of standard error is gone.
            let service = try ChildProcess(
                "/bin/bash",
                [
                    "-c", #"ulimit -f 200; exec 2> >(:); wait $!; exec "$0" "$@""#,
                    BuiltProducts.executable("logbeam-demo-service"),
                    bed.spool, TestBed.stream.logGroup, TestBed.stream.logStream, "2000", "1",
                ],
                environment: environment
            )
            #expect(try service.wait().exitCode == 0)
            #expect(TestBed.logged(by: service).count == 2_000)
            let pending = try bed.pending().count
            #expect((1..<2_000).contains(pending))
        }
    }

    private static let prefix = "logbeam: not spooled: "

    /// The messages that a service printed because it could not spool them.
    private static func losses(of service: ChildProcess) throws -> [String] {
        let lines = service.text(.standardError).split(separator: "\n")
        let records = lines.filter { $0.hasPrefix(prefix) }
        // That the service is cut off is told once too, when it first tries to send.
        func isTrouble(_ line: Substring) -> Bool {
            line.contains(": group stream: ") && line.hasSuffix("; trying again")
        }
        #expect(lines.count(where: isTrouble) <= 1)
        let others = lines.filter { !$0.hasPrefix(prefix) && !isTrouble($0) }
        // Why is told once.
        #expect(
            others.count == 1 && others.allSatisfy { $0.hasPrefix("logbeam: records that are not spooled follow: ") },
            "\(others)"
        )
        return records.map { String($0.dropFirst(prefix.count)) }
    }
}
