import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("What is set aside when a spool is opened", .onOwnThreads)
struct QuarantineTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("spool/logs.db")
        do {
            let live = try LiveFixture(in: directory)
            for number in 0..<300 { try live.log("old \(number) \(String(repeating: "x", count: 200))") }
            // Every page is in the file, and then some are in the log alone.
            _ = try sqlite3(path, "PRAGMA wal_checkpoint")
            for number in 300..<310 { try live.log("old \(number)") }
            try live.shell("cp -a $(dirname $0) $(dirname $0)-copy")
        }
        // As a process leaves it that is killed.
        try FileManager.default.removeItem(atPath: directory.file("spool"))
        try FileManager.default.moveItem(atPath: directory.file("spool-copy"), toPath: directory.file("spool"))
    }

    private func damage(_ script: String) throws {
        let process = try ChildProcess("/bin/sh", ["-ec", script, path])
        process.closeInput()
        #expect(try process.wait().exitCode == 0, "\(process.text(.standardError))")
    }

    @Test(
        "is the damaged spool, with its log, under a name that says when; and salvage finds in it what is readable",
        arguments: [
            (": > $0", 10), ("rm $0", 10),
            ("dd if=/dev/zero of=$0 bs=4096 count=2 conv=notrunc; touch $0-uploader", 200),
            ("printf x | dd of=$0 bs=1 seek=3 conv=notrunc; touch $0-uploader", 300),
            ("head -c 30000 /dev/urandom > $0; touch $0-uploader", 10),
        ]
    )
    func damaged(script: String, atLeast readable: Int) throws {
        try damage(script)
        let live = try LiveFixture(in: directory)
        try live.log("new")
        #expect(try live.pending() == ["new"])
        let file = try #require(live.quarantined.first)
        #expect(live.quarantined == [file])
        #expect(live.reported.count == 1)
        #expect(live.reported.first?.contains("'logbeam-spool salvage \(file) --into \(path)'") == true)
        let time = file.dropFirst((path + ".damaged-").count)
        #expect(time.wholeMatch(of: /\d{8}T\d{6}Z/) != nil)
        #expect(try mode(file) == 0o600)
        #expect(try size(file + "-wal") > 0)

        let report = try Salvage.run(file, into: path)
        #expect(report.records >= readable, "\(report)")
        #expect(try live.pending().count == 1 + report.records)
    }

    @Test(
        "is nothing of what was never a spool: opening fails, as it did",
        arguments: ["head -c 30000 /dev/urandom > $0", "echo text > $0", "rm $0; sqlite3 $0 'CREATE TABLE t (x)'"]
    )
    func foreign(script: String) throws {
        try damage("rm $0-wal $0-shm; " + script)
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(spoolError { _ = try LiveFixture(in: directory) }?.kind == .notASpool)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        #expect(Quarantine.files(of: path) == [])
    }

    @Test("is no spool of a later version")
    func laterVersion() throws {
        try sqlite3(path, "PRAGMA user_version = 99")
        #expect(spoolError { _ = try LiveFixture(in: directory) }?.kind == .newerVersion)
        #expect(Quarantine.files(of: path) == [])
    }

    @Test("never takes a name that something has, nor the file of another process that was faster")
    func names() throws {
        var places: Set<String> = []
        for _ in 0..<5 {
            try damage("printf x > $0; printf log > $0-wal")
            let expected = FileIdentity(path)
            let place = try #require(try Quarantine.setAside(path, expected: expected, until: .max))
            #expect(places.insert(place).inserted)
            #expect(try String(contentsOfFile: place, encoding: .utf8) == "x")
            #expect(try String(contentsOfFile: place + "-wal", encoding: .utf8) == "log")
            try damage("printf y > $0")
            #expect(try Quarantine.setAside(path, expected: expected, until: .max) == nil)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "y")
        }
        #expect(Set(Quarantine.files(of: path)) == places)
    }

    @Test("is not said to be set aside where nothing could be moved")
    func nothing() throws {
        let missing = directory.file("missing.db")
        #expect(spoolError { _ = try Quarantine.setAside(missing, expected: nil, until: .max) }?.kind == .unwritable)
        #expect(Quarantine.files(of: missing) == [])
    }

    @Test("No spool is made while something is set aside beside it")
    func makesUnderLock() throws {
        let path = directory.file("new.db")
        var options = Spool.Options()
        options.openTimeout = .milliseconds(10)
        try Quarantine.withLock(on: path, until: .max) { () throws(SpoolError) in
            #expect(spoolError { _ = try Spool(path: path, options: options) }?.kind == .busy)
        }
        #expect(FileIdentity(path) == nil)
        _ = try Spool(path: path)
    }
}

@Suite("The log of a dead process", .onOwnThreads)
struct DamagedLogTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("spool/logs.db")
    }

    /// Logs in a process of its own, and kills it.
    private func logAndDie() throws {
        try FileManager.default.createDirectory(atPath: directory.file("spool"), withIntermediateDirectories: true)
        let service = try exerciser("append", path, 1)
        try service.waitForOutput { $0.utf8.count { $0 == UInt8(ascii: "\n") } > 200 }
        service.kill(SIGKILL)
        _ = try service.wait()
        // What the service's upkeep has left is not known: some commits of which nothing is in the file.
        let writer = try ChildProcess("/usr/bin/env", ["sqlite3", path])
        try writer.write("PRAGMA wal_checkpoint(TRUNCATE);\n")
        for number in 0..<20 {
            try writer.write(
                "INSERT INTO records VALUES (\(9_000_000_000_000_000 + number), 1, 1, 'late \(number)');\n"
            )
        }
        try writer.write("SELECT 'written';\n")
        try writer.waitForOutput { $0.hasSuffix("written\n") }
        writer.kill(SIGKILL)
        _ = try writer.wait()
    }

    /// In the third frame.
    private func damage() throws {
        let damage = try ChildProcess("/bin/sh", ["-ec", "printf x | dd of=$0-wal bs=1 seek=12000 conv=notrunc", path])
        #expect(try damage.wait().exitCode == 0)
    }

    @Test("is set aside as a copy where it is damaged before its end; salvage finds what SQLite has cut off")
    func damaged() throws {
        try logAndDie()
        try damage()
        let live = try LiveFixture(in: directory)
        let before = try live.pending()
        #expect(!before.contains("late 19"))
        let file = try #require(live.quarantined.first)
        #expect(live.reported.count == 1)
        #expect(live.reported.first?.contains("salvage \(file) --into \(path)") == true)
        #expect(try mode(file + "-wal") == 0o600)
        _ = try Salvage.run(file, into: path)
        #expect(Set((3..<20).map { "late \($0)" }).isSubset(of: try live.pending()))
    }

    @Test("is copied once, however often it is tried to open the spool, and by whatever process")
    func copiedOnce() throws {
        try logAndDie()
        try damage()
        #expect(Quarantine.copyDamagedWAL(of: path) != nil)
        let files = Quarantine.files(of: path)
        #expect(try files.count == 1 && size(files[0] + "-wal") == size(path + "-wal"))
        for _ in 0..<3 { #expect(Quarantine.copyDamagedWAL(of: path) == nil) }
        #expect(Quarantine.files(of: path) == files)
        // All that there may be: other tests have many open.
        let opened = (0..<Int32(65_536)).filter { descriptor in
            var status = stat()
            return fstat(descriptor, &status) == 0 && FileIdentity(path) == FileIdentity(status)
        }
        #expect(opened.count == 1, "what is kept open to look at its locks is opened once")
    }

    @Test("is not said to be safe where there is no room for the copy, and no half of it is left")
    func noRoom() throws {
        try logAndDie()
        try damage()
        let service = try ChildProcess(
            "/bin/sh",
            [
                "-c", #"trap '' XFSZ; ulimit -f 8; exec "$0" share "$1" 0"#,
                BuiltProducts.executable("logbeam-spool-exerciser"), path,
            ]
        )
        _ = try service.wait()
        let told = service.text(.standardOutput)
        #expect(told.contains("no copy of it could be set aside: its log can not be copied: File too large"))
        #expect(Quarantine.files(of: path) == [])
        #expect(SpoolSafety.siblings(of: path, Quarantine.infix) == [])
    }

    @Test("is left to who has the spool open, though it is damaged", arguments: ["another process", "this process"])
    func openElsewhere(by user: String) throws {
        try logAndDie()
        try damage()
        // As it is when the spool is opened: it begins anew when something is committed.
        let log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
        let process = try ChildProcess("/usr/bin/env", ["sqlite3", path])
        var connection: Connection?
        if user == "this process" {
            connection = try Connection(path: path, mode: .readWrite)
            #expect(try #require(connection).integer("SELECT count(*) FROM records") > 0)
        } else {
            try process.write("SELECT count(*) > 0 FROM records;\n")
            try process.waitForOutput { $0 == "1\n" }
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path + "-wal")) == log)
        #expect(Quarantine.copyDamagedWAL(of: path) == nil)
        #expect(Quarantine.files(of: path) == [])
        withExtendedLifetime(connection) {}
        connection = nil
        process.kill(SIGKILL)
        _ = try process.wait()
    }

    @Test("is taken as it is where it is sound, or ends in the middle of a commit")
    func sound() throws {
        try logAndDie()
        let size = try size(path + "-wal")
        for length in [size, size - 1_000] {
            #expect(truncate(path + "-wal", off_t(length)) == 0)
            #expect(Quarantine.copyDamagedWAL(of: path) == nil)
        }
        #expect(Quarantine.files(of: path) == [])
    }
}
