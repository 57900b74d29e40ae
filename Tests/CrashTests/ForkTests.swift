import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("A process that forks", .serialized)
struct ForkTests {
    @Test(
        "logs on from all its threads, and so do its children; every record is there, and once",
        arguments: [false, true]
    )
    func storm(usesJournal: Bool) async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let service = try bed.startExerciser("fork", 30, settings: usesJournal ? ["JOURNAL": "1"] : [:])
            #expect(bed.endpoint.wait { $0.acceptedCount >= 1_000 })
            service.closeInput()
            #expect(try service.wait(within: .seconds(300)).exitCode == 0, "\(service.text(.standardError))")
            #expect(service.text(.standardError) == "")
            var lines = service.text().split(separator: "\n").map(String.init)
            #expect(lines.popLast() == "done")
            #expect(lines.count { $0.hasPrefix("child ") } == 30 * 20)
            #expect(lines.contains { $0.hasPrefix("parent 3 ") })

            // What a child has left in a journal, nobody may have taken in yet.
            #expect(try SpoolStatus.read(path: bed.spool).journals == [])
            #expect(try bed.journals() == [])
            #expect(try bed.query("PRAGMA integrity_check") == ["ok"])
            let (shipped, pending) = (bed.arrived(), try bed.pending())
            #expect(Set(shipped).count == shipped.count)
            #expect(Set(pending).count == pending.count)
            #expect(Set(shipped).intersection(pending).isSubset(of: try bed.deliveries().flatMap(\.messages)))
            #expect(Set(shipped).union(pending) == Set(lines))
        }
    }

    @Test("leaves its lease to no child, and a child that outlives it ships")
    func orphan() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let service = try bed.startExerciser("orphan")
            let forked = try service.waitForOutput { $0.contains("forked ") && $0.hasSuffix("\n") }
            #expect(bed.waitForArrival(of: ["parent"]))
            // Once that is acknowledged, nothing is in doubt.
            #expect(
                try eventually { try bed.query("SELECT value FROM counters WHERE name = 'delivered'") == ["1"] }
            )
            service.kill(SIGKILL)
            #expect(bed.waitForArrival(of: ["parent", "child"]))
            #expect(bed.arrived().count == 2)
            #if os(Linux)
            // It has locks of its own on the file and on the log's index, without which others would take the log away.
            let child = forked.split(whereSeparator: \.isWhitespace).last.map(String.init) ?? ""
            func holds(_ range: String) throws -> Bool {
                let locks = try String(contentsOfFile: "/proc/locks", encoding: .utf8).split(separator: "\n")
                return locks.count { $0.contains("POSIX") && $0.hasSuffix(range) && $0.contains(" READ \(child) ") }
                    == 1
            }
            // While locks come and go, the kernel may leave one out of its list.
            #expect(try eventually { try holds(" 1073741826 1073742335") })
            #expect(try eventually { try holds(" 128 128") })
            #endif
            service.closeInput()
            // The child has the pipes too: this waits for its end.
            #expect(try service.wait().signal == SIGKILL)
            #expect(service.text(.standardError) == "")
        }
    }

    @Test("in the midst of long work waits for seconds at most, and then its child logs to standard error alone")
    func busy() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let service = try bed.startExerciser("busy")
            #expect(try service.wait().exitCode == 7)
            #expect(service.text().split(separator: "\n") == ["child 0", "child 1", "child 2", "parent"])
            let told = service.text(.standardError).split(separator: "\n")
            #expect(told.count == 3)
            #expect(told.allSatisfy { $0.contains("not spooled (") && $0.contains(": child ") }, "\(told)")
            #expect(try bed.pending() == ["parent"])
            #expect(try bed.query("PRAGMA integrity_check") == ["ok"])
        }
    }
}
