import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("What somebody else may have put in the place of a spool", .onOwnThreads)
struct SpoolSafetyTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("spool.db")
    }

    private func makeSpool(at path: String) throws {
        let spool = try Spool(path: path)
        try spool.append("m", stream: spool.streamID(for: Destination(logGroup: "g", logStream: "s")))
    }

    private static let openers: [@Sendable (String) throws -> Void] = [
        { _ = try Spool(path: $0) }, { _ = try Spool(path: $0, options: .init(create: false)) },
        { _ = try LiveSpool(path: $0, report: { _ in }) },
        { _ = try LiveSpool(path: $0, options: .init(create: false), report: { _ in }) },
        { _ = try SpoolReader(path: $0) }, { _ = try SpoolStatus.read(path: $0) }, { _ = try SpoolCheck.run(path: $0) },
    ]

    /// Whatever opens it says the same, and changes nothing.
    private func expectRefused(_ message: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        func state() throws -> [String] {
            try FileManager.default.subpathsOfDirectory(atPath: directory.path).sorted().map { name in
                let content = FileManager.default.contents(atPath: directory.file(name)) ?? Data()
                return "\(name) \(try mode(directory.file(name))) \(content.base64EncodedString())"
            }
        }
        let before = try state()
        for open in Self.openers {
            let error = try #require(spoolError { try open(path) }, sourceLocation: sourceLocation)
            #expect(error.kind == .unsafe, sourceLocation: sourceLocation)
            #expect("\(error)".contains(message), sourceLocation: sourceLocation)
        }
        #expect(try state() == before, sourceLocation: sourceLocation)
    }

    // MARK: Links

    @Test("is not opened through a symbolic link, to a spool, to an empty file, or to nothing", arguments: 0..<3)
    func link(kind: Int) throws {
        let target = directory.file("target")
        if kind == 0 { try makeSpool(at: target) }
        if kind == 1 { try Data().write(to: URL(fileURLWithPath: target)) }
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
        try expectRefused("is a symbolic link; name the file itself")
    }

    @Test("may lie in a directory that is a symbolic link, and is known by one path")
    func linkedDirectory() throws {
        try FileManager.default.createDirectory(atPath: directory.file("real"), withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            atPath: directory.file("link"),
            withDestinationPath: directory.file("real")
        )
        let spool = try Spool(path: directory.file("link/spool.db"))
        #expect(spool.path == directory.file("real/spool.db"))
        #expect(try Spool(path: directory.file("real/spool.db")).path == spool.path)
        #expect(try LiveSpool(path: directory.file("link/spool.db"), report: { _ in }).path == spool.path)
    }

    @Test("is not opened where the log, its index, a journal or the lease is a link", arguments: SpoolSafety.companions)
    func linkedCompanion(suffix: String) throws {
        try makeSpool(at: path)
        let victim = directory.file("victim")
        try Data("precious".utf8).write(to: URL(fileURLWithPath: victim))
        try FileManager.default.createSymbolicLink(atPath: path + suffix, withDestinationPath: victim)
        try expectRefused("\(path)\(suffix) is a symbolic link")
    }

    @Test("is not opened under one of two names")
    func hardLink() throws {
        try makeSpool(at: path)
        try FileManager.default.linkItem(atPath: path, toPath: directory.file("spool.db.backup"))
        try expectRefused("has 2 names (hard links), of which each would have a log of its own")
        #expect(spoolError { _ = try Spool(path: directory.file("spool.db.backup")) }?.kind == .unsafe)
    }

    @Test("is opened though its maker died before it took the draft away, which is done then")
    func leftDraft() throws {
        try makeSpool(at: path)
        try FileManager.default.linkItem(atPath: path, toPath: path + ".draft-abcdef")
        // Another's draft, which is not complete yet.
        try Data().write(to: URL(fileURLWithPath: path + ".draft-123456"))
        #expect(try SpoolStatus.read(path: path).pending == 1)
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(names.filter { $0.contains("draft") } == ["spool.db.draft-123456"])
    }

    // MARK: Rights

    @Test("is not opened if everybody can write it")
    func worldWritable() throws {
        try makeSpool(at: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o602], ofItemAtPath: path)
        try expectRefused("can be written by everybody")
    }

    @Test("is told of by check: a group that can write, a directory that everybody can write")
    func told() throws {
        let open = directory.file("open")
        try FileManager.default.createDirectory(atPath: open, withIntermediateDirectories: false)
        try makeSpool(at: open + "/spool.db")
        try FileManager.default.setAttributes([.posixPermissions: 0o660], ofItemAtPath: open + "/spool.db")
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: open)
        let check = try SpoolCheck.run(path: open + "/spool.db")
        #expect(check.isGood)
        #expect(check.warnings.contains { $0.contains("has the mode 660, not 600") })
        #expect(check.warnings.contains { $0.contains("\(open) is open to them") })
        try FileManager.default.setAttributes([.posixPermissions: 0o1777], ofItemAtPath: open)
        #expect(try SpoolCheck.run(path: open + "/spool.db").warnings.allSatisfy { !$0.contains("open to them") })
    }

    #if os(Linux)
    /// Whatever the umask allows: the mode is in the call that makes the file, and not set later.
    @Test("finds no file that others can read, not for a moment: each is made for its owner alone")
    func everyFile() throws {
        let spool = directory.file("new/newer/spool.db")
        let (exerciser, command) = try (
            BuiltProducts.executable("logbeam-spool-exerciser"), BuiltProducts.executable("logbeam-spool")
        )
        let log = "--log-group g --log-stream s --spool"
        for (number, line) in [
            "\(exerciser) hold \(spool)", "\(exerciser) churn \(spool) 3000", "\(command) append \(log) \(spool)",
            "\(command) status --spool \(spool)", "\(command) check --spool \(spool)", "\(command) salvage \(spool)",
            "\(command) salvage --into \(spool).more \(spool)",
        ].enumerated() {
            let trace = directory.file("trace \(number)")
            let calls = "open,openat,creat,mkdir,mkdirat,chmod,fchmod,fchmodat"
            let process = try ChildProcess(
                "/bin/sh",
                ["-c", "umask 0; echo line | exec strace -f -qq -s 500 -e trace=\(calls) -o '\(trace)' \(line)"]
            )
            #expect(try process.wait().exitCode == 0, "\(line): \(process.text(.standardError))")
            let made = try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n").filter {
                $0.contains("O_CREAT") || $0.contains("mkdir") || $0.contains("chmod")
            }
            // A call during which another thread makes one is told in two parts.
            let open = made.filter { call in
                ![", 0600)", ", 0600 <", ", 0700)", ", 0700 <"].contains { call.contains($0) }
            }
            #expect(open.isEmpty, "\(line)")
            #expect(made.count > 1 || !line.contains("salvage"))
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.file("new/newer"))
        #expect(names.contains("spool.db.salvaged.db") && names.contains("spool.db-uploader"))
        for name in names { #expect(try mode(directory.file("new/newer/\(name)")) == 0o600, "\(name)") }
    }

    // MARK: Other users

    /// Two that own nothing; "nobody" of Debian, and one without a name.
    private static let (user, otherUser) = (65_534, 65_533)

    /// Runs a program as another user, to the end of its input.
    private static func run(as user: Int, _ command: [String]) throws -> ChildProcess {
        let process = try ChildProcess(
            "/usr/bin/env",
            ["setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups"] + command
        )
        try process.write("line\n")
        process.closeInput()
        _ = try process.wait()
        return process
    }

    /// Whether this process is root, and others may run what was built.
    private static let hasOtherUsers: Bool = {
        guard geteuid() == 0, let command = try? BuiltProducts.executable("logbeam-spool") else { return false }
        return (try? run(as: user, [command, "--help"]).wait().exitCode) == 0
    }()

    /// The owners of all files in the directory of the spool.
    private func owners() throws -> [String: Int] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).reduce(into: [:]) { owners, name in
            let attributes = try FileManager.default.attributesOfItem(atPath: directory.file(name))
            owners[name] = attributes[.ownerAccountID] as? Int
        }
    }

    private var appending: [String] {
        get throws {
            [
                try BuiltProducts.executable("logbeam-spool"),
                "append", "--log-group", "g", "--log-stream", "s", "--spool", path,
            ]
        }
    }

    @Test(
        "is not opened by another user than its owner, and neither with parts that are another's",
        .enabled(if: hasOtherUsers, "needs to be root, and a build that others can run")
    )
    func otherUser() throws {
        try #require(chmod(directory.path, 0o777) == 0)
        #expect(try Self.run(as: Self.user, appending).wait().exitCode == 0)
        try #require(chmod(path, 0o660) == 0)
        let process = try Self.run(as: Self.otherUser, appending)
        #expect(try process.wait().exitCode == 73)
        #expect(process.text(.standardError).contains("belongs to the user 65534, not to 65533"))

        for suffix in SpoolSafety.companions {
            try #require(FileManager.default.createFile(atPath: path + suffix, contents: nil))
            // Root's is not another's.
            #expect(chown(path + suffix, 0, 0) == 0 && chmod(path + suffix, 0o666 & ~0o002) == 0)
            #expect(chown(path + suffix, uid_t(Self.otherUser), 0) == 0)
            let process = try Self.run(as: Self.user, appending)
            #expect(try process.wait().exitCode == 73, "\(suffix)")
            #expect(process.text(.standardError).contains("\(path)\(suffix) belongs to the user 65533, not to 65534"))
            // Root follows nobody into that either.
            #expect(spoolError { _ = try SpoolStatus.read(path: path) }?.kind == .unsafe)
            try FileManager.default.removeItem(atPath: path + suffix)
        }
        #expect(try Self.run(as: Self.user, appending).wait().exitCode == 0)
    }

    @Test(
        "is not root, who may read, fill and salvage it, and leaves nothing that its owner could not open",
        .enabled(if: hasOtherUsers, "needs to be root, and a build that others can run")
    )
    func root() throws {
        try #require(chown(directory.path, uid_t(Self.user), gid_t(Self.user)) == 0)
        #expect(try Self.run(as: Self.user, appending).wait().exitCode == 0)
        #expect(try SpoolStatus.read(path: path).pending == 1)

        // Killed, so that the log and its index stay; with the lease, which has been root's from the beginning.
        let process = try exerciser("hold", path)
        try process.waitForOutput { $0 == "held\n" }
        process.kill(SIGKILL)
        _ = try process.wait()
        _ = try Salvage.run(path)
        let left = try owners()
        let names = ["", "-shm", "-uploader", "-wal", ".salvaged.db"].map { "spool.db" + $0 }
        #expect(left.keys.sorted() == names)
        #expect(left.values.allSatisfy { $0 == Self.user })

        let program = try BuiltProducts.executable("logbeam-spool-exerciser")
        #expect(try Self.run(as: Self.user, [program, "hold", path]).text() == "held\n")
        #expect(try ids(in: path).count == 3)
    }
    #endif

    @Test("A name that begins with what combines with a slash is found beside others all the same")
    func combiningName() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("\u{301}x.db")
        #expect(SpoolSafety.split(path).directory == directory.path)
        #expect(SpoolSafety.split(path).name.unicodeScalars.elementsEqual("\u{301}x.db".unicodeScalars))
        for split in [("a", ".", "a"), ("/a", "/", "a"), ("a/b", "a", "b"), ("/a/", "/a", "")] {
            #expect(SpoolSafety.split(split.0) == (split.1, split.2))
        }
        #expect(FileManager.default.createFile(atPath: path + ".journal-1", contents: nil))
        #expect(SpoolSafety.siblings(of: path, ".journal-").count == 1)
    }
}
