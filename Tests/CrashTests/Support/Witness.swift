import Foundation
import LogbeamSpool
import LogbeamTestSupport
import Testing

/// SQLite itself notes what is in doubt whenever the lease changes hands, in the transaction in which it does, and whenever
/// a delivery fails: so it is known exactly what may come twice, whoever is killed or stopped, and whenever.
extension TestBed {
    /// Makes the spool.
    func installWitness() throws {
        _ = try Spool(path: spool)
        let doubts = """
            INSERT INTO doubts SELECT message FROM deliveries JOIN records ON records.id BETWEEN first_id AND last_id
                AND records.stream_id = deliveries.stream_id AND timestamp <= latest_timestamp WHERE acknowledged = 0
            """
        try write(
            """
            CREATE TABLE doubts (message TEXT);
            CREATE TRIGGER lease_taken AFTER UPDATE ON counters WHEN new.name = 'lease_epoch' BEGIN \(doubts); END;
            CREATE TRIGGER delivery_failed AFTER UPDATE ON streams WHEN new.failures > old.failures BEGIN
                \(doubts) AND deliveries.stream_id = new.id;
            END;
            """
        )
    }

    private func write(_ sql: String) throws {
        let process = try ChildProcess("/usr/bin/sqlite3", ["-bail", "-cmd", ".timeout 60000", spool, sql])
        process.closeInput()
        #expect(try process.wait().exitCode == 0, "\(process.text(.standardError))")
    }

    /// Expects all that was logged to have arrived, in batches that are sent again as they were, and to have left the spool.
    func expectTwiceOnlyWhatWasInDoubt(logged: [String]) throws {
        #expect(try pending().isEmpty)
        #expect(try query("SELECT * FROM deliveries").isEmpty)
        #expect(try query("PRAGMA integrity_check") == ["ok"])
        #expect(try query("SELECT * FROM rejected").isEmpty)
        #expect(endpoint.records.refusals.isEmpty)

        let doubts = try query("SELECT message FROM doubts").reduce(into: [:]) { $0[$1, default: 0] += 1 }
        let counts = endpoint.records.destinations.flatMap { endpoint.messages(in: $0) }
            .reduce(into: [:]) { $0[$1, default: 0] += 1 }
        #expect(Set(logged).subtracting(counts.keys).isEmpty, "logged, and never arrived")
        #expect(counts.filter { $1 > 1 + doubts[$0, default: 0] }.isEmpty, "arrived too often")
        #expect(try query("SELECT value FROM counters WHERE name = 'delivered'") == ["\(counts.count)"])

        var batches: [String: [String]] = [:]
        var changed = 0
        for request in endpoint.records.requests where request.operation == .putLogEvents {
            let messages = request.events.map(\.message)
            if messages.contains(where: { batches[$0] ?? messages != messages }) { changed += 1 }
            for message in messages { batches[message] = messages }
        }
        #expect(changed == 0, "sent again, and not as the batch that it was")
    }
}

extension ChildProcess {
    /// Stops the process, at a moment at which it has no transaction open that writes: one that is stopped in its commit
    /// holds up all others, whoever uploads.
    func stop(outsideOfWritesTo spool: String) throws {
        for _ in 0..<1_000 {
            kill(SIGSTOP)
            let probe = try ChildProcess(
                "/usr/bin/sqlite3",
                ["-bail", "-cmd", ".timeout 500", spool, "BEGIN IMMEDIATE; ROLLBACK"]
            )
            probe.closeInput()
            if try probe.wait().exitCode == 0 { return }
            kill(SIGCONT)
        }
        throw ProcessError(description: "it always writes")
    }

    #if os(Linux)
    /// Whether the process has a file open, by the name that /proc gives it.
    func hasOpen(_ name: String) -> Bool {
        let folder = "/proc/\(processIdentifier)/fd"
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return descriptors.contains {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")) == name
        }
    }
    #endif
}

struct ProcessError: Error {
    var description: String
}
