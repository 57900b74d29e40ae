import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("A spool of an earlier version")
struct MigrationTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("spool.db")
    }

    private func version() throws -> Int64 {
        try Connection(path: path, mode: .readOnly).integer("PRAGMA user_version")
    }

    /// The schema of a spool that is made now.
    private func newSchema() throws -> [String] {
        let path = directory.file("new.db")
        if !FileManager.default.fileExists(atPath: path) { _ = try Spool(path: path) }
        return try schema(of: path)
    }

    /// The bytes of the file and its log.
    private func bytes() throws -> [Data] {
        try ["", "-wal"].map { suffix in
            FileManager.default.fileExists(atPath: path + suffix)
                ? try Data(contentsOf: URL(fileURLWithPath: path + suffix)) : Data()
        }
    }

    @Test("becomes one of this version when it is opened, and nothing in it is lost", arguments: EarlierVersion.all)
    func migrates(_ earlier: EarlierVersion) throws {
        try earlier.write(to: path)
        #expect(try version() == earlier.number)
        let before = try contentsOfVersionOne(path)
        #expect(before.count > 50)
        #expect(before.contains { $0.contains("in the log") } == earlier.isKilled)
        let spool = try Spool(path: path, options: .init(create: false))
        #expect(try version() == Schema.version)
        #expect(try contentsOfVersionOne(path) == before)
        #expect(try schema(of: path) == newSchema())
        #expect(try integrity(of: path) == "ok")
        withExtendedLifetime(spool) {}
    }

    @Test("works on: ids, batches in doubt, what was acknowledged, what was rejected", arguments: EarlierVersion.all)
    func worksOn(_ earlier: EarlierVersion) throws {
        try earlier.write(to: path)
        // The clock was ahead then: nothing but the counter knows which ids were used.
        let future: Int64 = 4_102_444_800_000_000
        try sqlite3(path, "UPDATE counters SET value = \(future) WHERE name = 'last_id'")
        let rejected = try ids("rejected", in: path)
        let spool = try Spool(path: path)
        let reader = try SpoolReader(path: path)
        let orders = try spool.streamID(for: Destination(logGroup: "shop", logStream: "orders"))
        #expect(try ids("streams", in: path) == [1, 2, 3])
        #expect(try spool.append("next", stream: orders) == future + 1)
        let deliveries = try reader.deliveries()
        #expect(deliveries.map(\.acknowledged) == [false, false, true])
        try spool.finish(deliveries[2].range)
        let batch = try reader.batch(deliveries[0].range, for: Destination(logGroup: "shop", logStream: "orders"))
        #expect(batch.count == 3)
        let refused = [RefusedRecord(id: batch.events[1].id, reason: .tooOld)]
        try spool.acknowledgeAndFinish(deliveries[0].range, refused: refused, delivered: 2)
        #expect(try ids("rejected", in: path) == (rejected + refused.map(\.id)).sorted())
        #expect(try ids("deliveries", in: path) == [2])
        #expect(try SpoolStatus.read(path: path).delivered == 7)
        // Version 1 counted no failures.
        let known = earlier.number == 1 ? [] : [3]
        #expect(try reader.troubledStreams().map(\.failures) == known)
        try spool.noteFailure(stream: orders, message: "Timeout", failures: 1)
        #expect(try reader.troubledStreams().map(\.failures) == [1] + known)
        let lease = try #require(try UploadLease.acquire(spool))
        try lease.finish(deliveries[1].range)
        #expect(try ids("deliveries", in: path) == [])
        #expect(try reader.leaseEpoch() == 1)
        #expect(try integrity(of: path) == "ok")
    }

    @Test("has its rejected records counted when it is opened", arguments: ["", "DELETE FROM rejected"])
    func counts(preparation: String) throws {
        try EarlierVersion(number: 1, isKilled: false).write(to: path)
        // A NUL ends a text for SQLite's length(), and is a byte of a message like any other.
        try sqlite3(
            path,
            "INSERT INTO rejected VALUES (1, 1, 1, CAST(x'61006200' AS TEXT), 'invalid', 1); \(preparation)"
        )
        _ = try Spool(path: path)
        try expectRejected(counted: preparation.isEmpty ? 9 : 0)
    }

    /// Expects the counters of `rejected` to say what is in it, which is so many records.
    private func expectRejected(counted records: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let messages = try Connection(path: path, mode: .readOnly).prepare("SELECT message FROM rejected")
        var sizes: [Int] = []
        while try messages.step() { sizes.append(messages.byteCount(0)) }
        #expect(sizes.count == records, sourceLocation: sourceLocation)
        let counted = try texts("SELECT value FROM counters WHERE name LIKE 'rejected%' ORDER BY name")
        #expect(counted == ["\(records)", "\(sizes.reduce(0, +))"], sourceLocation: sourceLocation)
    }

    @Test("can be opened by many processes at once", arguments: EarlierVersion.all)
    func race(_ earlier: EarlierVersion) throws {
        try earlier.write(to: path)
        let before = try contentsOfVersionOne(path)
        let processes = try (1...8).map { _ in try exerciser("join", path, 20) }
        for process in processes { try process.waitForOutput { $0 == "ready\n" } }
        for process in processes { process.closeInput() }
        for process in processes {
            #expect(try process.wait().exitCode == 0, "\(process.text(.standardError))")
        }
        #expect(Set(before).subtracting(try contentsOfVersionOne(path)).isEmpty)
        #expect(try texts("SELECT count(*) FROM records WHERE message LIKE 'record %'") == ["160"])
        #expect(try schema(of: path) == newSchema())
        #expect(try integrity(of: path) == "ok")
    }

    private func texts(_ sql: String) throws -> [String] { try SQLiteShell.query(sql, in: path) }

    // MARK: Next to a process that has not ended

    @Test("serves on a process that opened it before, whose rejected records are counted as well")
    func openConnection() throws {
        try EarlierVersion(number: 1, isKilled: false).write(to: path)
        // As version 1 said it.
        let old = try Connection(path: path, mode: .readWrite)
        let statements = try [
            "INSERT OR IGNORE INTO streams (log_group, log_stream) VALUES ('shop', 'new')",
            "INSERT INTO records (id, stream_id, timestamp, message) VALUES (7, 4, 1, 'é')",
            "INSERT INTO deliveries (stream_id, first_id, last_id, latest_timestamp, started_at) VALUES (4, 7, 7, 1, 1)",
            "UPDATE deliveries SET acknowledged = 1 WHERE stream_id = 4 AND first_id = 7 AND last_id = 7 AND acknowledged = 0",
            """
            INSERT OR IGNORE INTO rejected (id, stream_id, timestamp, message, reason, rejected_at)
            SELECT id, stream_id, timestamp, message, 'invalid', 1 FROM records WHERE id = 7
            """,
            "DELETE FROM records WHERE id = 7",
            "UPDATE counters SET value = value + 1 WHERE name = 'delivered'",
            "UPDATE streams SET last_delivery_at = 5, last_error_at = NULL, last_error = NULL WHERE id = 2",
            "UPDATE streams SET last_error_at = 6, last_error = 'Timeout' WHERE id = 1",
        ].map { try old.prepare($0) }
        #expect(try old.integer("SELECT count(*) FROM streams") == 3)

        let spool = try Spool(path: path)
        try spool.noteFailure(stream: 2, message: "AccessDenied", failures: 4)
        for statement in statements { try statement.run() }
        try expectRejected(counted: 9)
        // The old process has delivered, and has counted no failures.
        #expect(try SpoolReader(path: path).troubledStreams() == [])
        #expect(try integrity(of: path) == "ok")
        withExtendedLifetime(spool) {}
    }

    // MARK: Without a change

    @Test("can be looked at as it is", arguments: EarlierVersion.all)
    func status(_ earlier: EarlierVersion) throws {
        try earlier.write(to: path)
        let before = try bytes()
        let status = try SpoolStatus.read(path: path)
        #expect(status.streams.map(\.destination.logStream) == ["s|1", "orders", "payments"])
        #expect((status.delivered, status.dropped, status.inDoubt) == (5, 8, 2))
        // Two more are acknowledged, and not deleted.
        #expect(status.pending == (earlier.isKilled ? 18 : 17))
        #expect(status.rejected == (earlier.isKilled ? 7 : 8))
        #expect(status.streams[2].lastError == "AccessDeniedException: not allowed")
        let command = try ChildProcess(BuiltProducts.executable("logbeam-spool"), ["status", "--spool", path])
        command.closeInput()
        #expect(try command.wait().exitCode == 0, "\(command.text(.standardError))")
        #expect(command.text().contains("\nrejected\t\(status.rejected)\ndropped\t8\nin_doubt\t2\n"))
        #expect(try bytes() == before)
        #expect(try version() == earlier.number)
    }

    @Test("is not what an uploader reads, who says what to do", arguments: EarlierVersion.all)
    func reader(_ earlier: EarlierVersion) throws {
        try earlier.write(to: path)
        let before = try bytes()
        let error = try #require(spoolError { _ = try SpoolReader(path: path) })
        #expect("\(error)".contains("has version \(earlier.number), and is read from version \(Schema.version) on"))
        #expect(error.kind == .olderVersion && "\(error)".contains("'logbeam-spool compact' brings it there"))
        #expect(try bytes() == before)
    }

    @Test("is the past: one of a later version is left as it is", arguments: [Schema.version + 1, 99], [false, true])
    func future(number: Int64, isKilled: Bool) throws {
        do { _ = try Spool(path: path) }
        // Killed, a process leaves the version in the log alone.
        let process = try ChildProcess("/usr/bin/sqlite3", ["-bail", path])
        try process.write("PRAGMA user_version = \(number); SELECT 'written';\n")
        try process.waitForOutput { $0.hasSuffix("written\n") }
        if isKilled { process.kill(SIGKILL) }
        process.closeInput()
        _ = try process.wait()
        let before = try bytes()
        #expect(before[1].isEmpty != isKilled)
        for open in [
            { _ = try Spool(path: path) }, { _ = try Spool(path: path, options: .init(create: false)) },
            { _ = try SpoolReader(path: path) }, { _ = try SpoolStatus.read(path: path) },
        ] {
            let error = try #require(spoolError(open))
            #expect(error.kind == .newerVersion)
            #expect(
                "\(error)".contains("has version \(number), and this logbeam knows versions up to \(Schema.version)")
            )
            #expect("\(error)".contains("nothing was changed in it; upgrade logbeam"))
            #expect(try bytes() == before)
        }
    }

    // MARK: Killed in the midst

    #if os(Linux)
    @Test("is of the one version or the other wherever its opener is killed", arguments: EarlierVersion.all)
    func killed(_ earlier: EarlierVersion) throws {
        let original = directory.file("original.db")
        try earlier.write(to: original)
        let before = try contentsOfVersionOne(original)
        let oldSchema = try schema(of: original)
        var found: [Int64: Int] = [:]
        var number = 0
        while true {
            number += 1
            for suffix in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: path + suffix)
                // The index of the log goes with its process's memory, or does not: it is of no account.
                guard suffix != "-shm", FileManager.default.fileExists(atPath: original + suffix) else { continue }
                try FileManager.default.copyItem(atPath: original + suffix, toPath: path + suffix)
            }
            let command = try KillPoint(SystemCall.files, number: number).command()
            let program = try BuiltProducts.executable("logbeam-spool-exerciser")
            let process = try ChildProcess(command[0], command.dropFirst() + [program, "join", path, "0"])
            process.closeInput()
            guard try TracedRun(process).wasKilled else { break }

            let version = try version()
            found[version, default: 0] += 1
            #expect(try schema(of: path) == (version == earlier.number ? oldSchema : newSchema()), "call \(number)")
            #expect(version == earlier.number || version == Schema.version)
            #expect(Set(before).subtracting(try contentsOfVersionOne(path)).isEmpty, "call \(number)")
            #expect(try SpoolStatus.read(path: path).dropped == 8)
            #expect(try integrity(of: path) == "ok", "call \(number)")
            // And the next one ends the work.
            _ = try Spool(path: path)
            #expect(try schema(of: path) == newSchema())
            #expect(Set(before).subtracting(try contentsOfVersionOne(path)).isEmpty, "call \(number)")
        }
        // Some before the migration is committed, and some after it.
        #expect(try #require(found[earlier.number]) > 5)
        #expect(try #require(found[Schema.version]) > 5)
    }
    #endif
}
