import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("A running service that can not reach its spool any more", .serialized)
struct OutOfReachTests {
    /// Whoever is not root must be allowed to make a user namespace: there one is.
    static let namespace = geteuid() == 0 ? "unshare -m" : "unshare -Urm"

    static let canMount: Bool = {
        let attempt = try? ChildProcess("/bin/sh", ["-c", "\(namespace) mount -t tmpfs none /mnt"])
        attempt?.closeInput()
        return (try? attempt?.wait().exitCode) == 0
    }()

    @Test("because its directory was renamed: goes on in a new one, and ships what was in the old one")
    func renamed() async throws {
        try await onOwnThread {
            let bed = try TestBed(inDirectory: "logs")
            let service = try bed.startExerciser("live", 2)
            try service.waitForLines(200)
            try FileManager.default.moveItem(atPath: bed.path + "/logs", toPath: bed.path + "/old")
            try Self.expectAllArrives(service, bed, "is gone")
            #expect(FileManager.default.fileExists(atPath: bed.spool))
        }
    }

    @Test(
        "because its file system was unmounted, or hidden by another: the same",
        .enabled(if: canMount, "takes the right to mount"),
        arguments: ["umount -l", "mount -t tmpfs none"]
    )
    func unmounted(command: String) async throws {
        try await onOwnThread {
            let bed = try TestBed(inDirectory: "logs")
            let directory = bed.path + "/logs"
            let shell = "mkdir \(directory); mount -t tmpfs none \(directory); exec \"$0\" \"$@\""
            let service = try bed.startExerciser(
                "live",
                2,
                shell: "exec \(Self.namespace) sh -c '\(shell)' \"$0\" \"$@\""
            )
            try service.waitForLines(200)
            try service.write("\(command) \(directory)\n")
            try Self.expectAllArrives(service, bed, "is gone")
        }
    }

    @Test(
        "because it has changed its root: goes on in a new one, below that",
        .enabled(if: canMount, "takes the right to change the root")
    )
    func jailed() async throws {
        try await onOwnThread {
            let bed = try TestBed(inDirectory: "logs")
            let jail = bed.path + "/jail"
            try FileManager.default.createDirectory(atPath: jail, withIntermediateDirectories: false)
            let service = try bed.startExerciser("live", 2, shell: "exec \(Self.namespace) \"$0\" \"$@\"")
            try service.waitForLines(200)
            try service.write("chroot \(jail)\n")
            try Self.expectAllArrives(service, bed, "is gone")
            #expect(FileManager.default.fileExists(atPath: jail + bed.spool))
        }
    }

    @Test("nor make a new one, because the root that it changed to takes none: goes on through what is open")
    func emptyJail() async throws {
        try await onOwnThread {
            let bed = try TestBed(inDirectory: "logs")
            let service = try bed.startExerciser("live", 2)
            try service.waitForLines(200)
            // As in a root where nothing can be made: a file is in the way.
            try FileManager.default.moveItem(atPath: bed.path + "/logs", toPath: bed.path + "/old")
            try Data().write(to: URL(fileURLWithPath: bed.path + "/logs"))
            try Self.expectAllArrives(service, bed, "there can be no new one")
        }
    }

    /// The service tells once, goes on, and all that it logs arrives.
    private static func expectAllArrives(_ service: ChildProcess, _ bed: TestBed, _ told: String) throws {
        try service.waitForOutput(.standardError) { $0.contains(told) }
        try service.waitForLines(service.text().split(separator: "\n").count + 300)
        let logged = service.text().split(separator: "\n").map(String.init).filter { !$0.hasPrefix("did ") }
        #expect(bed.waitForArrival(of: Set(logged)))
        service.closeInput()
        #expect(try service.wait().exitCode == 0)
        #expect(service.text(.standardError).split(separator: "\n").count == 1, "\(service.text(.standardError))")
    }
}
