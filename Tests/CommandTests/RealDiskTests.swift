import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

/// What FullDiskTests of the library have on a disk that is pretended, on one that the kernel makes.
@Suite("On a file system that is full, or read-only", .onOwnThreads)
struct RealDiskTests {
    private static let mayMount: Bool = {
        let process = try? ChildProcess("/usr/bin/env", ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"])
        return (try? process?.wait().exitCode) == 0
    }()

    @Test(
        "append says what it could not take, drain empties the spool in the room that is left, and append goes on",
        .enabled(if: mayMount, "no user namespace in which to mount: FullDiskTests have the same")
    )
    func tmpfs() throws {
        let endpoint = try LocalEndpoint()
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        let directory = command.directory.file("disk")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let lines = (0..<60_000).map { "\($0) \(String(repeating: "x", count: 180))" }
        let input = command.directory.file("input")
        try (lines.joined(separator: "\n") + "\n").write(toFile: input, atomically: false, encoding: .utf8)
        command.environment["append"] = Command.appendArguments.joined(separator: " ")
        command.environment["LOGBEAM_SPOOL"] = directory + "/spool.db"
        // Everything in one shell: the file system is gone with its last process.
        let ended = try command.runShell(
            """
            unshare -rm /bin/bash -c '
                mount -t tmpfs -o size=8m none "\(directory)" || exit 99
                "$command" $append < "\(input)" 2> "\(input).err"; echo "append $?"
                "$command" drain --timeout 120; echo "drain $?"
                "$command" status | grep -P "^(pending|in_doubt|dropped)\\t"
                echo after | "$command" $append; echo "append $?"
                "$command" drain --timeout 120; echo "drain $?"'
            """
        )
        let told = try String(contentsOfFile: input + ".err", encoding: .utf8).split(separator: "\n")
        let refused = told.filter { $0.hasPrefix("logbeam-spool: not spooled: ") }.map { $0.dropFirst(28) }
        #expect(refused.count > 10_000 && refused.count < 55_000)
        #expect(told.count == refused.count + 2, "why, and how many: \(told.filter { !$0.contains("not spooled: ") })")
        let arrived = endpoint.messages(in: Command.destination)
        let records = arrived.filter { !$0.hasPrefix("logbeam: ") }
        #expect(Set(records).union(refused.map(String.init)) == Set(lines + ["after"]))
        #expect(records.count + refused.count == lines.count + 1)
        #expect(arrived.count == records.count + 1, "the stream is told once")
        #expect(
            ended.output
                == "append 74\ndrain 0\npending\t0\ndropped\t\(refused.count)\nin_doubt\t0\nappend 0\ndrain 0\n",
            "\(ended.error)"
        )
    }

    @Test(
        "A drain ships what is in the spool, and then what a dead process's journal holds, though the disk is full",
        .enabled(if: mayMount, "no user namespace in which to mount")
    )
    func fullDiskWithJournal() throws {
        let endpoint = try LocalEndpoint()
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        let directory = command.directory.file("disk")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        command.environment["LOGBEAM_SPOOL"] = directory + "/spool.db"
        command.environment["service"] = try BuiltProducts.executable("logbeam-demo-service")
        let output = command.directory.file("output")
        let ended = try command.runShell(
            """
            unshare -rm /bin/bash -c '
                mount -t tmpfs -o size=8m none "\(directory)" || exit 99
                JOURNAL=1 UPLOADS=0 COMMIT_MS=500 "$service" "$LOGBEAM_SPOOL" group stream 100000000 1 \
                    > "\(output)" 2> "\(output).err" &
                until grep -q "not spooled: " "\(output).err"; do sleep 0.1; done
                kill -9 $!
                wait $! 2> "\(output).end"
                ls "\(directory)" | grep -c journal
                "$command" drain --timeout 120; echo "drain $?"
                "$command" status | grep -P "^(pending|in_doubt)\\t"
                ls "\(directory)" | grep -c journal'
            """
        )
        #expect(ended.output == "1\ndrain 0\npending\t0\nin_doubt\t0\n0\n", "\(ended.error)")
        let arrived = endpoint.messages(in: Command.destination).filter { !$0.hasPrefix("logbeam: ") }
        #expect(Set(arrived).count == arrived.count)
        let lost = try String(contentsOfFile: output + ".err", encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("logbeam: not spooled: ") }.map { String($0.dropFirst(22)) }
        let logged = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").map {
            "INFO demo: \($0)"
        }
        // What was killed may have written half a line.
        #expect(Set(logged.dropLast()).subtracting(arrived).subtracting(lost) == [])
    }

    @Test(
        "Who can not read a spool where nothing can be written says what to do",
        .enabled(if: mayMount, "no user namespace in which to mount")
    )
    func readOnly() throws {
        var command = try Command()
        let directory = command.directory.file("disk")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        command.environment["LOGBEAM_SPOOL"] = directory + "/spool.db"
        command.environment["append"] = Command.appendArguments.joined(separator: " ")
        let journal = try command.leaveJournal(["b"])
        let report = command.directory.file("report")
        let ended = try command.runShell(
            """
            unshare -rm /bin/bash -c '
                mount -t tmpfs none "\(directory)" && echo a | "$command" $append || exit 99
                cp -p "\(journal)" "\(directory)" || exit 99
                mount -o remount,ro "\(directory)" || exit 99
                for name in status check export "drain --dry-run"; do "$command" $name; echo "$?"; done
                "$command" salvage "\(directory)/spool.db" --into "\(command.directory.file("saved.db"))" > "\(report)"
                echo "$?"; grep ^journals "\(report)"'
            """
        )
        let taken = "1 journal, with 1 record that the file does not have"
        #expect(ended.output == "74\n74\n74\n74\n0\njournals\t\(taken)\n", "\(ended.error)")
        let told = ended.error.split(separator: "\n").filter {
            $0.hasPrefix("logbeam-spool: spool \(directory)/spool.db: ")
        }
        #expect(
            told.count == 4 && told.allSatisfy { $0.hasSuffix("or use 'logbeam-spool salvage --into'") },
            "\(ended.error)"
        )
    }
}
